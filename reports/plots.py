"""The plots of a statement as PNG images: what cost most, the trend, the waste.

Names of users are drawn as they are shown elsewhere; nothing in them is a formula.
"""

import calendar
import io
import warnings
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any, NamedTuple

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from reports.line import Line
from reports.statement_data import Statement
from reports.text_words import shown
from reports.trend_data import Trend
from reports.use_data import Use

#: Readable where a phone shows it across its whole width.
_WIDTH_INCHES = 4.8
_DPI = 160
_MOST_LINES = 8
_NAME_WIDTH = 20
_COMPUTE, _NETWORK, _EARLIER, _GREY = "#2f6db5", "#e08a1e", "#9dbbdd", "#5b6470"
_KIND_COLOURS = {
    "failed": "#c23b3b",
    "removed": "#e08a1e",
    "held": "#8b5fbf",
    "evicted": "#4f9aa8",
    "short": "#8a8f98",
}
_STYLE: Any = {
    "text.parse_math": False,
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": _GREY,
    "xtick.color": _GREY,
    "ytick.color": _GREY,
}


class Plot(NamedTuple):
    """One image, its caption, and what it tells those who do not see it."""

    name: str
    caption: str
    alternative: str
    png: bytes


def statement_plots(statement: Statement) -> tuple[Plot, ...]:
    """Return the plots that *statement* has enough for, most important first."""
    plots = []
    if statement.lines:
        plots.append(_lines_plot(statement))
    if statement.trend is not None and _known_months(statement.trend) > 1:
        plots.append(_trend_plot(statement, statement.trend))
    if statement.use is not None and statement.use.waste.wall_s:
        plots.append(_waste_plot(statement.use))
    return tuple(plots)


def _lines_plot(statement: Statement) -> Plot:
    lines = list(statement.lines[:_MOST_LINES])
    others = statement.lines[_MOST_LINES:]
    if others:
        lines.append(sum(others, start=Line(key=f"and {len(others)} more")))
    compute = [float(line.compute_cost) for line in lines]
    network = [float(line.network_cost or 0) for line in lines]

    def draw(axes: Axes) -> None:
        places = range(len(lines))
        axes.barh(places, compute, color=_COMPUTE, label="Compute")
        axes.barh(places, network, left=compute, color=_NETWORK, label="Network")
        axes.set_yticks(places, [shown(line.key, _NAME_WIDTH) for line in lines])
        axes.invert_yaxis()
        _amounts_below(axes, statement.currency)
        axes.legend(frameon=False, loc="lower right")

    most = lines[0]
    return Plot(
        "lines",
        "What cost most",
        f"Bars of cost by {statement.by}; the longest is {shown(most.key)} "
        f"with {most.total_cost:,} {statement.currency}.",
        _png(draw, 0.9 + 0.3 * max(len(lines), 3)),
    )


def _trend_plot(statement: Statement, trend: Trend) -> Plot:
    values = [None if p is None else float(p.total_cost) for p in trend.totals]
    colours = [_EARLIER] * (len(values) - 1) + [_COMPUTE]

    def draw(axes: Axes) -> None:
        places = range(len(values))
        axes.bar(places, [value or 0.0 for value in values], color=colours)
        for place, value in zip(places, values, strict=True):
            if value is None:
                axes.annotate("?", (place, 0), ha="center", va="bottom", color=_GREY)
        axes.set_xticks(places, _month_labels(trend.months))
        axes.set_ylabel(statement.currency, color=_GREY)
        axes.yaxis.set_major_locator(MaxNLocator(nbins=5))
        axes.yaxis.set_major_formatter(FuncFormatter(_amount))
        axes.grid(axis="y", alpha=0.25)
        axes.set_axisbelow(True)

    return Plot(
        "trend",
        "Total cost by month",
        f"Bars of the total cost of the last {len(values)} months, "
        f"{trend.months[0]} to {trend.months[-1]}.",
        _png(draw, 2.4),
    )


def _waste_plot(use: Use) -> Plot:
    kinds = [kind for kind in use.kinds if kind.is_waste and kind.wall_s]

    def draw(axes: Axes) -> None:
        places = range(len(kinds))
        axes.barh(
            places,
            [kind.wall_s / 3600 for kind in kinds],
            color=[_KIND_COLOURS.get(kind.kind, _GREY) for kind in kinds],
        )
        axes.set_yticks(places, [kind.kind for kind in kinds])
        axes.invert_yaxis()
        _amounts_below(axes, "hours in a slot")

    told = ", ".join(f"{kind.kind} {kind.wall_s / 3600:,.1f} h" for kind in kinds)
    return Plot(
        "waste", "Hours in vain", f"Bars of wasted hours: {told}.",
        _png(draw, 0.8 + 0.28 * max(len(kinds), 2)),
    )  # fmt: skip


def _png(draw: Callable[[Axes], None], height_inches: float) -> bytes:
    out = io.BytesIO()
    with mpl.rc_context(_STYLE), warnings.catch_warnings():
        # A name in a script that the font lacks: boxes are drawn instead.
        warnings.filterwarnings("ignore", message="Glyph", category=UserWarning)
        figure = Figure((_WIDTH_INCHES, height_inches), layout="constrained")
        draw(figure.add_subplot())
        figure.savefig(out, format="png", dpi=_DPI, metadata={"Software": None})
    return out.getvalue()


def _amounts_below(axes: Axes, label: str) -> None:
    axes.set_xlabel(label, color=_GREY)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=4))
    axes.xaxis.set_major_formatter(FuncFormatter(_amount))
    axes.grid(axis="x", alpha=0.25)
    axes.set_axisbelow(True)


def _amount(value: float, _: object) -> str:
    """Return an axis value with thousands separators and no idle zeros."""
    text = f"{Decimal(repr(round(float(value), 6))):,f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _month_labels(months: Sequence[str]) -> list[str]:
    """Return short names, with the year below the first and each January."""
    labels = []
    for index, month in enumerate(months):
        year, number = month.split("-")
        name = calendar.month_abbr[int(number)]
        labels.append(f"{name}\n{year}" if index == 0 or number == "01" else name)
    return labels


def _known_months(trend: Trend) -> int:
    return sum(point is not None for point in trend.totals)
