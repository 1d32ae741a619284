"""``poolmeter report prices``, and the import of AWS price list files."""

import json
from pathlib import Path

import pytest

from poolmeter.cli import main
from reports.months import parse_month
from reports.price_book_file import read_book, shipped_books
from reports.price_periods import price_periods
from tests.unit.reports_ledger import BOOK_TOML

_OFFERS = Path(__file__).parents[1] / "data" / "offer"
_FILES = ("ec2.json", "ec2.csv")


def _run(
    capsys: pytest.CaptureFixture[str], *arguments: object
) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        main(["report", "prices", *map(str, arguments)])
    out, err = capsys.readouterr()
    return int(ended.value.code or 0), out, err


@pytest.fixture
def book_path(tmp_path: Path) -> Path:
    path = tmp_path / "ours.toml"
    path.write_text(BOOK_TOML)
    return path


@pytest.mark.parametrize("name", shipped_books())
def test_every_shipped_book_is_right_and_every_number_has_a_source(
    capsys: pytest.CaptureFixture[str], name: str
) -> None:
    assert _run(capsys, "check", name)[0] == 0
    code, out, _ = _run(capsys, "show", name)

    numbers = [line for line in out.splitlines()[2:] if not line.startswith("[")]
    sources = {
        line[1:].partition("]")[0] for line in out.splitlines() if line[0] == "["
    }
    assert code == 0
    assert all(line[line.rindex("[") + 1 : -1] in sources for line in numbers)


def test_list_and_show_have_json(capsys: pytest.CaptureFixture[str]) -> None:
    listed = json.loads(_run(capsys, "list", "--format=json")[1])
    shown = json.loads(_run(capsys, "show", "ec2-2011", "--format=json")[1])

    assert [book["id"] for book in listed] == shipped_books()
    assert shown["billing"][0]["increment_s"] == 3600
    assert len(shown["sha256"]) == 64


def test_check_names_assumptions(capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = _run(capsys, "check", "ec2-us-east-1-2026-spot")

    assert "assumption: a spot instance costs 35 %" in out


def test_check_of_a_wrong_book_exits_2(
    capsys: pytest.CaptureFixture[str], book_path: Path
) -> None:
    book_path.write_text(BOOK_TOML.replace("vcpu = 2", "vcpu = 0"))

    code, _, err = _run(capsys, "check", book_path)

    assert code == 2
    assert "instances[0].vcpu (c5.large)" in err


@pytest.mark.parametrize("name", _FILES)
def test_an_import_shows_what_changes_and_writes_a_book(
    capsys: pytest.CaptureFixture[str], book_path: Path, tmp_path: Path, name: str
) -> None:
    new = tmp_path / "new-prices.toml"

    code, out, _ = _run(
        capsys, "import", _OFFERS / name, "--book", book_path, "--out", new
    )

    assert code == 0
    assert "2 of 3 types have the same rate" in out
    assert "changed  r5.large         0.126 -> 0.129 from 2026-11-01" in out
    terms = read_book(new).terms
    assert terms.id == "new-prices"
    october, november = (
        {
            kind.name: float(kind.per_hour)
            for kind in price_periods(terms, parse_month(month))[0].types
        }
        for month in ("2026-10", "2026-11")
    )
    assert (october["r5.large"], november["r5.large"]) == (0.126, 0.129)
    assert october["m5.large"] == november["m5.large"] == 0.096
    assert terms.sources["offer-file"].confidence == "primary"


@pytest.mark.parametrize("name", _FILES)
def test_a_price_of_zero_is_refused(
    capsys: pytest.CaptureFixture[str], book_path: Path, tmp_path: Path, name: str
) -> None:
    offer, new = tmp_path / name, tmp_path / "new.toml"
    text = (_OFFERS / name).read_text()
    offer.write_text(text.replace("0.0850000000", "0.0000000000"))

    code, out, err = _run(capsys, "import", offer, "--book", book_path, "--out", new)

    assert (code, out) == (2, "")
    assert "c5.large, SKU AAA2" in err
    assert not new.exists()


@pytest.mark.parametrize("name", _FILES)
def test_a_type_that_the_file_has_not_is_named(
    capsys: pytest.CaptureFixture[str], book_path: Path, tmp_path: Path, name: str
) -> None:
    offer = tmp_path / name
    offer.write_text((_OFFERS / name).read_text().replace("c5.large", "c6.large"))

    code, out, _ = _run(capsys, "import", offer, "--book", book_path)

    assert code == 3
    assert "missing  c5.large" in out


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("AmazonEC2", "AmazonS3", "an AWS price list file of EC2"),
        ("us-east-1", "us-west-9", "on-demand Linux rates of us-east-1"),
        ("x9.large", "m5.large", "expected one rate of a type"),
        ("0.0850000000", "1e-3", "expected an amount"),
        ("2026-11-01T00:00:00Z", "x", "an AWS price list file of EC2"),
    ],
)
def test_what_is_no_such_file_is_refused(
    capsys: pytest.CaptureFixture[str],
    book_path: Path,
    *,
    old: str,
    new: str,
    message: str,
) -> None:
    offer = book_path.with_name("offer")
    offer.write_text((_OFFERS / "ec2.json").read_text().replace(old, new))

    code, _, err = _run(capsys, "import", offer, "--book", book_path)

    assert code == 2
    assert message in err
