"""Whatever stands in a history: nothing stops a run, every record is accounted for."""

import tempfile
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from poolmeter.attributes import known_attributes
from probe.history_file import open_history
from tests.ads import banner, clusters, completed, job, run
from tests.property.strategies import edits

_ATOMS = (
    *("1", "2.5", "-3", '"s"', "true", "undefined", "error", "QDate", "Nowhere"),
    *("9223372036854775807", "1e300", '"é"', '""', "ClusterId"),
)
_FUNCTIONS = ("strcat", "substr", "int", "real", "string", "round", "size", "toLower")


def _deeper(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    operators = st.sampled_from(("+", "-", "*", "/", "%", "==", "=?=", "&&", "<", "<<"))
    binary = st.tuples(inner, operators, inner).map(lambda t: f"({' '.join(t)})")
    names = st.sampled_from(_FUNCTIONS)
    call = st.tuples(names, st.lists(inner, max_size=3)).map(
        lambda t: f"{t[0]}({', '.join(t[1])})"
    )
    choice = st.tuples(inner, inner, inner).map(lambda t: f"({t[0]} ? {t[1]} : {t[2]})")
    listed = st.lists(inner, max_size=3).map(lambda items: "{" + ", ".join(items) + "}")
    nested = inner.map(lambda text: f"[ a = {text} ].a")
    return st.one_of(binary, call, choice, listed, nested)


EXPRESSIONS = st.recursive(st.sampled_from(_ATOMS), _deeper, max_leaves=6)


def account(text: bytes) -> tuple[int, int, list[int]]:
    """Return the records read of *text*, those not in the ledger, and the clusters."""
    with tempfile.TemporaryDirectory() as folder:
        live, ledger = Path(folder) / "history", Path(folder) / "ledger"
        live.write_bytes(text)
        report = run(ledger, live)
        kept = clusters(ledger)
    lost = report.set_aside.total() + report.skipped.total()
    lost += report.merged.repeated + len(report.merged.conflicts)
    return report.read, lost, kept


@given(
    values=st.dictionaries(
        st.sampled_from([str(name) for name in known_attributes()]),
        st.one_of(EXPRESSIONS, edits()),
        max_size=12,
    )
)
def test_no_ad_that_classad2_parses_stops_a_run(values: dict[str, str]) -> None:
    text = job(1) + completed(**values) + banner() + job(9)
    read, lost, kept = account(text.encode())
    assert (read, read - lost) == (3, len(kept))
    assert {1, 9} <= set(kept)


@given(
    at=st.floats(0, 1),
    length=st.integers(0, 60),
    noise=st.binary(max_size=40),
)
def test_damage_anywhere_costs_only_the_records_that_it_touches(
    at: float, length: int, noise: bytes
) -> None:
    """Whole records before the damage and after it stay, each once.

    Where a banner is destroyed, the record after it cannot be told from its own.
    """
    records = [job(n).encode() for n in range(1, 8)]
    sound = b"".join(records[1:])
    start = int(at * len(sound))
    noise = noise.replace(b"*", b"+")  # a banner made by chance is one
    damaged = sound[:start] + noise + sound[start + length :]
    _, _, kept = account(records[0] + damaged)
    ends = [sum(map(len, records[1 : n + 1])) for n in range(len(records))]
    whole = {1} | {n + 1 for n in range(1, 7) if ends[n] <= start}
    after = {n + 3 for n in range(5) if ends[n] >= start + length}
    assert len(kept) == len(set(kept))
    assert whole <= set(kept)
    assert after <= set(kept)


@given(cut=st.integers(1, 5000), resumed=st.integers(0, 3))
def test_records_and_offsets_of_any_prefix_are_those_of_the_whole(
    cut: int, resumed: int
) -> None:
    text = b"".join(job(n).encode() for n in range(4))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "history"
        path.write_bytes(text)
        with open_history(path) as file:
            whole = list(file.records())
            later = list(file.records(whole[resumed].start))
        path.write_bytes(text[:cut])
        with open_history(path) as file:
            part = list(file.records())
    assert b"".join(raw.ad + raw.banner for raw in whole) == text
    assert later == whole[resumed:]
    assert part == [raw for raw in whole if raw.end <= cut]
