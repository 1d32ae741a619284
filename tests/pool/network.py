"""The nets of a pool: a campus and a WAN, each behind a link of every machine in it.

Each net is a bridge in a net namespace of its own, with servers on the bridge's
address. A machine of the pool has one link into each, ``campus0`` and ``wan0``; its
default route leads to the WAN.
"""

import json
import socket
from collections.abc import Iterable
from dataclasses import dataclass

from tests.pool.errors import StartError
from tests.pool.namespaces import Namespaces

DOMAIN = "campus.example"


@dataclass(frozen=True)
class Net:
    """The plan of one net; its servers have address 1, machines 2 and up."""

    name: str
    v4: str
    v6: str
    zone: str

    def address(self, number: int) -> str:
        """Return the IPv4 address with that *number* in this net.

        >>> CAMPUS.address(2), WAN.address(2)
        ('10.10.0.2', '203.0.113.2')
        """
        return f"{self.v4}.{number}"

    def address_v6(self, number: int) -> str:
        """Return the IPv6 address with that *number* in this net.

        >>> CAMPUS.address_v6(2), WAN.address_v6(2)
        ('fd00:10:10::2', '2001:db8:113::2')
        """
        return f"{self.v6}::{number}"


CAMPUS = Net("campus", v4="10.10.0", v6="fd00:10:10", zone=DOMAIN)
WAN = Net("wan", v4="203.0.113", v6="2001:db8:113", zone="wan.example")
NETS = (CAMPUS, WAN)
SERVER_NUMBER = 1
# Of nodad: an address that is still being probed for twins cannot be bound to.
NET_SCRIPT = """\
ip netns add {name}
ip -n {name} link set lo up
ip -n {name} link add bridge type bridge
ip -n {name} address add {v4}/24 dev bridge
ip -n {name} address add {v6}/64 dev bridge nodad
ip -n {name} link set bridge up
"""
LINK_SCRIPT = """\
ip {inside} link add {net}0 type veth peer name {machine} netns {net}
ip -n {net} link set {machine} master bridge up
ip {inside} address add {v4}/24 dev {net}0
ip {inside} address add {v6}/64 dev {net}0 nodad
ip {inside} link set {net}0 up
"""
ROUTE_SCRIPT = """\
ip {inside} route add default via {v4}
ip {inside} -6 route add default via {v6}
"""


def nets_script() -> str:
    """Return the shell script that makes both nets."""
    parts = [
        NET_SCRIPT.format(
            name=net.name,
            v4=net.address(SERVER_NUMBER),
            v6=net.address_v6(SERVER_NUMBER),
        )
        for net in NETS
    ]
    return "".join(["set -e\nip link set lo up\n", *parts])


def machine_script(machine: str, number: int, netns: str) -> str:
    """Return the shell script that links a *machine* to both nets.

    *netns* is empty for the machine that lives in the pool's own net namespace.
    """
    make = f"ip netns add {netns}\nip -n {netns} link set lo up\n" if netns else ""
    inside = f"-n {netns}" if netns else ""
    links = [
        LINK_SCRIPT.format(
            inside=inside,
            net=net.name,
            machine=machine,
            v4=net.address(number),
            v6=net.address_v6(number),
        )
        for net in NETS
    ]
    route = ROUTE_SCRIPT.format(
        inside=inside, v4=WAN.address(SERVER_NUMBER), v6=WAN.address_v6(SERVER_NUMBER)
    )
    return "".join(["set -e\n", make, *links, route])


def hosts_file(machines: Iterable[tuple[str, int]]) -> str:
    """Return /etc/hosts for *machines* and their numbers."""
    lines = ["127.0.0.1 localhost", "::1 localhost"]
    for name, number in machines:
        lines.append(f"{CAMPUS.address(number)} {name}.{DOMAIN} {name}")
    return "\n".join(lines) + "\n"


class Servers:
    """The servers of one *net* and what they have counted."""

    def __init__(self, spaces: Namespaces, net: Net) -> None:
        self._spaces = spaces
        self.net = net
        self.address = net.address(SERVER_NUMBER)
        self.address_v6 = net.address_v6(SERVER_NUMBER)

    def start_command(self) -> str:
        """Return the shell line that starts them and returns when they answer."""
        zones = " ".join(
            f"{net.zone}={net.address(SERVER_NUMBER)},{net.address_v6(SERVER_NUMBER)}"
            for net in NETS
        )
        name = self.net.name
        return (
            f"setsid --fork nsenter --net=/run/netns/{name} python3 /pool/.code/"
            f"servers.py {name} {self.address} {self.address_v6} {zones} "
            f"</dev/null >/pool/.net/{name}.log 2>&1\n"
        )

    def counts(self) -> dict[str, int]:
        """Return what was counted, by name; a name that is absent counted nothing.

        The names are those of ``inside/servers.py``, e.g. ``http_octets_received``.
        """
        path = self._spaces.outside(f"/pool/.net/{self.net.name}")
        with socket.socket(socket.AF_UNIX) as sock:
            sock.connect(str(path))
            with sock.makefile() as answer:
                counts: dict[str, int] = json.load(answer)
        return counts

    def wire(self) -> dict[str, int]:
        """Return the kernel's counts of the net's servers' own interface.

        ``rx_octets`` came from the pool, with Ethernet headers; also ``rx_packets``
        and the same for ``tx``.
        """
        show = ["ip", "-json", "-statistics", "link", "show", "bridge"]
        done = self._spaces.run(show, net=self.net.name)
        if done.returncode:
            raise StartError(f"no counts of {self.net.name}: {done.stderr}")
        stats = json.loads(done.stdout)[0]["stats64"]
        return {
            f"{way}_{ours}": stats[way][theirs]
            for way in ("rx", "tx")
            for ours, theirs in (("octets", "bytes"), ("packets", "packets"))
        }
