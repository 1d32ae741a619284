"""What a job sent and received: exact names, whole numbers, and why there are none."""

import pytest

from poolmeter.config import Config, ProbeConfig
from poolmeter.record import NETWORK_COLUMNS
from tests.ads import Value, completed, normalised, record_of

NAMES = (
    "NetworkOutgoingInternal",
    "NetworkOutgoingExternal",
    "NetworkOutgoingLocal",
    "NetworkIncomingInternal",
    "NetworkIncomingExternal",
    "NetworkIncomingLocal",
)


def counts(**edits: Value) -> list[int | None]:
    """Return the six counts of a job, in the order of the columns."""
    record = record_of(completed(**edits))
    return [getattr(record, column) for column in NETWORK_COLUMNS]


def test_each_attribute_has_its_column() -> None:
    edits: dict[str, Value] = {name: 10**n for n, name in enumerate(NAMES)}
    assert [10**n for n in range(6)] == counts(**edits)


@pytest.mark.parametrize("name", NAMES)
def test_one_count_leaves_the_others_unknown(name: str) -> None:
    expected = [0 if name == other else None for other in NAMES]
    assert expected == counts(**{name: 0})


@pytest.mark.parametrize("value", ['"5"', -1, "1.5", "true", 2**63, "5 + 0.5"])
def test_what_is_no_count_is_left_out_with_a_warning_and_the_job_kept(
    value: Value,
) -> None:
    found = normalised(completed(NetworkOutgoingExternal=value))
    expected = (None, "missing", ["NetworkOutgoingExternal"])
    assert expected == (
        found.record.network_outgoing_external_bytes,
        found.record.network_trust,
        list(found.warnings),
    )


def test_names_that_only_share_the_prefix_are_no_counts() -> None:
    """HTCondor counts docker jobs in real megabytes."""
    found = counts(NetworkInputMb="12.5", NetworkOutputMb="3.0", NetworkOutgoing=7)
    assert found == [None] * 6


def test_the_largest_count_is_exact() -> None:
    assert counts(NetworkOutgoingInternal=2**63 - 1)[0] == 2**63 - 1


def test_further_attributes_are_kept_where_the_configuration_names_them() -> None:
    config = Config(probe=ProbeConfig(network_other=("NetworkScratch", "NetworkGone")))
    record = normalised(completed(NetworkScratch=7), config=config).record
    assert (record.network_other_bytes, record.network_trust) == (
        {"NetworkScratch": 7},
        "missing",
    )


def test_counts_without_a_signature_are_unsigned() -> None:
    record = record_of(completed(NetworkIncomingLocal=0))
    assert (record.network_trust, record.network_missing_reason) == ("unsigned", None)


@pytest.mark.parametrize(
    ("edits", "expected"),
    [
        ({}, "not_published"),
        ({"PoolmeterUnmeasured": '"no_root"'}, "no_root"),
        ({"WantDocker": "true"}, "docker"),
        ({"JobUniverse": 13}, "vm"),
        (
            {
                "RemoteWallClockTime": 0,
                "NumJobStarts": 0,
                "NumShadowStarts": None,
                "JobStartDate": None,
            },
            "not_run",
        ),
    ],
)
def test_missing_counts_have_a_reason(edits: dict[str, Value], expected: str) -> None:
    record = record_of(completed(**edits))
    assert ("missing", expected) == (
        record.network_trust,
        record.network_missing_reason,
    )
