"""A statement calculated without the product: loops, whole numbers and fractions.

Written from the rules of pricing alone, so that two independent calculations of one
ledger can be compared.  It covers what a job's own row tells (no rows of single runs)
and price books with one rate a type, tiers by payer and no billing increment; a book
that needs more fails loudly here.
"""

import dataclasses
import datetime as dt
import math
import tomllib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

from poolmeter.record import NETWORK_COLUMNS, JobRecord

By = Literal["vo", "owner", "payload-user"]
Number = int | Fraction
Values = dict[str, int | None]

UNKNOWN = "(unknown)"
MIB = 2**20
BYTES_PER_UNIT = {"GB": 10**9, "GiB": 2**30}

#: What is counted, not measured: 0 where nothing was added, never unknown.
COUNTED = ("jobs", "wall_s", "gpu_s")
WHOLE = (*COUNTED, *NETWORK_COLUMNS)
#: What is rounded at a line; costs in cents.
ROUNDED = ("core_s", "cpu_s", "compute_cost")


@dataclasses.dataclass(frozen=True)
class Interval:
    """The seconds [start, end) that a job is charged for, and how many runs they are.

    A job's last run is an interval for itself; all runs before it, whose times are
    not known, are one.
    """

    start: int
    end: int
    runs: int


def charge_intervals(job: JobRecord) -> list[Interval]:
    """Return the intervals of *job*, the last run first; together its wall time."""
    if job.wall_s is None or not (job.wall_s or job.runs):
        return []
    last = _last_run(job, job.wall_s)
    if job.runs <= 1:
        return [last]
    left_s = job.wall_s - (last.end - last.start)
    return [last, Interval(last.start - left_s, last.start, job.runs - 1)]


def _last_run(job: JobRecord, wall_s: int) -> Interval:
    """Return the last run: from its start on where that fits, else up to the end.

    What is left of the wall time of a job with one run lengthens it; what its own
    time is too long by is cut from it.
    """
    ended, told_s = _seconds(job.ended_at), job.last_run_wall_s
    length_s = wall_s if told_s is None or job.runs <= 1 else min(told_s, wall_s)
    if job.last_started_at is not None:
        started = _seconds(job.last_started_at)
        if started + max(length_s, told_s or 0) <= ended:
            return Interval(started, started + length_s, 1)
    return Interval(ended - length_s, ended, 1)


def _seconds(moment: dt.datetime) -> int:
    return math.floor(moment.timestamp())


def month_of(second: int) -> str:
    """Return the UTC month in which the Unix *second* begins, as ``YYYY-MM``."""
    return dt.datetime.fromtimestamp(second, dt.UTC).strftime("%Y-%m")


def seconds_by_month(intervals: Iterable[Interval]) -> dict[str, int]:
    """Return the intervals' seconds in each UTC month, the earliest month first."""
    seconds: dict[str, int] = defaultdict(int)
    for interval in sorted(intervals, key=lambda interval: interval.start):
        at = interval.start
        while at < interval.end:
            day = dt.datetime.fromtimestamp(at, dt.UTC)
            year, month = divmod(day.year * 12 + day.month, 12)
            following = _seconds(dt.datetime(year, month + 1, 1, tzinfo=dt.UTC))
            until = min(interval.end, following)
            seconds[month_of(at)] += until - at
            at = until
    return dict(seconds)


@dataclasses.dataclass(frozen=True)
class InstanceType:
    """One row of a price book: a type's sizes and its price."""

    vcpu: int
    memory_bytes: int
    gpus: int
    per_hour: Fraction

    def share(self, job: JobRecord) -> Fraction:
        """Return the greatest part that *job* takes of it; unknown memory: no part."""
        memory = job.memory_provisioned_bytes
        if memory is None:
            memory = job.memory_requested_bytes or 0
        return max(
            Fraction(job.cpus_milli or 0, 1000 * self.vcpu),
            Fraction(memory, self.memory_bytes),
            Fraction(job.gpus or 0, self.gpus) if self.gpus else Fraction(0),
        )

    def fits(self, job: JobRecord) -> bool:
        """Whether *job* fits; without GPUs it may take no type that has them."""
        gpus = job.gpus or 0
        has_right_gpus = gpus <= self.gpus if gpus else not self.gpus
        return has_right_gpus and self.share(job) <= 1


@dataclasses.dataclass(frozen=True)
class Tariff:
    """Graduated rates a unit; the *free* units are the first of the first tier."""

    unit_bytes: int
    tiers: tuple[tuple[Fraction | None, Fraction], ...]
    free: Fraction

    def cost(self, count_bytes: int) -> Fraction:
        """Return the exact cost of one payer's bytes of one month."""
        units = Fraction(count_bytes, self.unit_bytes)
        cost = -min(units, self.free) * self.tiers[0][1]
        start = Fraction(0)
        for up_to, rate in self.tiers:
            end = units if up_to is None else min(units, up_to)
            cost += (end - start) * rate
            start = end
        return cost


