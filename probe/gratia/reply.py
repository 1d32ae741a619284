"""What a server's answer means for a bundle.

Success is exactly status 200 with the body ``OK``.  A 400 is about the bundle's
content, for one bad record refuses all of it; 413 is a proxy's word for "too large".
Everything else, a page of a proxy with status 200 included, says nothing about the
bundle: it is sent again later, as the same bytes.
"""

import dataclasses
from typing import Literal

from poolmeter.errors import one_line

Judgement = Literal["accepted", "refused", "unavailable"]

_OK = 200
_REFUSALS = (400, 413)
_SHOWN_CHARS = 200


@dataclasses.dataclass(frozen=True, slots=True)
class Reply:
    """What came back; *status* is ``None`` where nothing did, and *body* says why."""

    status: int | None
    body: str

    @property
    def judgement(self) -> Judgement:
        """What becomes of the bundle.

        >>> Reply(200, "OK").judgement, Reply(200, "<html>").judgement
        ('accepted', 'unavailable')
        """
        if self.status == _OK and self.body.strip() == "OK":
            return "accepted"
        return "refused" if self.status in _REFUSALS else "unavailable"

    def __str__(self) -> str:
        """Return the answer as a person reads it, on one line."""
        said = one_line(self.body.strip())[:_SHOWN_CHARS]
        return said if self.status is None else f"HTTP {self.status}: {said}"
