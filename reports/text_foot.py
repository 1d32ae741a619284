"""What stands below a statement's table: all that limits its figures."""

from collections.abc import Iterator, Mapping

from poolmeter.units import size_text
from reports.statement_data import Amount, Aside, Statement, Trust
from reports.text_use import use_lines
from reports.text_words import hour_places, hours_text, jobs_text, percent, shown
from reports.trend_data import Trend, TrendPoint

_HASH_CHARACTERS = 12
_OUT_EXTERNAL = 1


def foot_lines(statement: Statement) -> Iterator[tuple[str, str]]:
    """Yield what stands below the table: name and text."""
    yield from closing_lines(statement)
    if statement.trend is not None:
        yield "before", _trend_text(statement, statement.trend)
    if statement.use is not None and not statement.is_empty:
        yield from use_lines(statement.use, statement.currency, hour_places(statement))
    yield from limit_lines(statement)


def limit_lines(statement: Statement) -> Iterator[tuple[str, str]]:
    """Yield what limits the figures: name and text."""
    places = hour_places(statement)
    if not statement.is_empty:
        for aside in statement.unpriced:
            yield "unpriced", _aside_text(aside, places)
        for aside in statement.unbilled:
            yield "unbilled", _aside_text(aside, places)
        yield "network", _network_text(statement)
        yield "trust", _trust_text(statement.trust, places)
        yield from _contradictions(statement.trust, places)
    for gap in statement.coverage.gaps:
        yield (
            "GAP",
            (
                f"records of {shown(gap.schedd, 60)} may be missing from "
                f"{gap.from_at:%Y-%m-%d %H:%M} to {gap.to_at:%Y-%m-%d %H:%M} UTC "
                f"({shown(gap.source, 80)}): {shown(gap.reason, 200)}"
            ),
        )
    for note in statement.notes:
        yield "note", note
    yield "prices", _prices_text(statement)
    yield "ledger", _reconciliation_text(statement)


def closing_lines(statement: Statement) -> Iterator[tuple[str, str]]:
    """Yield how the month was closed, and what has come in since."""
    closing, currency = statement.closing, statement.currency
    if closing is None:
        return
    yield (
        "closed",
        (
            f"on {closing.closed_at:%Y-%m-%d} at {closing.totals.total_cost:,} "
            f"{currency} with {closing.book_id}; "
            f"inputs sha256 {closing.inputs_sha256[:_HASH_CHARACTERS]}"
        ),
    )
    if closing.corrections is None:
        yield "closed", "priced otherwise here, so there is nothing to compare"
        return
    if not closing.corrections:
        yield "correction", "none: nothing has come in since"
    for line in closing.corrections:
        yield (
            "correction",
            (
                f"{shown(line.key)}: {line.jobs:+,} jobs, {line.wall_s:+,} wall s, "
                f"{line.total_cost:+,} {currency}"
            ),
        )


def _trend_text(statement: Statement, trend: Trend) -> str:
    """Return the months before, the newest first, as far as they are known."""
    earlier = list(zip(trend.months[:-1], trend.totals[:-1], strict=True))
    known = [_month_text(month, point) for month, point in reversed(earlier) if point]
    if not known:
        return f"nothing is known of the {len(earlier)} months before"
    missing = len(earlier) - len(known)
    unknown = f"; nothing is known of {missing} more" if missing else ""
    return f"total {statement.currency} of {', '.join(known)}{unknown}"


def _month_text(month: str, point: TrendPoint) -> str:
    bound = "" if point.network_complete else "≥ "
    return f"{month}: {bound}{point.total_cost:,}"


def _aside_text(aside: Aside, places: int) -> str:
    return (
        f"{jobs_text(aside.jobs)}, {hours_text(aside.wall_s, places)} wall h, "
        f"{size_text(aside.network[_OUT_EXTERNAL])} WAN out: {_words(aside.reason)}"
    )


def _words(reason: str) -> str:
    """Return a reason's name as words."""
    return shown(reason, 80).replace("_", " ")


def _network_text(statement: Statement) -> str:
    coverage = statement.coverage
    if not coverage.jobs:
        return "no priced job's traffic belongs to this month"
    text = (
        f"known for {coverage.jobs_with_network:,} of {coverage.jobs:,} jobs "
        f"({percent(coverage.jobs_with_network, coverage.jobs, 1)}) and "
        f"{percent(coverage.wall_s_with_network, coverage.wall_s, 1)} of the wall time"
    )
    if coverage.missing:
        reasons = "; ".join(
            f"{_words(reason)}: {jobs:,}" for reason, jobs in coverage.missing.items()
        )
        text += f"; missing or partial: {reasons}; ≥ marks a lower bound"
    return text


def _trust_text(trust: Trust, places: int) -> str:
    return (
        f"network {_levels(trust.network, places)}; times {_levels(trust.time, places)}"
    )


def _levels(amounts: Mapping[str, Amount], places: int) -> str:
    levels = [
        f"{shown(name)} {_amount(amount, places)}" for name, amount in amounts.items()
    ]
    return ", ".join(levels) or "-"


def _amount(amount: Amount, places: int) -> str:
    return f"{jobs_text(amount.jobs)} ({hours_text(amount.wall_s, places)} h)"


def _contradictions(trust: Trust, places: int) -> Iterator[tuple[str, str]]:
    for name, amount in trust.contradictions.items():
        yield "suspect", f"{shown(name, 60)}: {_amount(amount, places)}"
    for job in trust.contradicted_jobs:
        names = ", ".join(shown(name, 60) for name in job.contradictions)
        hour_text = hours_text(job.wall_s, places)
        whose = f"job {shown(job.job, 60)} of {shown(job.owner)} ({hour_text} h)"
        yield "suspect", f"{whose}: {names}"


def _prices_text(statement: Statement) -> str:
    vcpus = statement.vcpus_per_cpu
    return (
        f"{statement.book_id}, sha256 {statement.book_sha256[:_HASH_CHARACTERS]}; "
        f"a slot's cpu is {vcpus} vCPU{'s' if vcpus > 1 else ''}; "
        "kB to PB are powers of ten; months are UTC"
    )


def _reconciliation_text(statement: Statement) -> str:
    told = statement.reconciliation
    charged = statement.interval_source
    agreement = (
        "seconds and bytes agree as well; difference 0"
        if told.difference == 0
        else f"DIFFERENCE {told.difference:,}: do not use this statement, report it"
    )
    return (
        f"{jobs_text(told.in_ledger['jobs'])} = {told.priced['jobs']:,} priced + "
        f"{told.unbilled['jobs']:,} unbilled + {told.unpriced['jobs']:,} unpriced; "
        f"{agreement}; charged by {charged['runs']:,} run records and "
        f"{charged['job']:,} job rows"
    )
