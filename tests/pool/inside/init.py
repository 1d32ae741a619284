"""Process 1 of a pool: buries the dead, and ends when its supervisor is gone.

The kernel kills whatever runs in a process namespace when its process 1 ends.
"""

import os
import signal
import sys
import threading


def bury_the_dead() -> None:
    """Collect every orphan's exit status, for ever."""
    while True:
        signal.sigwait({signal.SIGCHLD})
        try:
            while os.waitpid(-1, os.WNOHANG) != (0, 0):
                pass
        except ChildProcessError:
            continue


def main() -> None:
    """Say that the tree stands, then wait for the end of standard input."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})
    threading.Thread(target=bury_the_dead, daemon=True).start()
    os.write(sys.stdout.fileno(), b"ready\n")
    while os.read(sys.stdin.fileno(), 4096):
        pass
    os._exit(0)


if __name__ == "__main__":
    main()
