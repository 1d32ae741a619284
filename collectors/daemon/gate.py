"""Whether a new job is measured; if not, why: it then starts in the node's network."""

import dataclasses
import threading


@dataclasses.dataclass(frozen=True, slots=True)
class Refusal:
    """Why nothing new is measured now; ``reason`` is one word that the record keeps."""

    reason: str
    detail: str


class Gate:
    """Closed while anything holds it closed; threads may ask and change."""

    def __init__(self) -> None:
        """Begin open."""
        self._closed: dict[str, str] = {}
        self._lock = threading.Lock()

    def close(self, reason: str, detail: str) -> bool:
        """Measure nothing new because of *reason*; return whether that is news."""
        with self._lock:
            is_news = reason not in self._closed
            self._closed[reason] = detail
            return is_news

    def open(self, reason: str) -> bool:
        """Take *reason* back; return whether it held the gate closed."""
        with self._lock:
            return self._closed.pop(reason, None) is not None

    def refusal(self) -> Refusal | None:
        """Return why nothing new is measured, the oldest reason first."""
        with self._lock:
            return next((Refusal(*pair) for pair in self._closed.items()), None)

    def refusals(self) -> tuple[Refusal, ...]:
        """Return all reasons."""
        with self._lock:
            return tuple(Refusal(*pair) for pair in self._closed.items())
