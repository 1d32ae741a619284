"""A statement as text for a terminal or a mail.

User text (VOs, owners, reasons) is shown as it is but can do nothing: markup is
never read, control characters are made visible, long names are cut.
"""

import io
from collections.abc import Iterator, Mapping
from decimal import Decimal

from rich.box import SIMPLE_HEAD
from rich.cells import cell_len
from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from poolmeter.errors import one_line
from poolmeter.units import hours, size_text
from reports.statement_data import Amount, Aside, Line, Statement, add_known
from reports.text_columns import GUTTER, Column, fitting, total_width

DEFAULT_WIDTH = 100
_NAME_WIDTH = 28
_HASH_CHARACTERS = 12
_OUT_INTERNAL, _OUT_EXTERNAL, _IN_INTERNAL, _IN_EXTERNAL = 0, 1, 3, 4

_KEY_TITLES = {"vo": "VO", "payload-user": "Payload user", "owner": "Owner"}


def render_text(statement: Statement, width: int = DEFAULT_WIDTH) -> str:
    """Return *statement* as lines of at most *width* columns, where that can be."""
    parts: list[RenderableType] = [Text(_title(statement))]
    if statement.is_empty:
        whose = "" if statement.vo is None else f" of VO {shown(statement.vo)}"
        parts.append(Text(f"No jobs{whose} in the ledger for {statement.month}."))
    elif statement.lines:
        lines = [*statement.lines, statement.totals]
        columns = fitting(_columns(statement, lines), width)
        # A number is never cut: what is too wide for the terminal wraps there.
        width = max(width, total_width(columns))
        parts.append(_table(columns))
    parts += [Text(), _foot_table(statement)]
    out = io.StringIO()
    console = Console(
        file=out, width=width, color_system=None, highlight=False, markup=False
    )
    for part in parts:
        console.print(part)
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines()) + "\n"


def shown(text: str, width: int = _NAME_WIDTH) -> str:
    r"""Return user text as one harmless line of at most *width* columns.

    >>> shown("a\x1b[31mb\n"), shown("x" * 30)
    ('a\\x1b[31mb\\n', 'xxxxxxxxxxxxxxxxxxxxxxxxxxx…')
    """
    line = one_line(text)
    if cell_len(line) <= width:
        return line
    while cell_len(line) >= width:
        line = line[: max(1, min(len(line) - 1, width - 1))]
    return f"{line}…"


def _title(statement: Statement) -> str:
    whose = f" of VO {shown(statement.vo)}" if statement.vo is not None else ""
    return (
        f"Statement {statement.month}{whose} by {statement.by}, showback in "
        f"{statement.currency}: what this use would cost at {statement.book_id}."
    )


def _table(columns: list[Column]) -> Table:
    table = Table(
        box=SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, GUTTER - 1, 0, 0)
    )
    for index, column in enumerate(columns):
        table.add_column(
            Text(column.title),
            justify="right" if index else "left",
            no_wrap=True,
            min_width=column.width - GUTTER,
        )
    rows = list(zip(*(column.cells for column in columns), strict=True))
    for row in rows[:-1]:
        table.add_row(*map(Text, row))
    table.add_section()
    table.add_row(*map(Text, rows[-1]))
    return table


def _foot_table(statement: Statement) -> Table:
    foot = Table.grid(padding=(0, GUTTER))
    foot.add_column(no_wrap=True)
    foot.add_column(overflow="fold")
    for name, text in _foot(statement):
        foot.add_row(Text(name), Text(text))
    return foot


def _columns(statement: Statement, lines: list[Line]) -> list[Column]:
    """Return the columns in their order; those with a rank may be left out."""
    has_gpus = statement.totals.gpu_s > 0
    title = _KEY_TITLES[statement.by]
    columns = [
        Column(title, [shown(line.key) for line in lines]),
        Column("Jobs", [f"{line.jobs:,}" for line in lines]),
        Column("Wall h", [_hours(line.wall_s) for line in lines], drop_rank=4),
        Column("Core h", [_hours(line.core_s) for line in lines]),
        Column("CPU", [_percent(line.cpu_s, line.core_s) for line in lines], 5),
        Column("GPU h", [_hours(line.gpu_s) for line in lines], 6),
        Column("WAN out", [size_text(line.network[_OUT_EXTERNAL]) for line in lines]),
        Column("WAN in", [size_text(line.network[_IN_EXTERNAL]) for line in lines], 3),
        Column("LAN", [_lan(line) for line in lines], drop_rank=2),
        Column("Compute", [f"{line.compute_cost:,}" for line in lines]),
        Column("Network", [_network_cost(line) for line in lines]),
        Column("Total", [_total_cost(line) for line in lines]),
    ]
    return [c for c in columns if has_gpus or c.title != "GPU h"]


