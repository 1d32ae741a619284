"""A process that has the daemon's modules loaded and forks daemons: a start in 50 ms.

It reads one JSON line for each daemon, forks it and answers with its process id.  A
``kill_at`` has the daemon kill itself (SIGKILL) just before or after its n-th step;
a step is a call that changes rules, links, slots or the journal.
"""

import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from collectors.daemon import serve
from collectors.daemon.network import JobNetwork
from collectors.daemon.service_manager import log_to_stderr
from collectors.journal.appender import Appender
from collectors.rules.nftables import NftablesBackend
from collectors.slots import SlotFolder
from poolmeter.config import load_config
from poolmeter.errors import PoolmeterError

#: What leaves a trace that a later daemon finds.
STEPS: tuple[tuple[type, tuple[str, ...]], ...] = (
    (NftablesBackend, ("install", "setup", "teardown", "remove")),
    (
        JobNetwork,
        ("make_namespace", "connect", "set_down", "forget_flows", "remove"),
    ),
    (SlotFolder, ("take", "change", "release")),
    (Appender, ("append", "_rotate")),
)


def main() -> None:
    """Fork a daemon for each line of standard input."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    for line in sys.stdin:
        order = json.loads(line)
        pid = os.fork()
        if pid == 0:
            _be_daemon(order)
        sys.stdout.write(f"{pid}\n")
        sys.stdout.flush()


def _be_daemon(order: dict[str, Any]) -> None:
    code = 1
    try:
        sys.stdin.close()
        log = os.open(order["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        for descriptor in (1, 2):
            os.dup2(log, descriptor)
        os.environ.update(order["environment"])
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        if order["kill_at"]:
            _kill_at(order["kill_at"])
        log_to_stderr(debug=False)
        path = Path(order["config"])
        serve.Daemon(load_config(path).node, lambda: load_config(path).node).run()
        code = 0
    except PoolmeterError as error:
        sys.stderr.write(f"{error}\n")
        code = int(error.exit_code)
    finally:
        os._exit(code)


def _kill_at(number: int) -> None:
    """Kill this process at half-step *number*: odd ones before a step, even after."""
    passed = 0

    def count(where: str) -> None:
        nonlocal passed
        passed += 1
        if passed == number:
            os.write(2, f"killed {where}\n".encode())
            os.kill(os.getpid(), signal.SIGKILL)

    def wrapped(step: Callable[..., object]) -> Callable[..., object]:
        def counted(*args: object, **kw: object) -> object:
            count(f"before {step.__name__}")
            result = step(*args, **kw)
            count(f"after {step.__name__}")
            return result

        return counted

    for owner, names in STEPS:
        for name in names:
            setattr(owner, name, wrapped(getattr(owner, name)))


if __name__ == "__main__":
    main()
