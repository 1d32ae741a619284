"""What the demo's jobs run: sleeps, takes memory, tells its ad what it "moved".

    payload.py ORDER

The file ORDER, beside this one's folder, says WALL_S MEMORY_MB ENDING [NAME=VALUE...].
Each ``NAME=number`` is told by delayed chirp, half of it at once and all of it at the
end, on top of what earlier runs of the job have told. ``NAME=now`` tells the time,
anything else a string, with "+" for a blank. ENDING is an exit code or the name of a
signal. No byte is really moved.
"""

import os
import signal
import socket
import sys
import time
from pathlib import Path

ORDERS = Path("/pool/orders")
# However long the job: then it leaves a mark, ``ORDER.midway``.
LONGEST_FIRST_S = 5.0


class Chirp:
    """The job's way into its own ad: HTCondor's line protocol of that name."""

    def __init__(self) -> None:
        config = Path(os.environ["_CONDOR_SCRATCH_DIR"]) / ".chirp.config"
        host, port, cookie = config.read_text().split()
        self._stream = socket.create_connection((host, int(port))).makefile("rw")
        self._ask("cookie", cookie)

    def tell(self, name: str, expression: str) -> None:
        """Set attribute *name* to a ClassAd *expression* at the next update."""
        self._ask("set_job_attr_delayed", name, expression)

    def _ask(self, *words: str) -> None:
        quoted = [word.replace("\\", "\\\\").replace(" ", "\\ ") for word in words]
        self._stream.write(" ".join(quoted) + "\n")
        self._stream.flush()
        answer = self._stream.readline().strip()
        if answer != "0":
            raise SystemExit(f"chirp {words[0]} is answered with {answer}")


def earlier(name: str) -> int:
    """Return what the job's earlier runs have told as *name*."""
    for line in Path(os.environ["_CONDOR_JOB_AD"]).read_text().splitlines():
        key, _, value = line.partition(" = ")
        if key == name and value.isdigit():
            return int(value)
    return 0


def literal(text: str) -> str:
    """Return the ClassAd literal for a value that is no number."""
    if text == "now":
        return str(int(time.time()))
    return '"' + text.replace("+", " ") + '"'


def main() -> None:
    """Be a job."""
    order = (ORDERS / sys.argv[1]).read_text().split()
    wall_s, memory_mb, ending = float(order[0]), int(order[1]), order[2]
    pairs = [word.partition("=")[::2] for word in order[3:]]
    counts = {name: int(text) for name, text in pairs if text.isdigit()}
    base = {name: earlier(name) for name in counts}
    chirp = Chirp() if pairs else None
    first_s = min(wall_s / 2, LONGEST_FIRST_S)
    # Held to the end: the memory that the starter sees.
    memory = bytearray(os.urandom(1) * (memory_mb * 1_000_000))
    for share in (2, 1):
        for name, text in pairs if chirp else ():
            told = base[name] + counts[name] // share if name in counts else 0
            if chirp:
                chirp.tell(name, str(told) if name in counts else literal(text))
        time.sleep(first_s if share > 1 else wall_s - first_s)
        (ORDERS / f"{sys.argv[1]}.midway").touch()
    del memory
    if not ending.isdigit():
        os.kill(os.getpid(), signal.Signals[ending])
    raise SystemExit(int(ending))


if __name__ == "__main__":
    main()