@dataclasses.dataclass(frozen=True)
class PlainBook:
    """The numbers of a price book."""

    minimum_s: int
    types: tuple[InstanceType, ...]
    tariffs: Mapping[str, Tariff]

    def price_per_s(self, job: JobRecord) -> Fraction | None:
        """Return the price of a second of *job*'s share of the cheapest fitting type.

        ``None`` where none fits, or where it is not known what or how long it took.
        """
        if job.wall_s is None or job.cpus_milli is None:
            return None
        prices = (t.share(job) * t.per_hour / 3600 for t in self.types if t.fits(job))
        return min(prices, default=None)


def read_book(path: Path) -> PlainBook:
    """Return the numbers of the price book *path*."""
    book = tomllib.loads(path.read_text("utf-8"))
    (billing,) = book["billing"]
    assert (billing["increment_s"], book["packing"]) == (1, "cheapest-fit")
    return PlainBook(
        minimum_s=billing["minimum_s"],
        types=tuple(map(_type_of, book["instances"])),
        tariffs={
            f"network_{name}_bytes": _tariff_of(*rows)
            for name, rows in book["network"].items()
        },
    )


def _type_of(row: Mapping[str, Any]) -> InstanceType:
    (rate,) = row["rates"]
    return InstanceType(
        vcpu=row["vcpu"],
        memory_bytes=row["memory_mib"] * MIB,
        gpus=row.get("accelerators", 0),
        per_hour=Fraction(rate["per_hour"]),
    )


def _tariff_of(row: Mapping[str, Any]) -> Tariff:
    free = row.get("allowance", {"quantity": "0", "placement": "inside-first-tier"})
    assert free["placement"] == "inside-first-tier"
    assert row.get("scope", "payer") == "payer"
    return Tariff(
        unit_bytes=BYTES_PER_UNIT[row["unit"]],
        tiers=tuple(
            (Fraction(t["up_to"]) if "up_to" in t else None, Fraction(t["rate"]))
            for t in row["tiers"]
        ),
        free=Fraction(free["quantity"]),
    )


class Use:
    """Sums over jobs; ``None`` until something known is added to what is measured."""

    def __init__(self) -> None:
        self._known: dict[str, Number] = dict.fromkeys(COUNTED, 0)

    def __getitem__(self, name: str) -> Number | None:
        """Return the sum of *name*, ``None`` where nothing was known of it."""
        return self._known.get(name)

    def add(self, name: str, value: Number | None) -> None:
        """Add *value*, if it is known."""
        if value is not None:
            self._known[name] = self._known.get(name, 0) + value

    def add_all(self, others: Iterable["Use"]) -> "Use":
        """Add every value of *others*, and return the sums."""
        for other in others:
            for name, value in other._known.items():
                self.add(name, value)
        return self

    def whole(self, names: Iterable[str]) -> Values:
        """Return the sums of what comes in whole numbers only."""
        return {n: None if (v := self[n]) is None else int(v) for n in names}


def use_by_month(job: JobRecord, book: PlainBook) -> dict[str, Use]:
    """Return what *job* adds to each month; all of it, over all months, once."""
    uses: dict[str, Use] = defaultdict(Use)
    ended_month = month_of(_seconds(job.ended_at))
    intervals = charge_intervals(job)
    traffic_month = month_of(intervals[0].end) if intervals else ended_month
    uses[ended_month].add("jobs", 1)
    uses[traffic_month].add("jobs_with_traffic_here", 1)
    for column in NETWORK_COLUMNS:
        uses[traffic_month].add(column, getattr(job, column))
    seconds = seconds_by_month(intervals)
    for month, part_s in seconds.items():
        uses[month].add("wall_s", part_s)
        uses[month].add("gpu_s", part_s * (job.gpus or 0))
    # Without wall time all of it is where the traffic is; at the end nothing is left.
    _add_cores(uses, job, {ended_month: 0} | (seconds or {traffic_month: 1}))
    _add_cost(uses, intervals, book.minimum_s, book.price_per_s(job) or 0)
    return uses


def _add_cores(
    uses: Mapping[str, Use], job: JobRecord, weights: Mapping[str, int]
) -> None:
    """Add cores and CPU to the months by their *weights*, in whole milliseconds.

    What all months up to one have together is rounded down, so that nothing is lost.
    """
    user_ms, system_ms = job.cpu_user_ms, job.cpu_system_ms
    cpu_ms = None if user_ms is None or system_ms is None else user_ms + system_ms
    for name, whole in (("core_s", job.core_ms), ("cpu_s", cpu_ms)):
        if whole is None:
            continue
        before, all_s = 0, sum(weights.values())
        for month in sorted(weights):
            until = before + weights[month]
            ms = whole * until // all_s - whole * before // all_s
            uses[month].add(name, Fraction(ms, 1000))
            before = until


