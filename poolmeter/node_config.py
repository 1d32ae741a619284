"""``[node]`` of the configuration: what a worker node's daemon measures, and how."""

from ipaddress import ip_network
from typing import Annotated, Literal

import msgspec

_ATTRIBUTE = r"\ANetwork(Outgoing|Incoming)[A-Z][A-Za-z0-9]{0,40}\Z"
_TARGET = r"\A(gateway|\[[0-9a-fA-F:.]+\]:[0-9]{1,5}|[A-Za-z0-9.-]{1,253}:[0-9]{1,5})\Z"
_FOLDER = r"\A/[^\0\n]*[^/\0\n]\Z"

#: The six classes have these names already.
_CLASS_ZONES = ("Internal", "External", "Local")

Folder = Annotated[str, msgspec.Meta(pattern=_FOLDER)]
Port = Annotated[int, msgspec.Meta(ge=1, le=65535)]
Percent = Annotated[int, msgspec.Meta(ge=0, le=100)]
PeriodS = Annotated[int, msgspec.Meta(ge=1, le=3600)]
Positive = Annotated[int, msgspec.Meta(ge=1)]


class SiteClassConfig(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True
):
    """``[[node.classes]]``: a site's own overlapping view of a job's traffic."""

    attribute: Annotated[str, msgspec.Meta(pattern=_ATTRIBUTE)]
    networks: tuple[str, ...]
    protocol: Literal["tcp", "udp"] | None = None
    ports: tuple[Port, ...] = ()

    def __post_init__(self) -> None:
        """Refuse what can be no view.

        Raises:
            ValueError: A network is none, ports stand without a protocol, or the name
                is that of one of the six classes.
        """
        _refuse_bad_networks(self.networks)
        if self.ports and self.protocol is None:
            raise ValueError(f"{self.attribute}: ports need a protocol, tcp or udp")
        zone = self.attribute.removeprefix("Network")
        zone = zone.removeprefix("Outgoing").removeprefix("Incoming")
        if zone in _CLASS_ZONES:
            raise ValueError(f"{self.attribute} is one of the six classes")


class NodeConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``[node]``: the worker node's daemon."""

    mode: Literal["nat", "cgroup", "bridge"] = "nat"
    rules: Literal["auto", "nftables", "iptables"] = "auto"
    internal: tuple[str, ...] = ()  # the campus, IPv4 and IPv6
    local: Literal["apart", "internal"] = "apart"
    classes: tuple[SiteClassConfig, ...] = ()
    job_block_v4: str = "100.64.0.0/19"
    job_block_v6: str = "fd70:6f6f:6c6d::/115"
    ipv6: Literal["auto", "on", "off"] = "auto"
    manage_sysctls: bool = False
    setup_script: Folder | None = None  # a site's own pair, in place of our rules
    cleanup_script: Folder | None = None
    canary_targets: tuple[Annotated[str, msgspec.Meta(pattern=_TARGET)], ...] = (
        "gateway",
    )
    canary_period_s: PeriodS = 30
    snapshot_period_s: PeriodS = 60
    start_wait_s: PeriodS = 20  # how long an attached process may take to enter
    flows_per_job: Positive = 2000  # what the headroom of conntrack is checked with
    flows_per_job_limit: Positive | None = None
    left_over_processes: Literal["leave", "kill"] = "leave"
    rollout_percent: Percent = 100
    runtime_folder: Folder = "/run/poolmeter"
    journal_folder: Folder = "/var/lib/poolmeter-node/journal"
    journal_keep_days: Positive = 90
    disabled_file: Folder = "/etc/poolmeter/disabled"
    metrics_file: Folder | None = None

    def __post_init__(self) -> None:
        """Refuse what cannot work, before anything is touched.

        Raises:
            ValueError: A network is none, or a mode does not exist yet.
        """
        if self.mode != "nat":
            raise ValueError(_why_no_mode(self.mode))
        if (self.setup_script is None) != (self.cleanup_script is None):
            raise ValueError("setup_script and cleanup_script belong together")
        _refuse_bad_networks(self.internal)
        _refuse_bad_networks((self.job_block_v4, self.job_block_v6))
        for version, block in ((4, self.job_block_v4), (6, self.job_block_v6)):
            if ip_network(block).version != version:
                raise ValueError(f"job_block_v{version}: {block!r} is not IPv{version}")


def _why_no_mode(mode: str) -> str:
    if mode == "bridge":
        return "mode `bridge` (a public address per job) is planned; use `nat`"
    return "mode `cgroup` comes with the attachment to HTCondor; use `nat`"


def _refuse_bad_networks(networks: tuple[str, ...]) -> None:
    for network in networks:
        try:
            ip_network(network)
        except ValueError as error:
            raise ValueError(f"no network: {error}") from error
