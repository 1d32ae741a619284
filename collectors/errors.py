"""What can fail on a worker node; each error is one clear line."""

from poolmeter.errors import PoolmeterError


class NodeError(PoolmeterError):
    """The base of what fails on a worker node."""


class LinkError(NodeError):
    """A namespace, a link, an address or a route could not be made or removed."""


class RulesError(NodeError):
    """Netfilter refused a change or a reading."""


class JournalError(NodeError):
    """The node journal cannot be written or read."""
