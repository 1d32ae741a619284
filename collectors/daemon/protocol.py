"""What is said over the daemon's two sockets: JSON objects, one a line.

A client of ``root.sock`` asks for an attach and is told ``queued`` at once and every
half second, then ``ready`` with the namespace to enter, or ``unmeasured``.  It enters
and says ``entered``; the daemon looks for itself and answers ``measured``, which means
that the start is durable in the journal.  ``job.sock`` takes ``flush`` and ``tag`` from
inside a job's namespace.
"""

import msgspec

from collectors.journal.entries import Job, JournalCounts, LeftOver

#: A longer line ends the conversation.
LINE_LIMIT_BYTES = 16384

#: How often a waiting client is told so; four missed ones mean that nobody is there.
ACKNOWLEDGE_S = 0.5
SILENCE_LIMIT_S = 2.0


class Request(msgspec.Struct, frozen=True, tag_field="request", omit_defaults=True):
    """What a client may ask."""


class Attach(Request, frozen=True, tag="attach"):
    """Make a namespace for *pid* (default: the client itself)."""

    job: Job = Job()
    pid: int | None = None


class Entered(Request, frozen=True, tag="entered"):
    """The process is in its namespace: look now."""


class Detach(Request, frozen=True, tag="detach"):
    """End a run (default: the one that this client attached); say what was counted."""

    attach_id: str | None = None


class Flush(Request, frozen=True, tag="flush"):
    """Read this job's counters now."""


class Tag(Request, frozen=True, tag="tag"):
    """Journal a name and a value with this job's run."""

    name: str
    value: str
    attach_id: str | None = None


class Status(Request, frozen=True, tag="status"):
    """Say how the node is."""


class Collect(Request, frozen=True, tag="collect"):
    """Look for what ended or crashed attaches left, and remove it."""


class Drain(Request, frozen=True, tag="drain"):
    """Measure nothing new; with the last job remove everything and end."""


RootRequest = Attach | Entered | Detach | Tag | Status | Collect | Drain
JobRequest = Flush | Tag


class Reply(msgspec.Struct, frozen=True, tag_field="reply", omit_defaults=True):
    """What the daemon answers."""


class Queued(Reply, frozen=True, tag="queued"):
    """The daemon is alive and the request waits behind *ahead* others."""

    ahead: int


class Ready(Reply, frozen=True, tag="ready"):
    """The namespace is there: enter it before *start_wait_s* are over."""

    attach_id: str
    namespace: str
    ipv4: str
    ipv6: str | None
    start_wait_s: int


class Measured(Reply, frozen=True, tag="measured"):
    """The process is in its namespace, counted, and journaled."""

    attach_id: str


class NotMeasured(Reply, frozen=True, tag="unmeasured"):
    """The job is to run in the node's own network, uncounted, for this reason."""

    reason: str
    detail: str | None = None


class Counted(Reply, frozen=True, tag="counted"):
    """A run's counts: so far, or its last ones."""

    attach_id: str
    counts: JournalCounts
    final: bool = False
    partial: bool = False
    journaled: bool = True
    spoofed: tuple[int, int] = (0, 0)
    left_over: tuple[LeftOver, ...] = ()


class Done(Reply, frozen=True, tag="done"):
    """It was done; *lines* say what."""

    lines: tuple[str, ...] = ()


class Facts(Reply, frozen=True, tag="facts"):
    """The answer to ``status``."""

    status: dict[str, object]


class Refused(Reply, frozen=True, tag="refused"):
    """It was not done, and why."""

    why: str


AnyReply = Queued | Ready | Measured | NotMeasured | Counted | Done | Facts | Refused

_encoder = msgspec.json.Encoder()
_root_decoder = msgspec.json.Decoder(RootRequest)
_job_decoder = msgspec.json.Decoder(JobRequest)
_reply_decoder = msgspec.json.Decoder(AnyReply)


def encode(message: Request | Reply) -> bytes:
    """Return *message* as one line with its end."""
    return _encoder.encode(message) + b"\n"


def decode_root_request(line: bytes) -> RootRequest:
    """Return the request on ``root.sock`` that *line* holds.

    Raises:
        msgspec.MsgspecError: It is none.
    """
    message: RootRequest = _root_decoder.decode(line)
    return message


def decode_job_request(line: bytes) -> JobRequest:
    """Return the request on ``job.sock`` that *line* holds.

    Raises:
        msgspec.MsgspecError: It is none.
    """
    message: JobRequest = _job_decoder.decode(line)
    return message


def decode_reply(line: bytes) -> AnyReply:
    """Return the daemon's answer that *line* holds.

    Raises:
        msgspec.MsgspecError: It is none.
    """
    message: AnyReply = _reply_decoder.decode(line)
    return message
