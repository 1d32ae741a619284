"""Whose line something stands on, and by which columns of the ledger that is told."""

from collections.abc import Mapping
from typing import Any

from reports.line import NO_VO, UNKNOWN
from reports.question import By

_LABELS: Mapping[By, tuple[str, ...]] = {
    "vo": (),
    "payload-user": ("payload_user", "owner"),
    "project": ("project",),
    "owner": ("owner",),
    "site": ("execute_site",),
}


def labels_of(by: By) -> tuple[str, ...]:
    """Return the columns that :func:`name_of` reads, beside ``site`` and ``vo``."""
    return _LABELS[by]


def payer_name(vo: str | None) -> str:
    """Return the VO as a statement names it."""
    return UNKNOWN if vo in (None, "", NO_VO) else str(vo)


def name_of(labels: Mapping[str, Any], by: By) -> str:
    """Return whose line the jobs with these *labels* stand on.

    By payload user the whole job goes to the payload user that its ad names, else
    to its owner; by site to the site that it ran at, where that is known, else to the
    pool's own.

    >>> name_of({"payload_user": None, "owner": "pilot"}, "payload-user")
    'pilot'
    """
    if by == "vo":
        return payer_name(labels["vo"])
    names = {
        "project": ("project",),
        "owner": ("owner",),
        "site": ("execute_site", "site"),
        "payload-user": ("payload_user", "owner"),
    }[by]
    known = (labels[name] for name in names)
    return next((str(name) for name in known if name), UNKNOWN)
