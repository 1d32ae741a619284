"""AWS price list files (offer files) of EC2, JSON or CSV: on-demand Linux rates.

The format is that of AWS's page "Reading the service price list files": in JSON,
``products`` and ``terms`` by SKU; in CSV five rows of metadata, the sixth names the
columns.  A file holds several products of one type (tenancy, licence, reserved
capacity, whose price is 0); the ones that count are those of plain shared Linux.
"""

import csv
import datetime as dt
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from poolmeter.errors import PriceBookError
from reports.price_book import amount_of

#: Attributes of the products that count, by their names in JSON and in CSV.
_PLAIN = {
    "operatingSystem": ("Operating System", "Linux"),
    "tenancy": ("Tenancy", "Shared"),
    "capacitystatus": ("CapacityStatus", "Used"),
    "preInstalledSw": ("Pre Installed S/W", "NA"),
}
_HOURS = ("Hrs", "Hours")
_METADATA_ROWS = 5


class OfferRate(NamedTuple):
    """The on-demand rate of a type, and where in the offer file it stands."""

    instance_type: str
    per_hour: Decimal
    valid_from: dt.date
    sku: str
    rate_code: str


class _Price(msgspec.Struct):
    rateCode: str  # noqa: N815 - names of the format, also below
    unit: str
    pricePerUnit: dict[str, str]  # noqa: N815


class _Term(msgspec.Struct):
    effectiveDate: str  # noqa: N815
    priceDimensions: dict[str, _Price]  # noqa: N815


class _Product(msgspec.Struct):
    attributes: dict[str, str]


class _Terms(msgspec.Struct):
    OnDemand: dict[str, dict[str, _Term]] = {}


class _Offer(msgspec.Struct):
    offerCode: str  # noqa: N815
    publicationDate: str  # noqa: N815
    products: dict[str, _Product]
    terms: _Terms


def offer_rates(path: Path, *, region: str, currency: str) -> list[OfferRate]:
    """Return the rates of shared Linux in *region*, by the types' names.

    Raises:
        PriceBookError: Not an EC2 offer file, a price of 0 (in public price data that
            means "missing"), or two rates of one type.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise PriceBookError(
            f"offer file {path}", found=error.strerror or str(error)
        ) from error
    is_json = content.lstrip()[:1] == b"{"
    read = _json_rates if is_json else _csv_rates
    found: dict[str, OfferRate] = {}
    for rate in read(content, path, region, currency):
        _check(rate, found.get(rate.instance_type), path)
        found[rate.instance_type] = rate
    if not found:
        raise PriceBookError(
            f"offer file {path}",
            expected=f"on-demand Linux rates of {region} in {currency}",
            found="none",
        )
    return [found[name] for name in sorted(found)]


def _check(rate: OfferRate, other: OfferRate | None, path: Path) -> None:
    where = f"offer file {path}: {rate.instance_type}, SKU {rate.sku}, {rate.rate_code}"
    if rate.per_hour == 0:
        raise PriceBookError(
            where, expected="a price", found="0", mend='a price of 0 means "missing"'
        )
    if other is not None:
        raise PriceBookError(
            where, expected="one rate of a type", found=f"another in SKU {other.sku}"
        )


def _json_rates(
    content: bytes, path: Path, region: str, currency: str
) -> Iterator[OfferRate]:
    try:
        offer = msgspec.json.decode(content, type=_Offer)
    except (msgspec.DecodeError, msgspec.ValidationError) as error:
        raise _no_offer(path, str(error)) from error
    if offer.offerCode != "AmazonEC2":
        raise _no_offer(path, f"offerCode {offer.offerCode}")
    for sku, product in offer.products.items():
        told = product.attributes
        if not _counts(told, region, plain={key: key for key in _PLAIN}):
            continue
        for term in offer.terms.OnDemand.get(sku, {}).values():
            for price in term.priceDimensions.values():
                if price.unit in _HOURS and currency in price.pricePerUnit:
                    yield _rate(
                        path,
                        told["instanceType"],
                        price.pricePerUnit[currency],
                        term.effectiveDate,
                        (sku, price.rateCode),
                    )


def _csv_rates(
    content: bytes, path: Path, region: str, currency: str
) -> Iterator[OfferRate]:
    try:
        lines = content.decode("utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise _no_offer(path, str(error)) from error
    metadata = dict(row[:2] for row in csv.reader(lines[:_METADATA_ROWS]) if row[1:])
    if metadata.get("OfferCode") != "AmazonEC2":
        raise _no_offer(path, f"OfferCode {metadata.get('OfferCode')}")
    rows: Iterable[Mapping[str, Any]] = csv.DictReader(lines[_METADATA_ROWS:])
    names = {key: name for key, (name, _) in _PLAIN.items()}
    for row in rows:
        if (
            row.get("TermType") == "OnDemand"
            and row.get("Unit") in _HOURS
            and row.get("Currency") == currency
            and _counts(row, region, plain=names)
        ):
            yield _rate(
                path,
                row["Instance Type"],
                row["PricePerUnit"],
                row["EffectiveDate"],
                (row["SKU"], row["RateCode"]),
            )


def _counts(told: Mapping[str, Any], region: str, *, plain: Mapping[str, str]) -> bool:
    """Whether a product is a plain shared Linux machine in *region*."""
    is_here = region in (told.get("regionCode"), told.get("Region Code"))
    has_type = bool(told.get("instanceType") or told.get("Instance Type"))
    return (
        is_here
        and has_type
        and all(told.get(plain[key]) == wanted for key, (_, wanted) in _PLAIN.items())
    )


def _rate(
    path: Path, name: str, amount: str, effective: str, where: tuple[str, str]
) -> OfferRate:
    try:
        valid_from = dt.date.fromisoformat(effective[:10])
        return OfferRate(name, amount_of(amount), valid_from, *where)
    except ValueError as error:
        raise _no_offer(path, f"{name}, SKU {where[0]}: {error}") from error


def _no_offer(path: Path, found: str) -> PriceBookError:
    return PriceBookError(
        f"offer file {path}", expected="an AWS price list file of EC2", found=found
    )
