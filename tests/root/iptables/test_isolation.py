"""The same tests as under nftables, with the iptables back end."""

import pytest

from tests.root.test_isolation import *  # noqa: F403 - all of them

pytestmark = pytest.mark.needs("iptables")
