"""Descriptors that are kept for each job leave the low numbers to others."""

import os
import resource

import pytest

from collectors.daemon.processes import SELECT_LIMIT, identify, open_process


def test_a_process_is_opened_above_what_select_can_wait_for() -> None:
    """Where its own descriptor has a greater number libnftables ends the daemon."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard <= SELECT_LIMIT:
        pytest.skip(f"only {hard} open files are allowed")
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    try:
        descriptor = open_process(identify(os.getpid()))
        os.close(descriptor)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert descriptor >= SELECT_LIMIT
