"""Running a site's own pair of scripts, and refusing what breaks the contract."""

import contextlib
import dataclasses
import os
import signal
import subprocess
from ipaddress import AddressValueError, IPv4Address
from pathlib import Path

from collectors.errors import LinkError

#: A script that takes longer is given up: jobs wait for it.
SCRIPT_LIMIT_S = 10.0
SHOWN_CHARACTERS = 200
OUTPUT_LIMIT_BYTES = 1 << 16


@dataclasses.dataclass(frozen=True, slots=True)
class SiteScripts:
    """The two scripts; *path* is the PATH that they are given."""

    setup: Path
    cleanup: Path
    path: str
    limit_s: float = SCRIPT_LIMIT_S

    def set_up(self, job_id: str, device: str) -> IPv4Address:
        """Run the set-up script; return the job's address, which it printed.

        Raises:
            LinkError: It failed, took too long, or printed something else.
        """
        return _only_address(self.setup, self._run(self.setup, job_id, device))

    def clean_up(self, job_id: str, device: str) -> None:
        """Run the clean-up script.

        Raises:
            LinkError: It failed or took too long.
        """
        self._run(self.cleanup, job_id, device)

    def _run(self, script: Path, job_id: str, device: str) -> str:
        environment = {"PATH": self.path, "LC_ALL": "C"}
        try:
            process = subprocess.Popen(  # noqa: S603 - configured by root, no shell
                (script, job_id, device),
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,
            )
        except OSError as error:
            raise LinkError(f"{script}", found=str(error.strerror)) from error
        return _output(script, process, self.limit_s)


def _output(script: Path, process: subprocess.Popen[bytes], limit_s: float) -> str:
    """Return what the script printed; its whole session ends with it or is killed."""
    with process:
        try:
            output, complaint = process.communicate(timeout=limit_s)
        except subprocess.TimeoutExpired as error:
            _kill_session(process)
            raise LinkError(
                f"{script}",
                expected=f"an end within {limit_s:g} s",
                found="it still ran and was killed",
            ) from error
    if process.returncode:
        raise LinkError(
            f"{script}",
            expected="exit code 0",
            found=f"{process.returncode}, {_shown(complaint)}",
        )
    return output[:OUTPUT_LIMIT_BYTES].decode("utf-8", "replace")


def _kill_session(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def _only_address(script: Path, output: str) -> IPv4Address:
    lines = output.splitlines()
    with contextlib.suppress(AddressValueError):
        if len(lines) == 1:
            return IPv4Address(lines[0].strip())
    raise LinkError(
        f"{script}",
        expected="one line on standard output, the job's IPv4 address",
        found=repr(output[:SHOWN_CHARACTERS]),
    )


def _shown(complaint: bytes) -> str:
    text = complaint.decode("utf-8", "replace").strip()
    return repr(text[-SHOWN_CHARACTERS:])
