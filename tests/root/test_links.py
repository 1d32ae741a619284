"""Namespaces, links and remembered flows: made, kept, and gone without a rest."""

import os
import socket
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path

import pytest

from collectors.addressing import ipv4_pair, ipv6_pair
from collectors.errors import LinkError
from collectors.job_link import JobLink
from collectors.links import conntrack
from collectors.links.conntrack import forget_flows, headroom, list_flows
from collectors.links.namespaces import (
    create_namespace,
    delete_namespace,
    enter_namespace,
    in_namespace,
    is_pinned,
    list_namespaces,
    namespace_path,
    same_namespace,
)
from collectors.links.veth import (
    bring_down,
    bring_up,
    create_link,
    delete_link,
    list_links,
)
from tests.root import traffic
from tests.root.hosts import Host
from tests.root.world import (
    CAMPUS_V4,
    CAMPUS_V6,
    JOB_BLOCK_V4,
    JOB_BLOCK_V6,
    WAN_V4,
    WAN_V6,
    Job,
    World,
)

ATTACH_ID = "0123456789"


@pytest.fixture
def node() -> Iterator[Host]:
    with Host("node") as node:
        yield node


def link(attach_id: str = ATTACH_ID, slot: int = 0) -> JobLink:
    return JobLink(
        attach_id, slot, ipv4_pair(slot, JOB_BLOCK_V4), ipv6_pair(slot, JOB_BLOCK_V6)
    )


def test_a_namespace_is_made_once_and_deleted_as_often_as_one_likes(
    node: Host, tmp_path: Path
) -> None:
    path = node.run(create_namespace, tmp_path, ATTACH_ID)
    inode = node.run(path.stat).st_ino
    assert node.run(create_namespace, tmp_path, ATTACH_ID) == path
    assert node.run(path.stat).st_ino == inode
    assert list_namespaces(tmp_path) == [ATTACH_ID]
    for _ in range(2):
        node.run(delete_namespace, tmp_path, ATTACH_ID)
    assert list_namespaces(tmp_path) == []
    assert not path.exists()


def test_a_file_that_a_kill_left_half_made_becomes_a_namespace(
    node: Host, tmp_path: Path
) -> None:
    path = namespace_path(tmp_path, ATTACH_ID)
    path.parent.mkdir()
    path.touch()
    assert not node.run(is_pinned, path)
    assert list_namespaces(tmp_path) == [ATTACH_ID]
    with pytest.raises(LinkError):
        node.run(in_namespace, path, os.getpid)
    node.run(create_namespace, tmp_path, ATTACH_ID)
    assert node.run(is_pinned, path)
    node.run(delete_namespace, tmp_path, ATTACH_ID)


def test_a_link_in_place_of_the_file_is_not_followed(
    node: Host, tmp_path: Path
) -> None:
    path = namespace_path(tmp_path, ATTACH_ID)
    path.parent.mkdir()
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(LinkError):
        node.run(create_namespace, tmp_path, ATTACH_ID)
    assert not (tmp_path / "elsewhere").exists()


def test_a_thread_enters_and_the_others_stay(node: Host, tmp_path: Path) -> None:
    path = node.run(create_namespace, tmp_path, ATTACH_ID)
    here = Path("/proc/thread-self/ns/net")

    def is_inside() -> bool:
        return same_namespace(path, here)

    def enter_and_look() -> bool:
        enter_namespace(path)
        return is_inside()

    assert node.run(in_namespace, path, is_inside)
    assert not node.run(is_inside)
    assert node.run(in_namespace, path, enter_and_look)
    assert not node.run(same_namespace, path, tmp_path / "gone")
    node.run(delete_namespace, tmp_path, ATTACH_ID)


def test_an_error_inside_a_namespace_is_raised_outside(
    node: Host, tmp_path: Path
) -> None:
    path = node.run(create_namespace, tmp_path, ATTACH_ID)
    with pytest.raises(FileNotFoundError):
        node.run(in_namespace, path, (tmp_path / "absent").read_text)
    node.run(delete_namespace, tmp_path, ATTACH_ID)


def test_a_link_is_made_anew_over_a_rest_and_deleted_without_one(
    node: Host, tmp_path: Path
) -> None:
    path = node.run(create_namespace, tmp_path, ATTACH_ID)
    for _ in range(2):
        node.run(create_link, link(), path, 1400)
        assert node.run(list_links) == [link().device]
    state = node.command(["ip", "link", "show", link().device]).stdout
    assert "state DOWN" in state
    assert "mtu 1400" in state
    node.run(bring_up, link().device)
    for _ in range(2):
        node.run(bring_down, link().device)
    for _ in range(2):
        node.run(delete_link, link().device)
    assert node.run(list_links) == []
    node.run(bring_down, link().device)
    with pytest.raises(LinkError, match="no device"):
        node.run(bring_up, link().device)
    node.run(delete_namespace, tmp_path, ATTACH_ID)