def _add_cost(
    uses: Mapping[str, Use], intervals: list[Interval], minimum_s: int, per_s: Number
) -> None:
    """Add each month's seconds at their price, and each run's minimum to its start."""
    for use in uses.values():
        use.add("compute_cost", (use["wall_s"] or 0) * per_s * 100)
    for interval in intervals:
        missing_s = minimum_s * interval.runs - (interval.end - interval.start)
        cents = max(0, missing_s) * per_s * 100
        uses[month_of(interval.start)].add("compute_cost", cents)


@dataclasses.dataclass
class PlainStatement:
    """A month's numbers: lines by key, their sums, and the jobs in none of them."""

    lines: dict[str, Values]
    totals: Values
    priced: Use
    unpriced: Use
    unbilled: dict[str, Use]


def plain_statements(
    jobs: Sequence[JobRecord], by: By, book: PlainBook
) -> dict[str, PlainStatement]:
    """Return the statement of every month that any of *jobs* touches."""
    months: dict[str, list[tuple[JobRecord, Use]]] = defaultdict(list)
    for job in jobs:
        for month, use in use_by_month(job, book).items():
            months[month].append((job, use))
    return {month: _statement(uses, by, book) for month, uses in months.items()}


def _statement(
    uses: Iterable[tuple[JobRecord, Use]], by: By, book: PlainBook
) -> PlainStatement:
    payers: dict[str, dict[str, Use]] = defaultdict(lambda: defaultdict(Use))
    unbilled: dict[str, Use] = defaultdict(Use)
    unpriced = Use()
    for job, use in uses:
        if not job.billable:
            unbilled[job.unbilled_reason or UNKNOWN].add_all([use])
        elif book.price_per_s(job) is None:
            unpriced.add_all([use])
        else:
            payers[job.vo][key_of(job, by)].add_all([use])
    lines: dict[str, Values] = {}
    for parts in payers.values():
        for key, values in _lines_of_payer(parts, book).items():
            lines[key] = _sum([lines.get(key, {}), values])
    nothing = Use().whole((*WHOLE, *ROUNDED, "network_cost")) | {"compute_cost": 0}
    totals = _sum([nothing, *lines.values()])
    priced = Use().add_all(use for parts in payers.values() for use in parts.values())
    return PlainStatement(lines, totals, priced, unpriced, unbilled)


def key_of(job: JobRecord, by: By) -> str:
    """Return the line that *job* stands in; a pilot whole in its last payload's."""
    if by == "vo":
        return UNKNOWN if job.vo == "unknown" else job.vo
    user = job.payload_user if by == "payload-user" else None
    return user or job.owner or UNKNOWN


def _lines_of_payer(parts: Mapping[str, Use], book: PlainBook) -> dict[str, Values]:
    """Return the lines inside one payer: sums, and costs in cents."""
    exact = {name: {k: part[name] for k, part in parts.items()} for name in ROUNDED}
    exact["network_cost"] = _network_cents(parts, book)
    rounded = {name: round_inside(values) for name, values in exact.items()}
    return {
        key: part.whole(WHOLE) | {name: values[key] for name, values in rounded.items()}
        for key, part in parts.items()
    }


def _network_cents(
    parts: Mapping[str, Use], book: PlainBook
) -> dict[str, Number | None]:
    """Return each part's share, by bytes, of what the payer's traffic costs.

    Unknown where traffic is charged here and nothing is known of any that has a price.
    """
    shares = {key: Use() for key in parts}
    for key, part in parts.items():
        shares[key].add("cents", None if part["jobs_with_traffic_here"] else 0)
    for column, tariff in book.tariffs.items():
        known = {key: n for key, p in parts.items() if (n := p[column]) is not None}
        total = int(sum(known.values()))
        has_price = any(rate for _, rate in tariff.tiers)
        for key, count in known.items() if has_price else ():
            share = Fraction(count, total) * tariff.cost(total) if total else 0
            shares[key].add("cents", share * 100)
    return {key: share["cents"] for key, share in shares.items()}


def round_inside(parts: Mapping[str, Number | None]) -> Values:
    """Return *parts* in whole numbers whose sum is the exact sum, rounded half-even.

    Each is rounded down; what is then missing goes, one by one, to the parts that
    lost most, by name among equals.
    """
    known = {key: value for key, value in parts.items() if value is not None}
    rounded = {key: math.floor(value) for key, value in known.items()}
    missing = round(sum(known.values())) - sum(rounded.values())
    order = sorted(known, key=lambda key: (rounded[key] - known[key], key))
    for key in order[:missing]:
        rounded[key] += 1
    return {key: rounded.get(key) for key in parts}


def _sum(lines: Iterable[Values]) -> Values:
    """Return the sums of the lines' values; nothing known anywhere stays unknown."""
    sums: Values = {}
    for line in lines:
        for name, value in line.items():
            before = sums.get(name)
            sums[name] = value if before is None else before + (value or 0)
    return sums


def money(cents: int | None) -> str | None:
    """Return *cents* as a decimal string."""
    return None if cents is None else str(Decimal(cents).scaleb(-2))