def _lan(line: Line) -> str:
    return size_text(add_known(line.network[_OUT_INTERNAL], line.network[_IN_INTERNAL]))


def _hours(count_s: int | None) -> str:
    return "-" if count_s is None else f"{hours(count_s):,.1f}"


def _percent(part: int | None, whole: int | None) -> str:
    if part is None or not whole:
        return "-"
    return f"{Decimal(100 * part) / whole:.0f} %"


def _network_cost(line: Line) -> str:
    if line.network_cost is None:
        return "unknown"
    return f"{_bound(line)}{line.network_cost:,}"


def _total_cost(line: Line) -> str:
    return f"{_bound(line)}{line.total_cost:,}"


def _bound(line: Line) -> str:
    return "" if line.network_complete else "≥ "


def _foot(statement: Statement) -> Iterator[tuple[str, str]]:
    """Yield what stands below the table: name and text."""
    if not statement.is_empty:
        for aside in statement.unpriced:
            yield "unpriced", _aside_text(aside)
        for aside in statement.unbilled:
            yield "unbilled", _aside_text(aside)
        yield "network", _network_text(statement)
        yield "trust", _trust_text(statement)
        yield from _contradictions(statement)
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


def _aside_text(aside: Aside) -> str:
    return (
        f"{aside.jobs:,} jobs, {_hours(aside.wall_s)} wall h, "
        f"{size_text(aside.network[_OUT_EXTERNAL])} WAN out: {shown(aside.reason, 80)}"
    )


def _network_text(statement: Statement) -> str:
    coverage = statement.coverage
    if not coverage.jobs:
        return "no priced job's traffic belongs to this month"
    text = (
        f"known for {coverage.jobs_with_network:,} of {coverage.jobs:,} jobs "
        f"({_share(coverage.jobs_with_network, coverage.jobs)}) and "
        f"{_share(coverage.wall_s_with_network, coverage.wall_s)} of the wall time"
    )
    if coverage.missing:
        reasons = "; ".join(
            f"{shown(reason, 60)}: {jobs:,}"
            for reason, jobs in coverage.missing.items()
        )
        text += f"; missing or partial: {reasons}; ≥ marks a lower bound"
    return text


def _share(part: int, whole: int) -> str:
    return f"{Decimal(100 * part) / whole:.1f} %" if whole else "-"


def _trust_text(statement: Statement) -> str:
    trust = statement.trust
    return f"network {_levels(trust.network)}; times {_levels(trust.time)}"


def _levels(amounts: Mapping[str, Amount]) -> str:
    levels = [
        f"{shown(name)} {amount.jobs:,} jobs ({_hours(amount.wall_s)} h)"
        for name, amount in amounts.items()
    ]
    return ", ".join(levels) or "-"


def _contradictions(statement: Statement) -> Iterator[tuple[str, str]]:
    trust = statement.trust
    for name, amount in trust.contradictions.items():
        hour_text = _hours(amount.wall_s)
        yield "suspect", f"{shown(name, 60)}: {amount.jobs:,} jobs ({hour_text} wall h)"
    for job in trust.contradicted_jobs:
        names = ", ".join(shown(name, 60) for name in job.contradictions)
        yield (
            "suspect",
            (
                f"job {shown(job.job, 60)} of {shown(job.owner)}, "
                f"{_hours(job.wall_s)} wall h: {names}"
            ),
        )


def _prices_text(statement: Statement) -> str:
    vcpus = statement.vcpus_per_cpu
    return (
        f"{statement.book_id}, sha256 {statement.book_sha256[:_HASH_CHARACTERS]}; "
        f"a slot's cpu is {vcpus} vCPU{'s' if vcpus > 1 else ''}; "
        "kB to PB are powers of ten; months are UTC"
    )


def _reconciliation_text(statement: Statement) -> str:
    told = statement.reconciliation
    asides = f"{told.unbilled['jobs']:,} unbilled + {told.unpriced['jobs']:,} unpriced"
    verdict = (
        "seconds and bytes agree as well; difference 0"
        if told.difference == 0
        else f"DIFFERENCE {told.difference:,}: do not use this statement, report it"
    )
    return (
        f"{told.in_ledger['jobs']:,} jobs = {told.priced['jobs']:,} priced + {asides}; "
        f"{verdict}; charged by {statement.interval_source['runs']:,} run records and "
        f"{statement.interval_source['job']:,} job rows"
    )
