"""The fixture ``pool``: one pool for all tests of this folder."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.pool import rootfs
from tests.pool.errors import RootfsError
from tests.pool.pool import Pool

# Where the logs of a pool go after a failed session; a folder for CI to keep.
FAILED = rootfs.CACHE / "failed"


@pytest.fixture(scope="session")
def pool_files() -> Path:
    """The pool's rootfs; where none can be had its tests are skipped.

    They fail instead if the environment's ``REQUIRE`` names "pool".
    """
    try:
        return rootfs.build()
    except RootfsError as error:
        if "pool" in os.environ.get("REQUIRE", "").split(","):
            raise
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def pool(request: pytest.FixtureRequest, pool_files: Path) -> Iterator[Pool]:
    """A pool of one machine, shared by the session: leave no job behind."""
    assert pool_files.is_dir()
    with Pool() as running:
        yield running
        if request.session.testsfailed:
            shutil.rmtree(FAILED, ignore_errors=True)
            running.save_logs(FAILED)
