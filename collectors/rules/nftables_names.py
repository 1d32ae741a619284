"""Names of what belongs to us in nftables; all derive from the attach id."""

import re

from collectors.traffic import Direction

FAMILY = "inet"
TABLE = "poolmeter"
#: Where a table's object stands, in the words of ``nft(8)``.
PLACE = f"{FAMILY} {TABLE}"

FROM_JOB, TO_JOB, JOB_DEVICES = "from_job", "to_job", "job_devices"
LOCAL_V4, LOCAL_V6 = "local_v4", "local_v6"
#: Local and internal together: what is in neither is external after one look-up.
NEAR_V4, NEAR_V6 = "near_v4", "near_v6"
LINK_SOURCES_V6 = "link_sources_v6"
OWN_KINDS = "own_kinds"
FLOWS = "flows"
SPOOFED = "spoofed"

ATTACH_ID = re.compile(r"[0-9a-f]{10}")
JOB_CHAIN = re.compile(r"(?:sent|received)_([0-9a-f]{10})")
JOB_COUNTER = re.compile(r"job_([0-9a-f]{10})_(\w+)")


def sent_chain(attach_id: str) -> str:
    """Return the chain that the job's packets run through.

    >>> sent_chain("0123456789")
    'sent_0123456789'
    """
    return f"sent_{attach_id}"


def received_chain(attach_id: str) -> str:
    """Return the chain of packets to the job."""
    return f"received_{attach_id}"


def job_counter(attach_id: str, what: str) -> str:
    """Return the name of a job's counter of *what*: an attribute, or ``spoofed``.

    >>> job_counter("0123456789", SPOOFED)
    'job_0123456789_spoofed'
    """
    return f"job_{attach_id}_{what}"


def total_counter(direction: Direction) -> str:
    """Return the name of the counter of all jobs' packets in that *direction*.

    >>> total_counter(Direction.OUTGOING)
    'total_outgoing'
    """
    return f"total_{direction}"


def site_set(attribute: str, version: int) -> str:
    """Return the name of the set of a site class's networks of IP *version*.

    >>> site_set("NetworkOutgoingStorage", 4)
    'site_NetworkOutgoingStorage_v4'
    """
    return f"site_{attribute}_v{version}"
