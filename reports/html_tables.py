"""The tables of a statement's page, as rows of finished texts."""

from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from typing import NamedTuple

from poolmeter.units import size_text
from reports.html_words import AT_LEAST, Money
from reports.line import Line, add_known
from reports.statement_data import Statement
from reports.text_words import (
    KEY_TITLES,
    RESOURCE_NAMES,
    hour_places,
    hours_text,
    percent,
    shown,
)
from reports.trend_data import TrendPoint
from reports.use_data import Efficiency, Use

_OUT_INTERNAL, _OUT_EXTERNAL, _IN_INTERNAL, _IN_EXTERNAL = 0, 1, 3, 4
_NAME_WIDTH = 48
_NOTHING = "-"
#: The lines of a block of its own are told only up to this many.
_MOST_BLOCK_LINES = 20


class HtmlColumn(NamedTuple):
    """A header, and the classes of its cells: a number's header stands above it."""

    title: str
    classes: str = "num"


class HtmlRow(NamedTuple):
    """Texts in the order of the columns."""

    cells: tuple[str, ...]
    is_head: bool = False


class HtmlTable(NamedTuple):
    """One table with what is to be said before it."""

    title: str
    note: str
    columns: tuple[HtmlColumn, ...]
    rows: tuple[HtmlRow, ...]
    total: tuple[str, ...] = ()


class _Field(NamedTuple):
    """A column, and how its cell is made of a line."""

    column: HtmlColumn
    cell: Callable[[Line], str]
    may_go: bool = True


def tables_of(statement: Statement, money: Money) -> tuple[HtmlTable, ...]:
    """Return all tables that have a row."""
    tables = [_lines_table(statement, money), _more_table(statement, money)]
    use = statement.use
    if use is not None:
        tables += [
            _blocks_table(statement, use, money),
            _use_table(statement, use, money),
            _holds_table(statement, use, money),
        ]
    tables += [_corrections_table(statement, money)]
    return tuple(table for table in tables if table.rows)


def _lines_table(statement: Statement, money: Money) -> HtmlTable:
    key = KEY_TITLES[statement.by]
    lines = [*statement.lines, statement.totals]
    fields = list(_line_fields(statement, money))
    return _with_total(_table_of_lines(f"By {key}", "", fields, lines, key))


def _more_table(statement: Statement, money: Money) -> HtmlTable:
    key = KEY_TITLES[statement.by]
    lines = [*statement.lines, statement.totals]
    table = _table_of_lines(
        "Efficiency and the month before",
        "Memory: the jobs' peaks in percent of what their slots held.",
        list(_more_fields(statement, money)),
        lines if statement.lines else [],
        key,
    )
    if len(table.columns) == 1:
        return table._replace(rows=())
    return _with_total(table)


def _with_total(table: HtmlTable) -> HtmlTable:
    """Return *table* with its last row as its total."""
    if not table.rows:
        return table
    return table._replace(rows=table.rows[:-1], total=table.rows[-1].cells)


def _table_of_lines(
    title: str, note: str, fields: Sequence[_Field], lines: Sequence[Line], key: str
) -> HtmlTable:
    """Return a table of *lines* without the columns that tell nothing of any."""
    kept = [
        field
        for field in fields
        if not field.may_go or {field.cell(line) for line in lines} != {_NOTHING}
    ]
    rows = [
        HtmlRow((shown(line.key, _NAME_WIDTH), *(field.cell(line) for field in kept)))
        for line in lines
    ]
    columns = (HtmlColumn(key, ""), *(field.column for field in kept))
    return HtmlTable(title, note, columns, tuple(rows))


def _line_fields(statement: Statement, money: Money) -> Iterator[_Field]:
    places = hour_places(statement)
    # The narrower the window, the fewer columns: the total is never out of sight.
    wide, wider = "num wide", "num wide wider"
    yield _Field(HtmlColumn("Jobs"), lambda x: f"{x.jobs:,}", may_go=False)
    yield _Field(HtmlColumn("Wall h", wider), lambda x: hours_text(x.wall_s, places))
    yield _Field(HtmlColumn("Core h"), lambda x: hours_text(x.core_s, places))
    if statement.totals.gpu_s:
        yield _Field(HtmlColumn("GPU h", wide), lambda x: hours_text(x.gpu_s, places))
    yield _Field(
        HtmlColumn("WAN out", wide), lambda x: size_text(x.network[_OUT_EXTERNAL])
    )
    yield _Field(
        HtmlColumn("WAN in", wider), lambda x: size_text(x.network[_IN_EXTERNAL])
    )
    yield _Field(HtmlColumn("LAN", wider), lambda x: size_text(_lan(x)))
    yield _Field(HtmlColumn("Compute", wide), lambda x: money.text(x.compute_cost))
    yield _Field(HtmlColumn("Network", wide), money.network)
    yield _Field(HtmlColumn("Total"), money.total, may_go=False)


