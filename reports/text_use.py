"""What came of the month's hours, and where they were spent, as lines of text."""

from collections.abc import Iterator

from poolmeter.units import size_text
from reports.line import Line, add_known
from reports.text_words import RESOURCE_NAMES, hours_text, jobs_text, percent, shown
from reports.use_data import Efficiency, Use

_OUT_EXTERNAL, _OUT_INTERNAL, _IN_EXTERNAL, _IN_INTERNAL = 1, 0, 4, 3
_SHOWN_REASONS = 5


def use_lines(use: Use, currency: str, places: int) -> Iterator[tuple[str, str]]:
    """Yield name and text of each line."""
    if not use.kinds or not sum(kind.jobs or kind.wall_s for kind in use.kinds):
        return
    for block in use.blocks:
        yield "where", _block_text(block.resource, block.totals, currency, places)
    yield "in vain", _waste_text(use, currency, places)
    for kind in use.kinds:
        if kind.is_waste and (kind.jobs or kind.wall_s):
            hours = hours_text(kind.wall_s, places)
            cost = f"{kind.compute_cost:,} {currency}"
            yield "in vain", f"{kind.kind}: {jobs_text(kind.jobs)}, {hours} h, {cost}"
    for reason in use.hold_reasons[:_SHOWN_REASONS]:
        hours = hours_text(reason.wall_s, places)
        code = "-" if reason.code is None else str(reason.code)
        told = (
            f"{jobs_text(reason.jobs)}, {hours} h, {reason.compute_cost:,} {currency}"
        )
        yield "held", f"code {code}: {told}: {shown(reason.reason, 120) or '-'}"
    yield from _efficiency_lines(use.overall, places)
    if use.difference:
        yield "DIFFERENCE", f"{use.difference:,} between use and lines: report it"


def _block_text(resource: str, totals: Line, currency: str, places: int) -> str:
    network = totals.network
    lan = add_known(network[_OUT_INTERNAL], network[_IN_INTERNAL])
    bound = "" if totals.network_complete else "≥ "
    return (
        f"{RESOURCE_NAMES[resource].lower()}: {jobs_text(totals.jobs)}, "
        f"{hours_text(totals.wall_s, places)} wall h, "
        f"{size_text(network[_OUT_EXTERNAL])} WAN out, "
        f"{size_text(network[_IN_EXTERNAL])} WAN in, {size_text(lan)} LAN, "
        f"{bound}{totals.total_cost:,} {currency}"
    )


def _waste_text(use: Use, currency: str, places: int) -> str:
    waste = use.waste
    all_s = sum(kind.wall_s for kind in use.kinds)
    return (
        f"{hours_text(waste.wall_s, places)} wall h of {hours_text(all_s, places)} "
        f"({percent(waste.wall_s, all_s, 1)}), {waste.compute_cost:,} {currency}"
    )


def _efficiency_lines(overall: Efficiency, places: int) -> Iterator[tuple[str, str]]:
    used, held = overall.memory_used_byte_s, overall.memory_held_byte_s
    if used is not None and held is not None:
        text = f"{percent(used, held)} of the slots' memory at the jobs' peaks"
        yield "memory", text
    if overall.scaled_core_s is not None:
        scaled = hours_text(overall.scaled_core_s, places)
        known = hours_text(overall.core_s_with_scaling, places)
        yield "benchmark", f"{scaled} scaled hours of the {known} core h with a scaling"
