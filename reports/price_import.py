"""A price book brought up to date by an offer file: what changes, and the new book."""

import datetime as dt
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import msgspec

from poolmeter.durable import replacing
from reports.price_book import InstanceType, Rate, amount_of
from reports.price_book_file import PriceBook, parse_book
from reports.price_offer import OfferRate

#: What the imported numbers name as their source.
OFFER_SOURCE = "offer-file"


class Change(NamedTuple):
    """What an offer file says of one type of the book; amounts are an hour's."""

    instance_type: str
    kind: Literal["same", "changed", "missing"]
    old: str
    new: str | None
    valid_from: dt.date | None


def changes_of(book: PriceBook, offered: Sequence[OfferRate]) -> list[Change]:
    """Return one change for each type of *book*, in the book's order.

    Types that only the offer file has are left out: a book is a choice.
    """
    rates = {rate.instance_type: rate for rate in offered}
    return [_change(kind, rates.get(kind.name)) for kind in book.terms.instances]


def _change(kind: InstanceType, offer: OfferRate | None) -> Change:
    old = kind.rates[-1].per_hour
    if offer is None:
        return Change(kind.name, "missing", old, None, None)
    is_same = amount_of(old) == offer.per_hour
    new = f"{offer.per_hour.normalize():f}"
    return Change(
        kind.name, "same" if is_same else "changed", old, new, offer.valid_from
    )


def imported_book(
    base: str, book_id: str, book: PriceBook, changes: Sequence[Change], offer: Path
) -> str:
    """Return the TOML of a book on *base*, which is *book*, with the changed rates.

    A changed rate begins at the offer's day; the one before it ends there.

    Raises:
        PriceBookError: The new ranges do not fit the old ones.
    """
    by_name = {change.instance_type: change for change in changes}
    days = [change.valid_from for change in changes if change.valid_from]
    digest = hashlib.sha256(offer.read_bytes()).hexdigest()
    parts = [
        "format = 1",
        f"id = {_text(book_id)}",
        f"title = {_text(f'{book.terms.title}, brought up to date')}",
        f"base = {_text(base)}",
        f"\n[sources.{OFFER_SOURCE}]",
        f"title = {_text(f'AWS price list of EC2, {offer.name}, sha256 {digest}')}",
        f"date = {max(days)}",
        'confidence = "primary"',
    ]
    parts += [_instance_text(kind, by_name[kind.name]) for kind in book.terms.instances]
    text = "\n".join(parts) + "\n"
    parse_book(text.encode(), where=book_id)
    return text


def write_book(path: Path, text: str) -> None:
    """Write *text* to *path*, whole or not at all."""
    with replacing(path) as temporary:
        temporary.write_text(text, "utf-8")


def _instance_text(kind: InstanceType, change: Change) -> str:
    rates = list(kind.rates)
    if change.kind == "changed" and change.valid_from and change.new:
        rates = [rate for rate in rates if rate.from_ < change.valid_from]
        if rates:
            rates[-1] = msgspec.structs.replace(rates[-1], to=change.valid_from)
        rates.append(
            Rate(from_=change.valid_from, per_hour=change.new, source=OFFER_SOURCE)
        )
    lines = [
        "\n[[instances]]",
        f"name = {_text(kind.name)}",
        f"vcpu = {kind.vcpu}",
        f"memory_mib = {kind.memory_mib}",
        f"accelerators = {kind.accelerators}",
        f"source = {_text(kind.source)}",
        "rates = [",
        *(f"    {_rate_text(rate)}," for rate in rates),
        "]",
    ]
    return "\n".join(lines)


def _rate_text(rate: Rate) -> str:
    to = f"to = {rate.to}, " if rate.to else ""
    free = "free = true, " if rate.free else ""
    return (
        f"{{ from = {rate.from_}, {to}per_hour = {_text(rate.per_hour)}, {free}"
        f"source = {_text(rate.source)} }}"
    )


def _text(value: str) -> str:
    r"""Return *value* as a basic string of TOML, whatever is in it.

    >>> print(_text('a "b"\n'))
    "a \"b\"\n"
    """
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
