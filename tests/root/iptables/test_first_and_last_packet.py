"""The same tests as under nftables, with the iptables back end."""

import pytest

from tests.root.test_first_and_last_packet import *  # noqa: F403 - all of them

pytestmark = pytest.mark.needs("iptables")
