"""Every error that poolmeter raises on purpose, and the exit code of each.

::

    PoolmeterError            1  failed
    ├── UsageError            2  the command line or an input is not what it must be
    │   ├── ConfigError       2  the configuration file
    │   ├── NotHistoryError   2  a file that HTCondor did not write as job history
    │   ├── PriceBookError    2  a price book
    │   └── MissingPartError  2  a part or library is not installed
    └── LedgerError           1  the ledger cannot be read or written now
        ├── LedgerBusyError   1  another run holds a lock
        └── LedgerMismatchError  2  other schema version or other schedd

An error is one line: where, what was expected, what was found, and the mend.
Nothing below the shell prints or exits; ``poolmeter.cli`` does both.
"""

import enum


class ExitCode(enum.IntEnum):
    """What a poolmeter command tells its caller."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    SET_ASIDE = 3  # done, but input was set aside or a gap was found


class PoolmeterError(Exception):
    """Base of all errors; its text is complete, one line, and fit for a terminal.

    >>> str(PoolmeterError("history:3", expected="a banner", found="'***'"))
    "history:3: expected a banner, found '***'"
    """

    exit_code = ExitCode.FAILED

    def __init__(
        self,
        where: str,
        *,
        expected: str | None = None,
        found: str | None = None,
        mend: str | None = None,
    ) -> None:
        self.where = where
        self.expected = expected
        self.found = found
        self.mend = mend
        super().__init__(one_line(self._text()))

    def _text(self) -> str:
        facts = [
            f"{word} {value}"
            for word, value in (("expected", self.expected), ("found", self.found))
            if value is not None
        ]
        text = f"{self.where}: {', '.join(facts)}" if facts else self.where
        return f"{text}; {self.mend}" if self.mend else text


def one_line(text: str) -> str:
    r"""Return *text* without control characters, so that it stays one line.

    File names and values from job ads stand in messages; none may move the
    cursor, end the line or colour the terminal.

    >>> one_line("a\nb\x1b[31m")
    'a\\nb\\x1b[31m'
    """
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode("ascii")
        for char in text
    )


class UsageError(PoolmeterError):
    """What the user gave is not usable; nothing was changed."""

    exit_code = ExitCode.USAGE


class ConfigError(UsageError):
    """The configuration file cannot be used."""


class NotHistoryError(UsageError):
    """A file is no HTCondor job history."""


class PriceBookError(UsageError):
    """A price book cannot be used."""


class MissingPartError(UsageError):
    """A part of poolmeter or a library it needs is not installed."""


class LedgerError(PoolmeterError):
    """The ledger cannot be read or written now; what was there is unharmed."""


class LedgerBusyError(LedgerError):
    """Another process holds the lock; try again when it has ended."""


class LedgerMismatchError(LedgerError):
    """The ledger belongs to another schema version or another schedd."""

    exit_code = ExitCode.USAGE
