"""A statement as text for a terminal or a mail.

User text (VOs, owners, reasons) is shown as it is but can do nothing: markup is
never read, control characters are made visible, long names are cut.
"""

import io

from rich.box import SIMPLE_HEAD
from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from poolmeter.units import size_text
from reports.statement_data import Line, Statement, add_known
from reports.text_columns import GUTTER, Column, fitting, total_width
from reports.text_foot import foot_lines
from reports.text_words import KEY_TITLES, hour_places, hours_text, percent, shown

DEFAULT_WIDTH = 100
_OUT_INTERNAL, _OUT_EXTERNAL, _IN_INTERNAL, _IN_EXTERNAL = 0, 1, 3, 4


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
    for name, text in foot_lines(statement):
        foot.add_row(Text(name), Text(text))
    return foot


def _columns(statement: Statement, lines: list[Line]) -> list[Column]:
    """Return the columns in their order; those with a rank may be left out."""
    has_gpus = statement.totals.gpu_s > 0
    title = KEY_TITLES[statement.by]
    places = hour_places(statement)
    columns = [
        Column(title, [shown(line.key) for line in lines]),
        Column("Jobs", [f"{line.jobs:,}" for line in lines]),
        Column(
            "Wall h", [hours_text(line.wall_s, places) for line in lines], drop_rank=4
        ),
        Column("Core h", [hours_text(line.core_s, places) for line in lines]),
        Column("CPU", [_cpu(line) for line in lines], 5),
        Column("GPU h", [hours_text(line.gpu_s, places) for line in lines], 6),
        Column("WAN out", [size_text(line.network[_OUT_EXTERNAL]) for line in lines]),
        Column("WAN in", [size_text(line.network[_IN_EXTERNAL]) for line in lines], 3),
        Column("LAN", [_lan(line) for line in lines], drop_rank=2),
        Column("Compute", [f"{line.compute_cost:,}" for line in lines]),
        Column("Network", [_network_cost(line) for line in lines]),
        Column("Total", [_total_cost(line) for line in lines]),
    ]
    if not has_gpus:
        columns = [column for column in columns if column.title != "GPU h"]
    return [column for column in columns if not column.is_empty]


def _lan(line: Line) -> str:
    return size_text(add_known(line.network[_OUT_INTERNAL], line.network[_IN_INTERNAL]))


def _cpu(line: Line) -> str:
    if line.cpu_s is None or line.core_s_with_cpu is None:
        return "-"
    return percent(line.cpu_s, line.core_s_with_cpu)


def _network_cost(line: Line) -> str:
    if line.network_cost is None:
        return "unknown"
    return f"{_bound(line)}{line.network_cost:,}"


def _total_cost(line: Line) -> str:
    return f"{_bound(line)}{line.total_cost:,}"


def _bound(line: Line) -> str:
    return "" if line.network_complete else "≥ "
