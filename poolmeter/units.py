"""Units of every number that poolmeter keeps, and the only conversions between them.

Bytes and seconds are whole numbers, money is ``Decimal``; ``None`` is "not
measured" and never zero.  HTCondor counts sizes in KiB or MiB and times in
seconds, often as reals; reals are rounded half-even when they are read.
"""

from decimal import Decimal
from typing import NewType

Bytes = NewType("Bytes", int)
Seconds = NewType("Seconds", int)
Milliseconds = NewType("Milliseconds", int)

BYTES_PER_KIB = 1024
BYTES_PER_MIB = 1024**2
BYTES_PER_GIB = 1024**3
BYTES_PER_GB = 10**9
MS_PER_S = 1000
SECONDS_PER_MINUTE = 60
SECONDS_PER_HOUR = 3600
SECONDS_PER_DAY = 86_400
MILLI = 1000


def bytes_from_kib(kib: float) -> Bytes:
    """Return *kib* KiB as bytes.

    >>> bytes_from_kib(883_844)
    905056256
    """
    return Bytes(round(kib * BYTES_PER_KIB))


def bytes_from_mib(mib: float) -> Bytes:
    """Return *mib* MiB as bytes.

    >>> bytes_from_mib(2.5)
    2621440
    """
    return Bytes(round(mib * BYTES_PER_MIB))


def ms_from_s(seconds: float) -> Milliseconds:
    """Return *seconds* as milliseconds, rounded half-even.

    >>> ms_from_s(0.0025)
    2
    """
    return Milliseconds(round(seconds * MS_PER_S))


def hours(seconds: int) -> Decimal:
    """Return *seconds* as an exact number of hours, for display and rates.

    >>> hours(5400)
    Decimal('1.5')
    """
    return Decimal(seconds) / SECONDS_PER_HOUR


def size_text(count_bytes: int | None) -> str:
    """Return a byte count as a person reads it, in powers of ten; ``-`` for unknown.

    >>> [size_text(n) for n in (None, 0, 999, 1000, 3_000_000_000)]
    ['-', '0 B', '999 B', '1.0 kB', '3.0 GB']
    """
    if count_bytes is None:
        return "-"
    size = Decimal(count_bytes)
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if abs(size) < MILLI:
            return f"{size} B" if unit == "B" else f"{size:.1f} {unit}"
        size /= MILLI
    return f"{size:.1f} PB"
