"""Exactness under the iptables back end: the same tests as under nftables."""

import pytest

from tests.root.test_exactness import *  # noqa: F403 - all of them

pytestmark = pytest.mark.needs("iptables")
