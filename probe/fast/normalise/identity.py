"""Who ran the jobs, and the VO by the rules; see ``probe.normalise.identity``."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from poolmeter import attributes as names
from poolmeter.config import VoRule
from probe.fast.ads import Ads
from probe.fast.arrays import Numbers
from probe.fast.columns import Column, chosen
from probe.fast.normalise.times import moments, timestamps
from probe.normalise.identity import Identity, vo_of

_TEXTS = {
    "owner": (names.OWNER,),
    "user": (names.USER,),
    "accounting_group": (names.ACCT_GROUP,),
    "accounting_group_user": (names.ACCT_GROUP_USER,),
    "project": (names.PROJECT_NAME,),
    "x509_subject": (names.X509_SUBJECT,),
    "x509_vo_name": (names.X509_VO_NAME,),
    "x509_fqan": (names.X509_FQAN,),
    "token_issuer": (names.TOKEN_ISSUER, names.ORIG_TOKEN_ISSUER),
    "token_subject": (names.TOKEN_SUBJECT, names.ORIG_TOKEN_SUBJECT),
    "token_groups": (names.TOKEN_GROUPS, names.ORIG_TOKEN_GROUPS),
    "payload_user": (names.GLEXEC_USER,),
    "payload_subject": (names.GLEXEC_SUBJECT,),
}

#: An identity of which nothing is known.
_NOBODY: dict[str, Any] = dict.fromkeys(f.name for f in dataclasses.fields(Identity))


def identity_columns(ads: Ads, rules: Sequence[VoRule]) -> dict[str, Column]:
    """Return what the ads say of their jobs' identity, and the VO of each."""
    columns = {
        column: first_text(ads, attributes) for column, attributes in _TEXTS.items()
    }
    is_tagged = pc.or_(
        pc.is_valid(columns["payload_user"]), pc.is_valid(columns["payload_subject"])
    )
    owner, none = pa.scalar("owner"), pa.scalar(None, pa.string())
    return (
        columns
        | _vo_columns(columns, rules)
        | {
            "payload_at": timestamps(moments(ads, names.GLEXEC_TIME)),
            "payload_trust": pc.if_else(is_tagged, owner, none),
        }
    )


def first_text(ads: Ads, attributes: Sequence[str]) -> Column:
    """Return the first of *attributes* that each ad has as a string."""
    texts = [ads.texts(name) for name in attributes]
    first: Column = pc.coalesce(*texts) if len(texts) > 1 else texts[0]
    return first


def _vo_columns(
    columns: dict[str, Column], rules: Sequence[VoRule]
) -> dict[str, Column]:
    """Apply the rules once to each combination of values that they look at."""
    used: list[str] = list(dict.fromkeys(rule.source for rule in rules))
    if any(rule.groups for rule in rules):
        used.append("token_groups")
    combinations, codes = _combinations([columns[name] for name in used])
    found = [
        vo_of(Identity(**(_NOBODY | _named(used, values))), rules)
        for values in combinations
    ]
    vos, sources = zip(*found, strict=True) if found else ((), ())
    return {
        "vo": chosen(pa.array(vos, pa.string()), codes),
        "vo_source": chosen(pa.array(sources, pa.string()), codes),
    }


def _named(names: Sequence[str], values: Sequence[str | None]) -> dict[str, Any]:
    return dict(zip(names, values, strict=True))


def _combinations(
    columns: Sequence[Column],
) -> tuple[list[tuple[str | None, ...]], Numbers]:
    """Return the combinations of values that occur, and the number of each row's."""
    rows = len(columns[0]) if columns else 0
    codes: Numbers = np.zeros(rows, np.int64)
    for column in columns:
        coded = column.dictionary_encode(null_encoding="encode")
        width = max(len(coded.dictionary), 1)
        more = coded.indices.to_numpy(zero_copy_only=False).astype(np.int64)
        _, codes = np.unique(codes * width + more, return_inverse=True)
    _, first = np.unique(codes, return_index=True)
    taken = [chosen(column, first).to_pylist() for column in columns]
    return list(zip(*taken, strict=True)), codes
