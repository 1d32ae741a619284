"""What a price book refuses, with file, key path and mend."""

import datetime as dt
from decimal import Decimal
from pathlib import Path

import pytest

from poolmeter.errors import PriceBookError
from reports.months import parse_month
from reports.price_book import amount_of
from reports.price_book_file import find_book, parse_book, read_book, shipped_books
from reports.price_periods import price_periods, tariffs
from tests.unit.reports_ledger import BOOK_TOML, book

_M5_RATES = 'rates = [{ from = 2020-01-01, per_hour = "0.096", source = "s" }]'


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("vcpu = 2", "vcpus = 2",
         r"b\.toml: instances\[0\] \(c5\.large\).*did you mean `vcpu`"),
        ('per_hour = "0.096"', "per_hour = 0.096",
         r"instances\[1\]\.rates\[0\]\.per_hour \(m5\.large\).*amounts in quotes"),
        ('per_hour = "0.096"', 'per_hour = "0.00"', r"rates\[0\] \(m5.*`free = true`"),
        ('per_hour = "0.096"', 'per_hour = "0.096", free = true', "only a zero rate"),
        ('per_hour = "0.096"', 'per_hour = "-1"', "expected an amount"),
        ('per_hour = "0.096"', 'per_hour = "1e3"', "expected an amount"),
        ('per_hour = "0.096"', 'per_hour = "٣"', "expected an amount"),
        ('rates = [{ from = 2020-01-01, per_hour = "0.096", source = "s" }]',
         'rates = [{ from = 2020-01-01, per_hour = "0.096", source = "x" }]',
         r"instances\[1\]\.rates\[0\]\.source: expected one of s, found 'x'"),
        ('confidence = "secondary"', 'confidence = "sure"', r"sources.*'sure'"),
        ("date = 2026-07-20", "", "needs `date` or `retrieved`"),
        ('name = "m5.large"', 'name = "c5.large"', "c5.large stands there twice"),
        ("increment_s = 1", "increment_s = 0", "billing"),
        ('up_to = "51200"', 'up_to = "10240"', "must increase"),
        ('{ rate = "0.05", source = "s" },', "", "must have no `up_to`"),
        ('quantity = "100"', 'quantity = "10241"', "larger than the first tier"),
        ('unit = "GB"\nscope', 'unit = "TB"\nscope', "network"),
        ("[[network.outgoing_external]]\nfrom = 2020-01-01",
         "[[network.outgoing_external]]\nfrom = 2020-01-02", "first day of a month"),
        ("[[network.incoming_local]]", "[[network.incoming_locl]]", "incoming_local"),
        ('packing = "cheapest-fit"', 'packing = "guess"', "packing"),
        ("format = 1", "format = 2", "format"),
    ],
)  # fmt: skip
def test_a_wrong_book_is_refused_with_its_place(
    old: str, new: str, message: str
) -> None:
    text = BOOK_TOML.replace(old, new, 1)
    assert text != BOOK_TOML

    with pytest.raises(PriceBookError, match=message):
        parse_book(text.encode(), where="b.toml")


@pytest.mark.parametrize(
    ("first", "second", "message"),
    [
        ("to = 2026-10-14", "2026-10-15", "gap.*2026-10-14.*2026-10-15"),
        ("to = 2026-10-16", "2026-10-15", "overlap.*2026-10-16.*2026-10-15"),
        ("to = 2019-01-01", "2026-10-15", "ends before it begins"),
        ("free = false", "2026-10-15", "overlap.*no day"),
    ],
)
def test_dated_rates_have_no_gap_and_no_overlap(
    first: str, second: str, message: str
) -> None:
    rates = (
        f'rates = [{{ from = 2020-01-01, {first}, per_hour = "0.096", source = "s" }}, '
        f'{{ from = {second}, per_hour = "0.1", source = "s" }}]'
    )

    with pytest.raises(PriceBookError, match=message):
        book((_M5_RATES, rates))


def test_a_month_with_a_change_of_rates_has_two_periods() -> None:
    rates = (
        'rates = [{ from = 2020-01-01, to = 2026-10-15, per_hour = "0.096", source = '
        '"s" }, { from = 2026-10-15, per_hour = "0.2", source = "s" }]'
    )
    month = parse_month("2026-10")

    first, second = price_periods(book((_M5_RATES, rates)).terms, month)

    assert (first.start_s, second.end_s) == (month.start_s, month.end_s)
    assert first.end_s == second.start_s == month.start_s + 14 * 86_400
    assert [float(p.types[1].per_hour) for p in (first, second)] == [0.096, 0.2]


def test_a_month_before_every_rate_is_refused() -> None:
    with pytest.raises(PriceBookError, match="expected rates for 2019-12"):
        price_periods(book().terms, parse_month("2019-12"))


def test_a_month_without_a_tariff_is_refused() -> None:
    later = book(
        ("[[network.incoming_local]]\nfrom = 2020-01-01",
         "[[network.incoming_local]]\nfrom = 2026-11-01")
    )  # fmt: skip

    with pytest.raises(PriceBookError, match=r"network\.incoming_local for 2026-10"):
        tariffs(later.terms, parse_month("2026-10"))


def test_the_shipped_book_is_right_and_says_where_its_prices_come_from() -> None:
    terms = find_book("ec2-us-east-1-2026").terms
    by_name = {kind.name: kind for kind in terms.instances}

    assert "ec2-us-east-1-2026" in shipped_books()
    m5 = by_name["m5.large"]
    assert (m5.vcpu, m5.memory_mib, m5.rates[0].per_hour) == (2, 8192, "0.096")
    assert by_name["g5.48xlarge"].accelerators == 8
    families = {name.partition(".")[0] for name in by_name}
    assert families == {"m5", "m7i", "c5", "c7i", "r5", "r7i", "g5", "g6"}
    assert terms.sources["egress"].confidence == "secondary"
    rule = terms.billing[0]
    assert (rule.from_, rule.increment_s, rule.minimum_s) == (
        dt.date(2017, 10, 2), 1, 60
    )  # fmt: skip


def test_a_books_hash_is_that_of_its_file(tmp_path: Path) -> None:
    path = tmp_path / "site.toml"
    path.write_text(BOOK_TOML)

    same, other = read_book(path), book(("Three types", "Three  types"))

    assert same == book() == find_book(str(path))
    assert same.sha256 != other.sha256


def test_a_book_that_is_not_there_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(PriceBookError, match=r"one of ec2-2011, ec2-us-east-1-2026,"):
        find_book("ec2")
    with pytest.raises(PriceBookError, match="No such file"):
        find_book(str(tmp_path / "no.toml"))
    with pytest.raises(PriceBookError, match="expected TOML"):
        parse_book(b"\xff", where="b.toml")


def test_amounts_are_exact() -> None:
    assert amount_of("0.1") + amount_of("0.2") == Decimal("0.3")


def test_the_billing_minimum_and_increment_apply_to_each_run() -> None:
    per_second = book().terms.billing[0]
    hourly = book(
        ("increment_s = 1\n", "increment_s = 3600\n"),
        ("minimum_s = 60", "minimum_s = 3600"),
    ).terms.billing[0]

    assert [per_second.billed_s(s) for s in (0, 59, 61)] == [60, 60, 61]
    assert per_second.billed_s(100, runs=3) == 180
    assert [hourly.billed_s(s) for s in (1, 3600, 3601)] == [3600, 3600, 7200]
