"""The serial queue: everything that touches links and rules, one thing at a time."""

import enum
import threading
from collections import deque
from collections.abc import Callable

Task = Callable[[], None]

#: After so many set-ups in a row one tear-down goes first, so that slots come back.
SETUPS_IN_A_ROW = 8


class Turn(enum.IntEnum):
    """What goes first; within one turn the order is that of arrival."""

    RESTORE = 0
    CONFIRM = 1  # cheap, and a process waits for it
    SETUP = 2
    TEARDOWN = 3
    FLUSH = 4
    UPKEEP = 5


class WorkQueue:
    """Tasks of many threads for one; the one calls :meth:`next_task`."""

    def __init__(self) -> None:
        self._tasks: tuple[deque[Task], ...] = tuple(deque() for _ in Turn)
        self._changed = threading.Condition()
        self._setups_in_a_row = 0

    def put(self, turn: Turn, task: Task) -> int:
        """Add *task*; return how many tasks go before it now."""
        with self._changed:
            ahead = sum(len(self._tasks[before]) for before in Turn if before <= turn)
            self._tasks[turn].append(task)
            self._changed.notify()
            return ahead

    def next_task(self, timeout_s: float) -> Task | None:
        """Return the task whose turn it is, or ``None`` when there was none in time."""
        with self._changed:
            if not self._changed.wait_for(self._any, max(timeout_s, 0)):
                return None
            turn = self._next_turn()
            self._count(turn)
            return self._tasks[turn].popleft()

    def waiting(self, turn: Turn) -> int:
        """Return how many tasks of *turn* wait."""
        return len(self._tasks[turn])

    def _any(self) -> bool:
        return any(self._tasks)

    def _next_turn(self) -> Turn:
        first = next(turn for turn in Turn if self._tasks[turn])
        if (
            first is Turn.SETUP
            and self._setups_in_a_row >= SETUPS_IN_A_ROW
            and self._tasks[Turn.TEARDOWN]
        ):
            return Turn.TEARDOWN
        return first

    def _count(self, turn: Turn) -> None:
        if turn is Turn.SETUP:
            self._setups_in_a_row += 1
        elif turn is Turn.TEARDOWN:
            self._setups_in_a_row = 0
