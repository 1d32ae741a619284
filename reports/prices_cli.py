"""``poolmeter report prices``: which price books there are, and if one is right."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
import msgspec

from poolmeter.cli import settings_of, shared_options
from poolmeter.errors import ExitCode, one_line
from reports.price_book import Billing, Factor, Name, Rate, Tariff, Terms
from reports.price_book_file import PriceBook, find_book, shipped_books
from reports.price_import import Change, changes_of, imported_book, write_book
from reports.price_offer import offer_rates

_FORMAT = click.option(
    "--format",
    "output",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="The form of the output.",
)


@click.group("prices")
@shared_options
def prices_group() -> None:
    """Look at price books, check one, bring one up to date."""


@prices_group.command("list")
@_FORMAT
@shared_options
def list_command(output: str) -> None:
    """Print the books that come with poolmeter.

    \b
    Example:
        poolmeter report prices list
    """  # noqa: D301 - click reads the control character
    books = [_summary(find_book(name)) for name in shipped_books()]
    _print(output, books, [f"{book['id']:<28} {book['title']}" for book in books])


@prices_group.command("check")
@click.argument("book", required=False)
@_FORMAT
@shared_options
@click.pass_context
def check_command(ctx: click.Context, book: str | None, output: str) -> None:
    """Read BOOK (default: the configured one) and say whether it is right.

    \b
    Example:
        poolmeter report prices check /etc/poolmeter/our-prices.toml
    """  # noqa: D301 - as above
    found = find_book(book or settings_of(ctx).config().report.prices)
    told = _summary(found)
    assumed = [
        name for name, s in found.terms.sources.items() if s.confidence == "assumption"
    ]
    told["assumptions"] = assumed
    lines = [f"{told['id']}: right; sha256 {found.sha256[:12]}"]
    lines += [f"  assumption: {found.terms.sources[name].title}" for name in assumed]
    _print(output, told, lines)


@prices_group.command("show")
@click.argument("book", required=False)
@_FORMAT
@shared_options
@click.pass_context
def show_command(ctx: click.Context, book: str | None, output: str) -> None:
    """Print every number of BOOK with its source.

    \b
    Example:
        poolmeter report prices show ec2-us-east-1-2026
    """  # noqa: D301 - as above
    found = find_book(book or settings_of(ctx).config().report.prices)
    whole = {**msgspec.to_builtins(found.terms), "sha256": found.sha256}
    _print(output, whole, _show_lines(found.terms))


@prices_group.command("import")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--book", help="The book to bring up to date (default: the configured).")
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write the new book here, named after the file (default: write nothing).",
)
@_FORMAT
@shared_options
@click.pass_context
def import_command(
    ctx: click.Context, *, file: Path, book: str | None, out: Path | None, output: str
) -> int:
    """Compare BOOK with FILE, an AWS price list file of EC2 (JSON or CSV).

    A price of 0 is refused: in public price data it means "missing".  Exit code 3
    says that FILE has no rate for some types of BOOK.

    \b
    Example:
        poolmeter report prices import index.csv --out /etc/poolmeter/ec2-2027.toml
    """  # noqa: D301 - as above
    base = book or settings_of(ctx).config().report.prices
    found = find_book(base)
    terms = found.terms
    changes = changes_of(
        found, offer_rates(file, region=terms.region, currency=terms.currency)
    )
    if out is not None:
        where = str(Path(base).resolve()) if "/" in base or ".toml" in base else base
        book_id = msgspec.convert(out.stem, Name)
        write_book(out, imported_book(where, book_id, found, changes, file))
    _print(output, [_change_json(c) for c in changes], _change_lines(changes))
    is_whole = all(change.kind != "missing" for change in changes)
    return ExitCode.DONE if is_whole else ExitCode.SET_ASIDE


def _print(output: str, data: object, lines: list[str]) -> None:
    if output == "json":
        click.echo(json.dumps(data, indent=2, default=str))
        return
    for line in lines:
        click.echo(one_line(line))


def _summary(book: PriceBook) -> dict[str, Any]:
    terms = book.terms
    return {
        "id": terms.id,
        "title": terms.title,
        "currency": terms.currency,
        "region": terms.region,
        "basis": terms.basis,
        "packing": terms.packing,
        "types": len(terms.instances),
        "what_if": [what_if.name for what_if in terms.what_if],
        "sha256": book.sha256,
    }


def _show_lines(terms: Terms) -> list[str]:
    lines = [f"{terms.id}: {terms.title}", f"packing {terms.packing}, {terms.currency}"]
    for kind in terms.instances:
        size = f"{kind.vcpu} vCPU, {kind.memory_mib} MiB, {kind.accelerators} GPU"
        machine = f"{kind.name:<16} {size:<32}"
        lines += [f"{machine} {r.per_hour:>10} an hour  {_when(r)}" for r in kind.rates]
    lines += [f"every rate x {f.per_hour}  {_when(f)}" for f in terms.factors]
    lines += [
        f"steps of {b.increment_s} s, a run at least {b.minimum_s} s  {_when(b)}"
        for b in terms.billing
    ]
    for name in terms.network.__struct_fields__:
        lines += _tariff_lines(name, getattr(terms.network, name))
    for what_if in terms.what_if:
        for name, entries in what_if.tariffs().items():
            lines += _tariff_lines(f"+{what_if.name} {name}", entries)
    for name, source in terms.sources.items():
        address = f" {source.url}" if source.url else ""
        lines.append(f"[{name}] {source.confidence}: {source.title}{address}")
    return lines


def _tariff_lines(name: str, entries: Sequence[Tariff]) -> list[str]:
    lines = []
    for tariff in entries:
        free = tariff.allowance
        if free:
            lines.append(
                f"{name} first {free.quantity} {tariff.unit} free, {free.placement}  "
                f"{_range(tariff)}  [{free.source}]"
            )
        for tier in tariff.tiers:
            until = f"to {tier.up_to} {tariff.unit}" if tier.up_to else "beyond"
            lines.append(
                f"{name} {until}: {tier.rate} a {tariff.unit}, by {tariff.scope}  "
                f"{_range(tariff)}  [{tier.source}]"
            )
    return lines


def _when(entry: Rate | Factor | Billing) -> str:
    return f"{_range(entry)}  [{entry.source}]"


def _range(entry: Rate | Factor | Billing | Tariff) -> str:
    return f"from {entry.from_}" + (f" to {entry.to}" if entry.to else "")


def _change_json(change: Change) -> dict[str, Any]:
    return change._asdict()


def _change_lines(changes: list[Change]) -> list[str]:
    same = sum(change.kind == "same" for change in changes)
    lines = [f"{same} of {len(changes)} types have the same rate"]
    for change in changes:
        if change.kind == "changed":
            lines.append(
                f"changed  {change.instance_type:<16} {change.old} -> {change.new} "
                f"from {change.valid_from}"
            )
        elif change.kind == "missing":
            lines.append(f"missing  {change.instance_type:<16} {change.old} stays")
    return lines
