"""What can go wrong with a test pool.

PoolError
├── RootfsError   the files to run one cannot be had on this machine
├── StartError    the pool does not come up
└── AwaitedError  an event that a test awaits does not come
"""


class PoolError(Exception):
    """The test pool did not do what was asked; *mend* says what may help."""

    def __init__(self, what: str, mend: str = "") -> None:
        super().__init__(f"{what} (mend: {mend})" if mend else what)
        self.what = what
        self.mend = mend


class RootfsError(PoolError):
    """The pool's rootfs is not there and cannot be built."""


class StartError(PoolError):
    """The pool does not come up; the message ends with the logs' last lines."""


class AwaitedError(PoolError):
    """An awaited event did not come in time; the message says what was seen."""
