"""Generated job ads: what jobs there are, and what their owners may write into them."""

from collections.abc import Mapping

from hypothesis import strategies as st

from tests.ads import (
    COMPLETED,
    DAY_S,
    END_S,
    HOUR_S,
    REMOVED,
    REMOVED_AGAIN,
    RESTARTED,
    Value,
)

#: Completed and removed, after one run and after three.
BASES: Mapping[str, Mapping[str, Value]] = {
    "completed": COMPLETED,
    "completed after three runs": RESTARTED,
    "removed": REMOVED,
    "removed in the third run": REMOVED_AGAIN,
}

#: Tried on 23.9.6: the owner of a held job can change these.
EDITABLE = (
    "RemoteWallClockTime",
    "CumulativeSlotTime",
    "QDate",
    "CompletionDate",
    "JobUniverse",
    "CpusProvisioned",
    "GlobalJobId",
    "EnteredCurrentStatus",
    "MemoryProvisioned",
    "LastRemoteWallClockTime",
    "NumJobStarts",
)

_ODD_VALUES: tuple[Value, ...] = (
    None,
    0,
    "0.0",
    1,
    -1,
    1.5,
    100_000,
    -(10**6),
    10**12,
    2**63,
    10**30,
    '""',
    '"text"',
    "true",
    "undefined",
    "error",
    'real("INF")',
    "RemoteWallClockTime",
    "2 * QDate",
    "time()",
    "[ a = 1 ]",
)

UNIVERSES = (1, 5, 7, 8, 9, 10, 11, 12, 13, 200)


def edits() -> st.SearchStrategy[Value]:
    """Values that an owner may give an attribute: absurd, tempting, or a bit off."""
    return st.one_of(
        st.sampled_from(_ODD_VALUES),
        st.sampled_from(UNIVERSES),
        st.integers(0, 16),
        st.integers(0, 10 * HOUR_S),
        st.integers(END_S - 400 * DAY_S, END_S + 400 * DAY_S),
        st.integers(END_S - 12 * HOUR_S, END_S + 12 * HOUR_S),
        st.integers(-(2**64), 2**64),
    )
