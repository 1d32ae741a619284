"""Job ids, and the names of the chains that stand for them."""

import hashlib
import re

from collectors.rules.xtables_rule import CHAIN_NAME_LENGTH
from poolmeter.errors import UsageError

JOB_ID = re.compile(r"[A-Za-z0-9_.][A-Za-z0-9_.-]*")
#: A comment holds 255 characters; the id is one with "#id " before it.
LONGEST_JOB_ID = 200
DIGEST_LENGTH = 16


def checked_job_id(job_id: str) -> str:
    """Return *job_id* if it is one.

    It becomes the name of a chain and a word of command lines, hence the narrow choice
    of characters.

    Raises:
        UsageError: It has other characters, begins with "-", or is too long.
    """
    if JOB_ID.fullmatch(job_id) is None:
        raise UsageError(
            "JOB_ID",
            expected='letters, digits, "_", "." and "-", the first no "-"',
            found=repr(job_id[:LONGEST_JOB_ID]),
        )
    if len(job_id) > LONGEST_JOB_ID:
        raise UsageError(
            "JOB_ID",
            expected=f"at most {LONGEST_JOB_ID} characters",
            found=str(len(job_id)),
        )
    return job_id


def chain_name(job_id: str) -> str:
    """Return the name of the chain of *job_id*.

    It is the id itself, or, where that is too long, its beginning and a hash.  So is a
    name without any digit: it could be that of a target or a built-in chain.

    >>> chain_name("1234.0")
    '1234.0'
    >>> chain_name("ap1.example.org-20261005-1234.0")
    'ap1.example-e9d2a4baca3b0480'
    >>> chain_name("ACCEPT")
    'ACCEPT-22655acc6c5508dc'
    """
    if len(job_id) <= CHAIN_NAME_LENGTH and any(c.isdigit() for c in job_id):
        return job_id
    digest = hashlib.sha256(job_id.encode()).hexdigest()[:DIGEST_LENGTH]
    return f"{job_id[: CHAIN_NAME_LENGTH - DIGEST_LENGTH - 1]}-{digest}"


def id_comment(job_id: str) -> str:
    """Return the comment by which our rules in shared chains are known.

    >>> id_comment("1234.0")
    '#id 1234.0'
    """
    return f"#id {job_id}"
