"""Behind the collector: where GRACC settles duplicates.

Its log stage names each document by a hash of the sorted JSON without what may differ
between two copies of one record (gracc-stash-raw), so two equal copies are one document
and one changed field makes a second: double accounting.
"""

import hashlib
import json
from collections.abc import Iterable

from tests.gratia_server.flatten import Json
from tests.gratia_server.replies import Delivery

#: What the hash leaves out.
LEFT_OUT = {
    *("RecordId", "CreateTime", "GlobalUsername", "LocalUserId", "VOName"),
    *("ReportableVOName", "CommonName", "SiteName", "Grid", "RawXML", "type"),
}


def documents(deliveries: Iterable[Delivery]) -> dict[str, Json]:
    """Return what is accounted for *deliveries*, by the name of each document."""
    return {document_name(delivery.json): delivery.json for delivery in deliveries}


def document_name(flat: Json) -> str:
    """Return the name of the document that the record *flat* becomes."""
    kept = {key: value for key, value in flat.items() if key not in LEFT_OUT}
    text = json.dumps(kept, sort_keys=True)
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def texts_by_record(deliveries: Iterable[Delivery]) -> dict[str, set[bytes]]:
    """Return the different bytes under which each record was delivered."""
    texts: dict[str, set[bytes]] = {}
    for delivery in deliveries:
        texts.setdefault(delivery.record_id, set()).add(delivery.raw)
    return texts
