"""A record read twice, as after a kill, is one row, whatever its owner wrote."""

import datetime as dt
from pathlib import Path

import pytest

from probe.checkpoint import checkpoint_path
from tests.ads import (
    DAY_S,
    END_S,
    HOUR_S,
    SCHEDD,
    banner,
    clusters,
    job,
    jobs,
    removed,
    run,
)

pytestmark = pytest.mark.usefixtures("reader")

END = dt.datetime.fromtimestamp(END_S, dt.UTC)


def edited(entered_s: int) -> str:
    """Return the record of job 2 with an edited end."""
    start_s = END_S + 1200 - 2 * HOUR_S
    return removed(
        ClusterId=2,
        GlobalJobId=None,
        QDate=start_s,
        JobStartDate=start_s,
        JobCurrentStartDate=start_s,
        EnteredCurrentStatus=entered_s,
    ) + banner(2)


@pytest.mark.parametrize("first_run_days", [1, 12])
@pytest.mark.parametrize("second_run_days", [12, 30])
@pytest.mark.parametrize("edit_days", [-400, -10, 5, 10, 400])
def test_an_edited_end_is_one_row_whichever_runs_read_it(
    tmp_path: Path, first_run_days: int, second_run_days: int, edit_days: int
) -> None:
    """The second run sees what was written after it, and has no checkpoint."""
    history, ledger = tmp_path / "history", tmp_path / "ledger"
    record = edited(END_S + 1200 + edit_days * DAY_S)
    history.write_text(job(1) + record)
    run(ledger, history, now=END + dt.timedelta(days=first_run_days))
    checkpoint_path(ledger, SCHEDD).unlink()
    history.write_text(job(1) + record + jobs(3, 6))
    run(ledger, history, now=END + dt.timedelta(days=second_run_days))
    assert clusters(ledger) == [1, 2, 3, 4, 5, 6]
