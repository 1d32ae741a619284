"""Who ran the job: owner, group, credentials, payload, and the VO by the site's rules.

Every input of the VO rules is kept in the record, so that other rules can be applied
to old rows.  All of these but Owner, User and the credentials are the owner's own
words: they name, they prove nothing.
"""

import dataclasses
import datetime as dt
from collections.abc import Sequence
from typing import Any

from poolmeter import attributes as names
from poolmeter.config import VoRule
from probe.job_ad import JobAd
from probe.normalise.times import LAST_SECOND, timestamp

UNKNOWN_VO = "unknown"
NO_RULE = "none"


@dataclasses.dataclass(frozen=True, slots=True)
class Identity:
    """The identity columns of a record."""

    owner: str | None
    user: str | None
    accounting_group: str | None
    accounting_group_user: str | None
    project: str | None
    x509_subject: str | None
    x509_vo_name: str | None
    x509_fqan: str | None
    token_issuer: str | None
    token_subject: str | None
    token_groups: str | None
    payload_user: str | None
    payload_subject: str | None
    payload_at: dt.datetime | None

    def columns(self) -> dict[str, Any]:
        """Return the columns by name."""
        return dataclasses.asdict(self)


def identity_of(ad: JobAd) -> Identity:
    """Return what *ad* says of its job's identity; ``None`` where it says nothing.

    Behind a CE's route the submitter's token stands under ``orig_`` names.
    """
    return Identity(
        owner=ad.text(names.OWNER),
        user=ad.text(names.USER),
        accounting_group=ad.text(names.ACCT_GROUP),
        accounting_group_user=ad.text(names.ACCT_GROUP_USER),
        project=ad.text(names.PROJECT_NAME),
        x509_subject=ad.text(names.X509_SUBJECT),
        x509_vo_name=ad.text(names.X509_VO_NAME),
        x509_fqan=ad.text(names.X509_FQAN),
        token_issuer=ad.text(names.TOKEN_ISSUER) or ad.text(names.ORIG_TOKEN_ISSUER),
        token_subject=ad.text(names.TOKEN_SUBJECT) or ad.text(names.ORIG_TOKEN_SUBJECT),
        token_groups=ad.text(names.TOKEN_GROUPS) or ad.text(names.ORIG_TOKEN_GROUPS),
        payload_user=ad.text(names.GLEXEC_USER),
        payload_subject=ad.text(names.GLEXEC_SUBJECT),
        payload_at=timestamp(ad.integer(names.GLEXEC_TIME, high=LAST_SECOND)),
    )


def payload_trust(identity: Identity) -> str | None:
    """Return who vouches for the payload tags; only a node's journal says ``root``."""
    tagged = identity.payload_user is not None or identity.payload_subject is not None
    return "owner" if tagged else None


def vo_of(identity: Identity, rules: Sequence[VoRule]) -> tuple[str, str]:
    """Return the VO and the name of the rule that gave it.

    The first rule that gives a value wins; without one the VO is ``unknown`` and the
    rule ``none``.
    """
    for rule in rules:
        vo = _apply(rule, identity)
        if vo:
            return vo, rule.source
    return UNKNOWN_VO, NO_RULE


def _apply(rule: VoRule, identity: Identity) -> str | None:
    value: str | None = getattr(identity, rule.source)
    if value is None or not _in_groups(rule, identity):
        return None
    if rule.map is not None:
        return rule.map.get(value)
    if rule.source == "x509_fqan":
        return value.strip("/").split("/")[0]
    if rule.source == "accounting_group":
        return value.split(".")[0].removeprefix("group_")
    return value


def _in_groups(rule: VoRule, identity: Identity) -> bool:
    if not rule.groups:
        return True
    groups = {group.strip() for group in (identity.token_groups or "").split(",")}
    return not groups.isdisjoint(rule.groups)
