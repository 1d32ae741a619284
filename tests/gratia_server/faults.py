"""What can be made to go wrong with one request."""

import dataclasses
import enum


class Fault(enum.Enum):
    """What happens to a POST that would else be answered as the table says."""

    NONE = "nothing"
    #: 503, nothing is stored: no queue is bound, or the broker has stopped.
    UNAVAILABLE = "503"
    #: The connection breaks while the client still sends; nothing is stored.
    BREAKS_WHILE_READING = "broken pipe"
    #: Everything is stored, and the connection breaks before the reply.
    BREAKS_AFTER_STORING = "stored, no reply"
    #: No reply until the client gives up; then everything is stored all the same,
    #: as with a broker that is out of memory.
    STORES_AFTER_TIMEOUT = "stored after the timeout"
    #: Half of the bundle is stored, then the broker fails: 503.
    STORES_HALF = "half stored, 503"
    #: A proxy answers 200 with a page of its own; nothing is stored.
    PROXY_PAGE = "200 and no OK"


@dataclasses.dataclass(slots=True)
class FaultPlan:
    """The faults of the next POSTs, one each; then *always* for all that follow."""

    next: list[Fault] = dataclasses.field(default_factory=list)
    always: Fault = Fault.NONE
    #: Seconds before each reply.
    wait_s: float = 0

    def take(self) -> Fault:
        """Return the fault of the POST that comes now."""
        return self.next.pop(0) if self.next else self.always
