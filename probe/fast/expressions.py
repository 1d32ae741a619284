"""The values of expressions among the wanted attributes.

HTCondor itself writes two of them into nearly every ad; these are computed as
columns.  Any other is evaluated by the reference's own code, in an ad that holds only
the attributes which it names.
"""

from collections.abc import Callable, Iterable, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from poolmeter import attributes as names
from probe.expressions import references
from probe.fast.ads import Ads
from probe.fast.arrays import Flags, Numbers, places_of
from probe.fast.columns import flags_of, pieces_at
from probe.fast.values import Kind, Kinds
from probe.job_ad import JobAd, UnreadableAdError, parse_ad

#: Both are HTCondor's own defaults.
_MEMORY_USAGE = (
    b"((ResidentSetSize + 1023) / 1024)",
    b"( ( ResidentSetSize + 1023 ) / 1024 )",
)
_REQUEST_MEMORY = (
    b"ifthenelse(MemoryUsage =!= undefined,MemoryUsage,(ImageSize + 1023) / 1024)",
    b"ifthenelse(MemoryUsage isnt undefined,MemoryUsage,( ImageSize + 1023 ) / 1024)",
)
_KIB_LIMIT = 2**50

#: So many evaluated expressions are remembered, then all are forgotten; none that,
#: with what it refers to, is longer than that.
CACHE_LIMIT = 8192
CACHED_LIMIT_CHARS = 1024
#: An expression that needs more attributes than that is left to the reference.
_MINI_AD_LIMIT = 64

_WORDS = {"undefined": None, "error": None}


class Expressions:
    """Evaluates expressions, and remembers the values."""

    def __init__(self) -> None:
        self._known: dict[tuple[tuple[str, str], ...], tuple[bool, object]] = {}

    def resolve(self, ads: Ads, evaluated: Iterable[str]) -> None:
        """Give every expression among the attributes *evaluated* its value in *ads*.

        A record with one that cannot be evaluated is left to the reference.
        """
        _resolve_memory_usage(ads)
        _resolve_request_memory(ads)
        for name in evaluated:
            is_open = (ads.kinds(name) == Kind.OTHER) & ads.is_plain
            for record in places_of(is_open).tolist():
                is_known, value = self._value(ads, name, record)
                if not (is_known and ads.set_value(name, record, value)):
                    ads.leave_one(record)

    def _value(self, ads: Ads, name: str, record: int) -> tuple[bool, object]:
        """Return whether *name* has a value without a warning, and the value."""
        raw = ads.raw(name, record) or ""
        if raw.lower() in _WORDS:
            return True, _WORDS[raw.lower()]
        mini = _mini_ad(name, raw, _lookup(ads, record))
        if mini is None:
            return False, None
        key = (*mini.items(),)
        if key in self._known:
            return self._known[key]
        evaluated = _evaluated(name, mini)
        if len(self._known) >= CACHE_LIMIT:
            self._known.clear()
        if sum(map(len, mini.values())) <= CACHED_LIMIT_CHARS:
            self._known[key] = evaluated
        return evaluated


def _evaluated(name: str, mini: dict[str, str]) -> tuple[bool, object]:
    try:
        ad: JobAd = parse_ad("".join(f"{key} = {raw}\n" for key, raw in mini.items()))
    except UnreadableAdError:
        return False, None
    value = ad.value(name)
    return not ad.warnings, value


def _lookup(ads: Ads, record: int) -> Callable[[str], str | None]:
    """Return what gives the raw text of any attribute of *record*."""
    whole: dict[str, str] = {}

    def raw_of(name: str) -> str | None:
        if ads.knows(name):
            return ads.raw(name, record)
        if not whole:
            whole.update(ads.all_raw(record))
        return whole.get(name)

    return raw_of


def _mini_ad(
    name: str, raw: str, raw_of: Callable[[str], str | None]
) -> dict[str, str] | None:
    """Return the expression and all that it refers to, also by others; by name."""
    found = {name.lower(): raw}
    looked_up = {name.lower()}
    waiting = [raw]
    while waiting:
        for reference in sorted(references(waiting.pop()) - looked_up):
            looked_up.add(reference)
            text = raw_of(reference)
            if text is not None:
                found[reference] = text
                waiting.append(text)
        if len(found) > _MINI_AD_LIMIT:
            return None
    return found


def _resolve_memory_usage(ads: Ads) -> None:
    """Evaluate ``((ResidentSetSize + 1023) / 1024)``, which stands in every ad."""
    is_standard = _is_written_so(ads, names.MEMORY_USAGE, _MEMORY_USAGE)
    if is_standard.any():
        kinds, numbers = _mib_of_kib(ads, names.RESIDENT_SET_SIZE)
        ads.set_column(names.MEMORY_USAGE, is_standard, kinds, numbers)


def _resolve_request_memory(ads: Ads) -> None:
    """Evaluate what JOB_DEFAULT_REQUESTMEMORY is when nobody sets it."""
    is_standard = is_default_request_memory(ads)
    if not is_standard.any():
        return
    usage = ads.kinds(names.MEMORY_USAGE)
    kinds, numbers = _mib_of_kib(ads, names.IMAGE_SIZE)
    has_usage = usage == Kind.INTEGER
    kinds = np.where(has_usage, usage, kinds)
    numbers = np.where(has_usage, ads.numbers(names.MEMORY_USAGE), numbers)
    is_simple = np.isin(usage, (Kind.INTEGER, Kind.VOID, Kind.ABSENT))
    ads.set_column(names.REQUEST_MEMORY, is_standard & is_simple, kinds, numbers)


def is_default_request_memory(ads: Ads) -> Flags:
    """Whether RequestMemory is what HTCondor writes when nobody asked for any."""
    return _is_written_so(ads, names.REQUEST_MEMORY, _REQUEST_MEMORY)


def _mib_of_kib(ads: Ads, name: str) -> tuple[Kinds, Numbers]:
    """Return ``(name + 1023) / 1024``; ``OTHER`` where that is not so simple."""
    written, numbers = ads.written_kinds(name), ads.numbers(name)
    is_simple = (written == Kind.INTEGER) & (numbers >= 0) & (numbers < _KIB_LIMIT)
    kinds = np.where(is_simple, np.uint8(Kind.INTEGER), np.uint8(Kind.OTHER))
    kinds[written == Kind.ABSENT] = Kind.VOID
    return kinds, np.where(is_simple, (numbers + 1023) // 1024, 0)


def _is_written_so(ads: Ads, name: str, spellings: Sequence[bytes]) -> Flags:
    """Whether *name* is written in one of these *spellings*."""
    is_same = np.zeros(ads.count, bool)
    others = places_of(ads.written_kinds(name) == Kind.OTHER)
    if others.size:
        starts, ends = ads.places(name)
        written = pieces_at(ads.text, starts[others], ends[others])
        found = pc.is_in(written, value_set=pa.array(spellings, pa.binary()))
        is_same[others] = flags_of(found)
    return is_same
