"""The canary: a namespace like a job's that asks whether a job would reach the world.

Only where the node itself does better than the canary something stands between jobs
and the network (a foreign rule that drops, as a rule): then new jobs start unmeasured,
with a working network.  Where neither gets an answer the network is down for all.
"""

import dataclasses
import ipaddress
import logging
import socket
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from collectors.daemon.gate import Gate
from collectors.daemon.reachability import Answer, Target, ask
from collectors.errors import NodeError
from collectors.links.namespaces import in_namespace
from collectors.links.uplinks import DefaultRoute

GATEWAY = "gateway"
REASON = "preflight"

#: One lost packet must not close the gate.
TRIES = 2

#: Hops from a job to the node's gateway: the node, then the gateway itself.
HOPS_TO_GATEWAY = 2
#: An address that nobody has (RFC 3849): the echo dies on its way there.
NOBODY_V6 = "2001:db8::1"

_log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True, slots=True)
class Verdict:
    """What was found for one target."""

    target: Target
    canary: Answer
    node: Answer | None  # not asked where the canary had its answer

    @property
    def is_blocked(self) -> bool:
        """Whether the node reaches more than a job would."""
        return self.node is not None and self.node > self.canary


class Canary(threading.Thread):
    """Asks every *period_s*, and at once when it is told to."""

    def __init__(
        self,
        namespace: Path,
        targets: Callable[[], Sequence[Target]],
        gate: Gate,
        *,
        period_s: float,
        set_ipv6: Callable[[bool], None],
    ) -> None:
        """Take the namespace of the canary's link.

        *targets* are looked up anew each time; *set_ipv6* is told whether new jobs can
        have IPv6.
        """
        super().__init__(name="canary", daemon=True)
        self.namespace = namespace
        self.targets = targets
        self.period_s = period_s
        self.verdicts: tuple[Verdict, ...] = ()
        self._gate = gate
        self._set_ipv6 = set_ipv6
        self._now = threading.Event()

    def ask_now(self) -> None:
        """Ask without waiting for the period's end."""
        self._now.set()

    def run(self) -> None:
        """Ask again and again."""
        while True:
            self._now.wait(self.period_s)
            self._now.clear()
            self.look()

    def look(self) -> None:
        """Ask all targets once, and open or close the gate."""
        try:
            self.verdicts = self._verdicts()
        except NodeError as error:
            self._close(f"the canary's namespace cannot be used: {error}")
            return
        self._set_ipv6(_any_answer(self.verdicts, version=6))
        blocked = [v.target.name for v in self.verdicts if v.is_blocked]
        blocked_v4 = [
            v.target.name
            for v in self.verdicts
            if v.is_blocked and v.target.version == 4  # noqa: PLR2004 - IP's version
        ]
        if blocked_v4:
            names = ", ".join(blocked)
            self._close(f"the node reaches {names}, a job would not")
        elif self._gate.open(REASON):
            _log.warning("jobs are measured again: the canary gets through")

    def _verdicts(self) -> tuple[Verdict, ...]:
        verdicts = [self._verdict(target) for target in self.targets()]
        for _ in range(TRIES - 1):
            verdicts = [
                self._verdict(v.target) if v.is_blocked else v for v in verdicts
            ]
        return tuple(verdicts)

    def _verdict(self, target: Target) -> Verdict:
        answer = in_namespace(self.namespace, lambda: ask(target))
        if answer is Answer.YES:
            return Verdict(target, answer, None)
        own = dataclasses.replace(target, hops=target.hops and target.hops - 1)
        return Verdict(target, answer, ask(own))

    def _close(self, why: str) -> None:
        if self._gate.close(REASON, why):
            _log.error("new jobs are not measured: %s", why)


def _any_answer(verdicts: Iterable[Verdict], *, version: int) -> bool:
    return any(v.canary is Answer.YES for v in verdicts if v.target.version == version)


def find_targets(
    names: Iterable[str], routes: Sequence[DefaultRoute], *, with_ipv6: bool
) -> list[Target]:
    """Return what *names* (``gateway``, ``HOST:PORT``) stand for now.

    A name that cannot be resolved is no target: that it cannot is not the rules' doing.
    """
    found: list[Target] = []
    for name in names:
        found += _gateways(routes) if name == GATEWAY else _resolved(name)
    versions = (4, 6) if with_ipv6 else (4,)
    return [target for target in dict.fromkeys(found) if target.version in versions]


def _gateways(routes: Sequence[DefaultRoute]) -> Iterator[Target]:
    for route in routes:
        if route.gateway is None:
            continue
        if ipaddress.ip_address(route.gateway).is_link_local:
            name = f"gateway {route.gateway}%{route.device}"
            yield Target(name, NOBODY_V6, None, HOPS_TO_GATEWAY)
        else:
            yield Target(f"gateway {route.gateway}", route.gateway, None)


def _resolved(name: str) -> Iterator[Target]:
    host, _, port = name.rpartition(":")
    try:
        found = socket.getaddrinfo(host.strip("[]"), int(port), type=socket.SOCK_STREAM)
    except (OSError, UnicodeError, ValueError):
        return
    for *_, address in found:
        yield Target(name, str(address[0]), int(port))
