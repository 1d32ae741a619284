"""When each job ended, held against its neighbours; one record after the other.

Nearly every job ended when its ad says, and then the rule is the same for all: it is
checked for many records at once.  At the first one that breaks it, or that is the
reference's to judge, that one record is placed by the reference's own code.
"""

import dataclasses
from collections.abc import Callable, Iterator

import numpy as np

from probe.fast.arrays import Flags, Numbers, places_of
from probe.fast.normalise.job import Draft
from probe.normalise.times import (
    LAST_SECOND,
    NEIGHBOUR_SLACK_S,
    QUIET_LIMIT_S,
    Surroundings,
    believable_end,
)

#: So many records are checked at once; more after each time that all went well.
_FIRST_STRIDE, _STRIDE_LIMIT = 64, 65_536
_NONE = -1

#: Says what becomes of the record with a number, and gives the next earliest end.
Judge = Callable[[int, Surroundings], int | None]


@dataclasses.dataclass(frozen=True, slots=True)
class Places:
    """The ends of records, and whether each contradicts its neighbours."""

    ended_s: Numbers
    is_outside: Flags


@dataclasses.dataclass(frozen=True, slots=True)
class Neighbours:
    """What the file says of when each record was written; 0 where it says nothing."""

    latest_s: Numbers
    written_s: Numbers


def place(
    draft: Draft,
    neighbours: Neighbours,
    is_fast: Flags,
    earliest_s: int | None,
    judge: Judge,
) -> tuple[Places, int | None]:
    """Return when the records ended, and the last reliable end behind them.

    *judge* is asked, in their order, for every record that is not *is_fast*.
    """
    placing = _Placing(draft, neighbours, earliest_s)
    for start, end in _stretches(is_fast):
        placing.place_all(start, end)
        if end < is_fast.size:
            placing.earliest_s = judge(end, placing.around(end))
    return Places(placing.ended_s, placing.is_outside), placing.earliest_s


def _stretches(is_fast: Flags) -> Iterator[tuple[int, int]]:
    """Yield begin and end of the stretches between records that are not fast."""
    start = 0
    for slow in places_of(~is_fast).tolist():
        yield start, slow
        start = slow + 1
    yield start, is_fast.size


class _Placing:
    def __init__(
        self, draft: Draft, neighbours: Neighbours, earliest_s: int | None
    ) -> None:
        self.draft = draft
        self.neighbours = neighbours
        self.earliest_s = earliest_s
        self.ended_s: Numbers = draft.own_end_s.copy()
        self.is_outside: Flags = np.zeros(self.ended_s.size, bool)

    def place_all(self, start: int, end: int) -> None:
        """Place the records from *start* to *end*."""
        stride = _FIRST_STRIDE
        while start < end:
            until = min(start + stride, end)
            placed = self._place_usual(start, until)
            start += placed
            if start < until:
                self._place_one(start)
                start += 1
                stride = _FIRST_STRIDE
            else:
                stride = min(2 * stride, _STRIDE_LIMIT)

    def _place_usual(self, start: int, end: int) -> int:
        """Return how many records from *start* on ended when their ads say."""
        chosen = slice(start, end)
        draft = self.draft
        own_end_s = draft.own_end_s[chosen]
        reliable_s = np.where(draft.prompt_end_s[chosen] != 0, own_end_s, _NONE)
        before = _NONE if self.earliest_s is None else self.earliest_s
        earliest_s = np.maximum.accumulate(np.concatenate([[before], reliable_s]))
        is_usual = self._is_usual(chosen, own_end_s, earliest_s[:-1])
        broken = places_of(~is_usual)
        count = int(broken[0]) if broken.size else own_end_s.size
        last = int(earliest_s[count])
        self.earliest_s = None if last == _NONE else last
        return count

    def _is_usual(
        self, chosen: slice, own_end_s: Numbers, earliest_s: Numbers
    ) -> Flags:
        """Whether each own end can be believed; see ``Surroundings.window``."""
        written_s = self.neighbours.written_s[chosen]
        likely_s = np.maximum(earliest_s, self.draft.begun_s[chosen]) + QUIET_LIMIT_S
        high_s = np.where(written_s != 0, written_s + NEIGHBOUR_SLACK_S, likely_s)
        low_s = np.where(written_s != 0, written_s, earliest_s) - NEIGHBOUR_SLACK_S
        is_free = (written_s == 0) & (earliest_s == _NONE)
        high_s[is_free] = LAST_SECOND
        low_s[is_free | self.draft.may_linger[chosen]] = 0
        is_usual = (low_s <= own_end_s) & (own_end_s <= high_s)
        is_usual &= own_end_s >= self.draft.checks.last_started_s[chosen]
        latest_s = self.neighbours.latest_s[chosen] + NEIGHBOUR_SLACK_S
        return is_usual & (own_end_s <= latest_s)

    def around(self, record: int) -> Surroundings:
        """Return what the file says of when *record* was written."""
        return Surroundings(
            earliest_s=self.earliest_s,
            latest_s=int(self.neighbours.latest_s[record]),
            written_s=int(self.neighbours.written_s[record]) or None,
        )

    def _place_one(self, record: int) -> None:
        """Place one record as the reference does."""
        draft, around = self.draft, self.around(record)
        own_end_s = int(draft.own_end_s[record])
        candidates = (
            own_end_s,
            int(draft.checks.entered_s[record]),
            int(draft.checks.completed_s[record]),
            int(draft.last_run_end_s[record]),
        )
        ended_s = believable_end(
            [end for end in candidates if end],
            around.window(
                may_linger=bool(draft.may_linger[record]),
                begun_s=int(draft.begun_s[record]),
            ),
            int(draft.checks.last_started_s[record]),
        )
        is_outside = ended_s != own_end_s or around.is_too_late(ended_s)
        self.ended_s[record], self.is_outside[record] = ended_s, is_outside
        if draft.prompt_end_s[record] and not is_outside:
            self.earliest_s = max(self.earliest_s or 0, ended_s)