def _more_fields(statement: Statement, money: Money) -> Iterator[_Field]:
    """Yield what only a statement's own lines have."""
    use, trend = statement.use, statement.trend
    places = hour_places(statement)
    yield _Field(HtmlColumn("CPU"), _cpu)
    if use is not None:
        of = _efficiency_of(statement, use)
        yield _Field(HtmlColumn("Memory"), lambda x: _memory(of(x)))
        yield _Field(
            HtmlColumn("Scaled core h", "num wide"),
            lambda x: hours_text(of(x).scaled_core_s, places),
        )
    if trend is not None:

        def before(line: Line) -> TrendPoint | None:
            return trend.previous(None if line is statement.totals else line.key)

        yield _Field(HtmlColumn("Month before"), lambda x: _point(before(x), money))
        yield _Field(
            HtmlColumn("Change", "num wide"),
            lambda x: _change(x.total_cost, before(x), money),
        )


def _efficiency_of(statement: Statement, use: Use) -> Callable[[Line], Efficiency]:
    def found(line: Line) -> Efficiency:
        if line is statement.totals:
            return use.overall
        return use.efficiency.get(line.key, Efficiency())

    return found


def _blocks_table(statement: Statement, use: Use, money: Money) -> HtmlTable:
    """Return the lines by whose machines they ran on, under a head for each."""
    fields = list(_line_fields(statement, money))
    rows: list[HtmlRow] = []
    columns: tuple[HtmlColumn, ...] = ()
    blocks = [block.totals for block in use.blocks]
    fields = [f for f in fields if not f.may_go or {f.cell(x) for x in blocks} != {"-"}]
    for block in use.blocks:
        name = RESOURCE_NAMES[block.resource]
        head = tuple(field.cell(block.totals) for field in fields)
        rows.append(HtmlRow((name, *head), is_head=True))
        if len(use.blocks) == 1:
            break
        for line in block.lines[:_MOST_BLOCK_LINES]:
            cells = (field.cell(line) for field in fields)
            rows.append(HtmlRow((shown(line.key, _NAME_WIDTH), *cells)))
        left = len(block.lines) - _MOST_BLOCK_LINES
        if left > 0:
            rows.append(HtmlRow((f"and {left:,} more", *("" for _ in fields))))
    columns = (HtmlColumn("Where", ""), *(field.column for field in fields))
    return HtmlTable(
        "Where it ran",
        "Only what ran in the own pool is this site's.",
        columns,
        tuple(rows),
    )


def _use_table(statement: Statement, use: Use, money: Money) -> HtmlTable:
    places = hour_places(statement)
    all_s = sum(kind.wall_s for kind in use.kinds)
    columns = (
        HtmlColumn("Use", ""),
        HtmlColumn("Jobs"),
        HtmlColumn("Wall h"),
        HtmlColumn("Share"),
        HtmlColumn("Core h", "num wide"),
        HtmlColumn("Compute"),
    )
    rows = [
        HtmlRow(
            (
                kind.kind,
                f"{kind.jobs:,}",
                hours_text(kind.wall_s, places),
                percent(kind.wall_s, all_s, 1),
                hours_text(kind.core_s, places),
                money.text(kind.compute_cost),
            )
        )
        for kind in use.kinds
        if kind.jobs or kind.wall_s
    ]
    return HtmlTable(
        "What came of it",
        "Every second is in one row: removed and failed jobs, runs lost to evictions "
        "and holds, and jobs that succeeded in less than a minute.",
        columns,
        tuple(rows),
    )


def _holds_table(statement: Statement, use: Use, money: Money) -> HtmlTable:
    places = hour_places(statement)
    columns = (
        HtmlColumn("Code", "tight"),
        HtmlColumn("Reason", "text"),
        HtmlColumn("Jobs", "num wide"),
        HtmlColumn("Lost h"),
        HtmlColumn("Compute"),
    )
    rows = [
        HtmlRow(
            (
                _NOTHING if reason.code is None else str(reason.code),
                shown(reason.reason, 160) or _NOTHING,
                f"{reason.jobs:,}",
                hours_text(reason.wall_s, places),
                money.text(reason.compute_cost),
            )
        )
        for reason in use.hold_reasons
    ]
    return HtmlTable(
        "Why jobs were held",
        "By HTCondor's code and text, digits replaced by #.",
        columns,
        tuple(rows),
    )


def _corrections_table(statement: Statement, money: Money) -> HtmlTable:
    closing = statement.closing
    lines = list((closing.corrections if closing else None) or ())
    fields = list(_line_fields(statement, money))
    return _table_of_lines(
        "Corrections",
        "What came in after the month was closed; contained in the lines above.",
        fields,
        lines,
        KEY_TITLES[statement.by],
    )


def _lan(line: Line) -> int | None:
    return add_known(line.network[_OUT_INTERNAL], line.network[_IN_INTERNAL])


def _cpu(line: Line) -> str:
    if line.cpu_s is None or line.core_s_with_cpu is None:
        return _NOTHING
    return percent(line.cpu_s, line.core_s_with_cpu)


def _point(point: TrendPoint | None, money: Money) -> str:
    if point is None:
        return _NOTHING
    bound = "" if point.network_complete else AT_LEAST
    return f"{bound}{money.text(point.total_cost)}"


def _change(cost: Decimal, before: TrendPoint | None, money: Money) -> str:
    """Return by how much *cost* is more or less than the month before."""
    if before is None:
        return _NOTHING
    change = cost - before.total_cost
    return f"+{money.text(change)}" if change > 0 else money.text(change)


def _memory(efficiency: Efficiency) -> str:
    used, held = efficiency.memory_used_byte_s, efficiency.memory_held_byte_s
    return _NOTHING if used is None or held is None else percent(used, held)
