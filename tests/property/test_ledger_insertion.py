"""However records come, in what order and how often: the ledger is the same."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from poolmeter.errors import ExitCode
from poolmeter.ledger.merge import merge_jobs
from poolmeter.ledger.schema import table_of
from poolmeter.record import JobRecord
from tests.ads import SCHEDD, job, record_of, rows, run

JOBS = [job(n) for n in range(0, 400, 13)]
RECORDS: list[JobRecord] = [record_of(text.partition("***")[0]) for text in JOBS]
ALL = table_of(RECORDS).to_pylist()

#: Numbers of records, some of them more than once, in any order.
BATCHES = st.lists(
    st.lists(st.integers(0, len(RECORDS) - 1), max_size=12), min_size=1, max_size=5
)


@given(batches=BATCHES)
def test_any_insertions_of_the_same_records_give_the_same_rows(
    batches: list[list[int]],
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        ledger = Path(folder)
        results = [
            merge_jobs(ledger, SCHEDD, table_of([RECORDS[n] for n in batch]))
            for batch in batches
        ]
        distinct = sorted({n for batch in batches for n in batch})
        assert rows(ledger) == [ALL[n] for n in distinct]
    assert sum(result.inserted for result in results) == len(distinct)
    assert sum(r.inserted + r.repeated for r in results) == sum(map(len, batches))
    assert not any(result.conflicts for result in results)


@given(
    cuts=st.lists(st.integers(0, len(JOBS)), max_size=4).map(sorted),
    order=st.permutations(range(5)),
    grown=st.integers(0, 5),
)
def test_any_split_of_a_history_into_files_and_runs_gives_the_same_rows(
    cuts: list[int], order: Sequence[int], grown: int
) -> None:
    """Files turn up in any order; after each, a run; one may be seen half at first."""
    bounds = [0, *cuts, *[len(JOBS)] * (5 - len(cuts))]
    with tempfile.TemporaryDirectory() as folder:
        live, ledger = Path(folder) / "history", Path(folder) / "ledger"
        live.touch()
        for n in order:
            text = "".join(JOBS[bounds[n] : bounds[n + 1]])
            part = live.with_name(f"history.{n}")
            if n == grown:
                part.write_text(text[: len(text) // 2])
                run(ledger, live)
            part.write_text(text)
            assert run(ledger, live).exit_code == ExitCode.DONE
        assert rows(ledger) == ALL
        assert run(ledger, live).read == 0
