"""The stand-in makes of each known record the JSON that GRACC's collector makes.

The invented records of ``tests/data/gratia`` always run.  The collector's own test
records are not ours to copy: they are read where ``POOLMETER_SHARED_DATA`` names a
folder that holds them as ``usage-records/gracc/NAME.xml`` and ``NAME.json``.
"""

import http.client
import json
import os
import re
import urllib.parse
from pathlib import Path

import pytest

from tests.gratia_server.envelope import parse
from tests.gratia_server.flatten import Json, flatten
from tests.gratia_server.form import URLENCODED
from tests.gratia_server.replies import RMI_PATH
from tests.gratia_server.server import running

OWN = Path(__file__).parents[1] / "data" / "gratia"
FOLDER_VARIABLE = "POOLMETER_SHARED_DATA"

#: Keys of a twin that the stand-in does not make, and why that is right.
DIFFERENCES = {
    ("JobUsageRecord03", "Memory_type"): "the collector reads no attribute `type` of a "
    "field; its own test compares only the keys that it makes",
    ("JobUsageRecord03", "Host_primary"): "the collector reads no attribute `primary`: "
    "the twin of JobUsageRecord05, whose host has it, too, does not have the key",
}


def shared_records() -> Path | None:
    """Return the folder of the collector's own records, if one is named."""
    named = os.environ.get(FOLDER_VARIABLE)
    return Path(named) / "usage-records" / "gracc" if named else None


def twins(folder: Path | None) -> list[Path]:
    """Return the XML files of *folder* that have a twin."""
    found = sorted(folder.glob("*.xml")) if folder else []
    return [path for path in found if path.with_suffix(".json").exists()]


def differences(xml: Path) -> dict[str, tuple[object, object]]:
    """Return by key what the stand-in makes of *xml*, and what its twin has."""
    made = flatten(parse(xml.read_bytes()))
    twin: Json = json.loads(xml.with_suffix(".json").read_text("utf-8"))
    return {
        key: (made.get(key), twin.get(key))
        for key in sorted(made.keys() | twin.keys())
        if made.get(key) != twin.get(key)
    }


@pytest.mark.parametrize("xml", twins(OWN), ids=lambda path: path.stem)
def test_an_invented_record_becomes_its_twin(xml: Path) -> None:
    assert differences(xml) == {}


def test_the_collectors_own_records_become_their_twins() -> None:
    found = twins(shared_records())
    if not found:
        pytest.skip(f"{FOLDER_VARIABLE} names no folder with usage-records/gracc")

    unexplained = {
        (xml.stem, key): values
        for xml in found
        for key, values in differences(xml).items()
        if (xml.stem, key) not in DIFFERENCES
    }
    assert unexplained == {}


def test_every_listed_difference_is_there() -> None:
    found = twins(shared_records())
    if not found:
        pytest.skip(f"{FOLDER_VARIABLE} names no folder with usage-records/gracc")

    seen = {(xml.stem, key) for xml in found for key in differences(xml)}
    assert seen >= DIFFERENCES.keys()


def test_the_invented_records_are_accepted_as_a_bundle() -> None:
    items = (re.sub(rb"^<\?xml.*\?>", b"", xml.read_bytes()) for xml in twins(OWN))
    bundle = b"<RecordEnvelope>" + b"".join(items) + b"</RecordEnvelope>"

    assert delivered(bundle) == [xml_kind(xml) for xml in twins(OWN)]


def xml_kind(xml: Path) -> str:
    """Return the type that the twin of *xml* names."""
    return str(json.loads(xml.with_suffix(".json").read_text("utf-8"))["type"])


def test_the_collectors_own_bundle_is_accepted() -> None:
    folder = shared_records()
    bundle = folder / "test_bundle.xml" if folder else None
    if bundle is None or not bundle.exists():
        pytest.skip(f"{FOLDER_VARIABLE} names no folder with usage-records/gracc")

    ends = re.findall(
        rb"</(JobUsageRecord|UsageRecord|StorageElement|StorageElementRecord)>",
        bundle.read_bytes(),
    )
    kinds = delivered(bundle.read_bytes())
    assert len(kinds) == len(ends) > 0
    assert set(kinds) == {"JobUsageRecord", "StorageElement", "StorageElementRecord"}


def delivered(bundle: bytes) -> list[str]:
    """Post *bundle*; return the types of the records that went downstream."""
    form = {"command": "multiupdate", "arg1": bundle, "from": "probe:ap1.example.org"}
    with running() as server:
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
        body = urllib.parse.urlencode(form)
        connection.request("POST", RMI_PATH, body, {"Content-Type": URLENCODED})
        reply = connection.getresponse()
        assert (reply.status, reply.read()) == (200, b"OK")
        connection.close()
        return [str(delivery.json["type"]) for delivery in server.collector.deliveries]
