"""The fast reader: batches of rows from a history file, the reference's cells.

A record that the fast path does not handle is judged by the reference reader, in its
place between its neighbours.
"""

import collections
import dataclasses
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import pyarrow as pa

from poolmeter.config import Config
from poolmeter.ledger.schema import table_of
from poolmeter.record import JobRecord
from probe.batch import Batch
from probe.fast.arrays import Numbers, places_of
from probe.fast.chunks import Chunk
from probe.fast.drafts import Drafted, Drafter
from probe.fast.ends import Neighbours, Places, place
from probe.fast.normalise.job import finished
from probe.normalise.job import Normalised
from probe.normalise.times import Surroundings
from probe.reader import (
    FOLLOWING,
    Outcome,
    Parsed,
    Rejected,
    Skipped,
    outcome_of,
    parse,
)


@dataclasses.dataclass(frozen=True, slots=True)
class _Waiting:
    """Drafts whose following records are not all known yet."""

    drafted: Drafted
    parsed: dict[int, Parsed]
    prompt_ends_s: Numbers


class FastReader:
    """Reads the files of one schedd, chunk by chunk."""

    def __init__(self, schedd: str, config: Config, *, now_s: int) -> None:
        """Take what :func:`probe.normalise.job.normalise` needs.

        *now_s* is the time of reading, in Unix seconds.
        """
        self._schedd = schedd
        self._config = config
        self._now_s = now_s
        self._drafter = Drafter(schedd, config, now_s=now_s)

    def read(
        self, chunks: Iterable[Chunk], *, earliest_s: int | None
    ) -> Iterator[Batch]:
        """Yield what becomes of the records in *chunks*, in order, none left out.

        *chunks* are those of one file, in its order; *earliest_s* is the last reliable
        end before the first record.
        """
        order = _FileOrder(self._schedd, self._config, earliest_s, self._now_s)
        return order.batches(map(self._drafter.drafted, chunks))


class _FileOrder:
    """Finishes the drafts of one file in its order."""

    def __init__(
        self, schedd: str, config: Config, earliest_s: int | None, now_s: int
    ) -> None:
        self._schedd = schedd
        self._config = config
        self._earliest_s = earliest_s
        self._now_s = now_s

    def batches(self, drafts: Iterable[Drafted]) -> Iterator[Batch]:
        """Yield a batch for each of *drafts*, when what follows it is known."""
        waiting: collections.deque[_Waiting] = collections.deque()
        for drafted in drafts:
            waiting.append(_parsed(drafted))
            while sum(w.drafted.count for w in waiting) - FOLLOWING >= (
                waiting[0].drafted.count
            ):
                yield self._batch(waiting.popleft(), waiting)
        while waiting:
            yield self._batch(waiting.popleft(), waiting)

    def _batch(self, current: _Waiting, following: Iterable[_Waiting]) -> Batch:
        drafted = current.drafted
        outcomes: dict[int, Outcome] = {}

        def judge(record: int, around: Surroundings) -> int | None:
            outcomes[record] = outcome_of(
                current.parsed[record],
                schedd=self._schedd,
                config=self._config,
                around=around,
            )
            return outcomes[record].earliest_s

        ends_s = np.concatenate(
            [current.prompt_ends_s, *(w.prompt_ends_s for w in following)]
        )
        latest_s = _latest(ends_s, drafted.count, self._now_s)
        places, self._earliest_s = place(
            drafted.draft,
            Neighbours(latest_s, drafted.written_s),
            drafted.is_fast,
            self._earliest_s,
            judge,
        )
        return _joined(drafted, places, outcomes, self._earliest_s)


def _parsed(drafted: Drafted) -> _Waiting:
    """Parse, as the reference does, what the drafts leave out."""
    parsed = {record: parse(raw) for record, raw in drafted.others.items()}
    prompt_ends_s = drafted.draft.prompt_end_s.copy()
    for record, one in parsed.items():
        prompt_ends_s[record] = one.prompt_end_s or 0
    return _Waiting(drafted, parsed, prompt_ends_s)


def _latest(prompt_ends_s: Numbers, count: int, now_s: int) -> Numbers:
    """Return, for the first *count* records, when each was written at the latest.

    The later of the two prompt ends behind it tells, where there are two.
    """
    ends_s = np.concatenate([prompt_ends_s, np.zeros(FOLLOWING, np.int64)])
    first_s, second_s = ends_s[1 : count + 1], ends_s[2 : count + 2]
    is_known = (first_s != 0) & (second_s != 0)
    later_s = np.minimum(np.maximum(first_s, second_s), now_s)
    return np.where(is_known, later_s, now_s)


def _joined(
    drafted: Drafted,
    places: Places,
    outcomes: dict[int, Outcome],
    earliest_s: int | None,
) -> Batch:
    fast = places_of(drafted.is_fast)
    rows, contradicted = finished(
        drafted.draft, fast, places.ended_s[fast], places.is_outside[fast]
    )
    judged = {
        record: outcome.result.record
        for record, outcome in outcomes.items()
        if isinstance(outcome.result, Normalised)
    }
    results = [outcome.result for outcome in outcomes.values()]
    return Batch(
        read=drafted.count,
        rows=_in_order(rows, fast, judged),
        rejected=[
            (outcome.raw, outcome.result)
            for outcome in outcomes.values()
            if isinstance(outcome.result, Rejected)
        ],
        skipped=Counter(r.kind for r in results if isinstance(r, Skipped)),
        warnings=_warnings(results),
        contradicted=contradicted
        + sum(bool(record.contradictions) for record in judged.values()),
        by_reference=sum(not isinstance(r, Skipped) for r in results),
        end=drafted.end,
        tail=drafted.tail,
        earliest_s=earliest_s,
    )


def _warnings(results: Sequence[object]) -> Counter[str]:
    return Counter(
        f"{attribute}: {why}"
        for result in results
        if isinstance(result, Normalised)
        for attribute, why in result.warnings.items()
    )


def _in_order(
    rows: pa.Table, numbers: Numbers, judged: dict[int, JobRecord]
) -> pa.Table:
    """Return the rows with those of *judged* records put in where they belong."""
    if not judged:
        return rows
    both = pa.concat_tables([rows, table_of([*judged.values()])])
    records = np.concatenate([numbers, np.fromiter(judged, np.int64, len(judged))])
    return both.take(np.argsort(records, kind="stable"))
