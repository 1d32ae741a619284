"""Per-job accounting for HTCondor pools: the ground floor that all parts import.

For analysts: :func:`jobs` and :func:`runs` read a ledger into pandas,
:func:`statement` prices a month.  What they need is imported when they are called.
"""

import typing
from os import PathLike

if typing.TYPE_CHECKING:
    import pandas as pd

__version__ = "0.1.0"
__all__ = ["__version__", "jobs", "runs", "statement"]


def jobs(
    ledger: str | PathLike[str],
    *,
    month: str | None = None,
    columns: typing.Sequence[str] = (),
) -> "pd.DataFrame":
    """Return the jobs that ended in *month* (``YYYY-MM``, UTC), or all of them.

    One row a job, columns as in ``docs/record.md``, in Arrow-backed dtypes: whole
    numbers with nulls stay exact.  Sum with ``min_count=1``, so that the sum of
    nothing known is unknown and not 0.

    Raises:
        UsageError: The month is none, or a column does not exist.
        LedgerError: The ledger cannot be read.
        MissingPartError: The extra ``reports`` is not installed.
    """
    from poolmeter.lazy import load  # noqa: PLC0415 - keeps `import poolmeter` light

    read_frame = load("poolmeter.frames:read_frame", extra="reports")
    return typing.cast("pd.DataFrame", read_frame(ledger, month, columns))


def runs(
    ledger: str | PathLike[str],
    *,
    month: str | None = None,
    columns: typing.Sequence[str] = (),
) -> "pd.DataFrame":
    """Return the runs that ended in *month* (``YYYY-MM``, UTC), or all of them.

    One row a run, also of jobs that are still queued, where the probe reads an epoch
    history; columns as in ``docs/record.md``.  What a run moved is the difference of
    two sums, null where its count is missing; with ``spans_runs`` it is also that of
    the runs before it whose counts are.

    Raises:
        UsageError: The month is none, or a column does not exist.
        LedgerError: The ledger cannot be read.
        MissingPartError: The extra ``reports`` is not installed.
    """
    from poolmeter.lazy import load  # noqa: PLC0415 - keeps `import poolmeter` light

    read_frame = load("poolmeter.frames:read_runs_frame", extra="reports")
    return typing.cast("pd.DataFrame", read_frame(ledger, month, columns))


def statement(
    ledger: str | PathLike[str],
    month: str,
    *,
    by: str = "vo",
    vo: str | None = None,
    prices: str | None = None,
    vcpus_per_cpu: int | None = None,
    config: str | PathLike[str] | None = None,
) -> dict[str, typing.Any]:
    """Return the statement of *month* as plain data, costs as decimal strings.

    It is what ``poolmeter report statement --format json`` prints: priced as the
    configuration has it (*config*, else ``$POOLMETER_CONFIG``, else the file in
    ``/etc``, else the defaults), and a month that was closed as it was then, unless
    *prices* names a book.  *vcpus_per_cpu* replaces the site's setting.

    Raises:
        ConfigError: The configuration cannot be read, or is not right.
        UsageError: The month or the ledger is none.
        PriceBookError: The book cannot be used.
        LedgerError: The ledger cannot be read.
        MissingPartError: The extra ``reports`` is not installed.
    """
    from pathlib import Path  # noqa: PLC0415 - keeps `import poolmeter` light

    from poolmeter.config import load_config  # noqa: PLC0415 - as above
    from poolmeter.lazy import load  # noqa: PLC0415 - as above

    site_statement = load("reports.site_statement:site_statement", extra="reports")
    made = site_statement(
        Path(ledger),
        month,
        load_config(None if config is None else Path(config)),
        by=by,
        vo=vo,
        prices=prices,
        vcpus_per_cpu=vcpus_per_cpu,
    )
    return typing.cast("dict[str, typing.Any]", made.to_json())