def test_a_link_that_cannot_be_made_leaves_nothing(node: Host, tmp_path: Path) -> None:
    path = node.run(create_namespace, tmp_path, ATTACH_ID)
    with pytest.raises(LinkError, match="veth0123456789"):
        node.run(create_link, link(), path, 10)  # no device may have such an MTU
    with pytest.raises(LinkError):
        node.run(create_link, link(), tmp_path / "absent", 1500)
    occupied = link("ffffffffff", slot=0)
    node.run(create_link, link(), path, 1500)
    with pytest.raises(LinkError):
        node.run(create_link, occupied, path, 1500)  # the namespace has its eth0
    assert node.run(list_links) == [link().device]
    node.run(delete_link, link().device)
    node.run(delete_namespace, tmp_path, ATTACH_ID)


def test_devices_of_others_are_not_taken_for_links_of_jobs(node: Host) -> None:
    for name in ("vethc0ffee", "veth0123456789a", "docker0", "vethABCDEF0123"):
        node.command(["ip", "link", "add", name, "type", "veth"])
    assert node.run(list_links) == []


@pytest.mark.parametrize("by_kernel", [True, False], ids=["filtered", "one-by-one"])
def test_only_the_flows_of_ended_jobs_are_forgotten(
    world: World, monkeypatch: pytest.MonkeyPatch, *, by_kernel: bool
) -> None:
    """Old kernels cannot choose by address while they delete; they answer EINVAL."""
    servers = {
        WAN_V4: world.wan,
        WAN_V6: world.wan,
        CAMPUS_V4: world.campus,
        CAMPUS_V6: world.campus,
    }
    with world.job() as ended, world.job() as live:
        for job in (ended, live):
            for address, server in servers.items():
                traffic.exchange_datagrams(job.inside, server, address, 1, 72)
            own = job.address(4)
            traffic.exchange_datagrams(world.node, job.inside, own, 1, 72)
        before = flows_of(world, live)
        assert len(before) == 5
        if not by_kernel:
            monkeypatch.setattr(conntrack, "FILTER", 99)  # unknown to every kernel
        addresses = [ip_address(ended.address(version)) for version in (4, 6)]
        world.node.run(forget_flows, addresses)
        assert flows_of(world, ended) == []
        assert flows_of(world, live) == before
        world.node.run(forget_flows, addresses)


def flows_of(world: World, job: Job) -> list[bytes]:
    """Return the tuples of a job's flows, whoever opened them."""
    listed = [
        world.node.run(list_flows, [ip_address(job.address(version))])
        for version in (4, 6)
    ]
    return sorted(entry[conntrack.ORIGINAL] for of in listed for entry in of)


def test_headroom_is_what_all_slots_need_beside_what_is_in_use() -> None:
    limits = {conntrack.LIMIT: 262_144, conntrack.IN_USE: 1000}
    enough = headroom(130, 2000, limits.get)
    assert enough is not None
    assert enough.is_enough
    short = headroom(131, 2000, limits.get)
    assert short is not None
    assert not short.is_enough
    assert headroom(1, 2000, lambda _: None) is None


def test_a_node_with_connection_tracking_has_limits_to_read(world: World) -> None:
    found = world.node.run(headroom, 64, 2000)
    assert found is not None
    assert found.limit > 0
    assert found.needed == 64 * 2000


def test_the_job_has_its_addresses_and_no_other(world: World) -> None:
    with world.job() as job:
        own = {job.address(4), job.address(6)}
        with job.inside.socket(socket.AF_INET) as probe:
            probe.connect((WAN_V4, 9))
            assert probe.getsockname()[0] in own
        with job.inside.socket(socket.AF_INET6) as probe:
            probe.connect((WAN_V6, 9))
            assert probe.getsockname()[0] in own


def test_the_job_s_addresses_are_ready_before_its_link_is_open(world: World) -> None:
    """One that is still looked for twins would leave the first packets no source."""
    job = world.prepare()
    try:
        for host, device in ((job.inside, "eth0"), (world.node, job.device)):
            found = host.command(["ip", "-6", "address", "show", "dev", device]).stdout
            assert "scope global" in found
            assert "tentative" not in found
    finally:
        world.end(job)
