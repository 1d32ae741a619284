"""What the collector makes of a record: one flat JSON object.

Values of elements stay text; times are read strictly, durations leniently.  What is
repeated overwrites, but an attribute of an earlier one survives.
"""

from collections.abc import Iterator

from tests.gratia_server.durations import stored_seconds
from tests.gratia_server.envelope import Element
from tests.gratia_server.times import stored_time

Json = dict[str, str | int | float]

JOB_RECORDS = ("JobUsageRecord", "UsageRecord")
STORAGE_RECORDS = ("StorageElement", "StorageElementRecord")

_TIMES = ("StartTime", "EndTime", "QueueTime")
_USER = (
    *("GlobalUsername", "LocalUserId", "VOName", "ReportableVOName"),
    *("CommonName", "DN"),
)
_RESOURCES = ("Resource", "ConsumableResource", "PhaseResource", "VolumeResource")
_SPACES = ("TotalSpace", "FreeSpace", "UsedSpace", "FileCount", "FileCountLimit")
_FIELD_ATTRIBUTES = (
    *("description", "unit", "phaseUnit", "storageUnit", "formula", "metric"),
)
_RESOURCE_ATTRIBUTES = ("unit", "phaseUnit", "storageUnit")
_HANDLED = {
    *("RecordIdentity", "JobIdentity", "UserIdentity", "WallDuration", "CpuDuration"),
    *("TimeDuration", "TimeInstant", "Origin", *_TIMES, *_RESOURCES),
}


def is_known(item: Element) -> bool:
    """Whether *item* is a record of a kind that the collector stores."""
    return item.name in JOB_RECORDS or item.name in STORAGE_RECORDS


def flatten(item: Element) -> Json:
    """Return the JSON of the record *item*, without ``RawXML``.

    Raises:
        TimeRefusedError: A time is not RFC 3339; that refuses the whole bundle.
        ValueError: A count of a storage record is no count; so does that.
    """
    parts = _job_parts if item.name in JOB_RECORDS else _storage_parts
    flat: Json = {}
    for part in parts(item):
        flat.update(part)
    return _with_resource_type(flat) if item.name in JOB_RECORDS else flat


def _job_parts(item: Element) -> Iterator[Json]:
    yield {"type": "JobUsageRecord"}
    yield from _identity(item)
    for name in _TIMES:
        for element in item.all(name):
            yield {name: stored_time(element.text)}
    yield _cpu(item)
    yield _wall(item)
    if item.all("Resource"):
        for name in _RESOURCES:
            for element in item.all(name):
                yield _resource(element)
    for element in item.all("TimeDuration"):
        yield _timed(element, stored_number(element.text))
    for element in item.all("TimeInstant"):
        yield _timed(element, stored_time(element.text))
    for element in item.children:
        if element.name not in _HANDLED:
            yield _field(element)
    yield _origin(item)


def _identity(item: Element) -> Iterator[Json]:
    for record in item.all("RecordIdentity"):
        if record.attributes.get("recordId"):
            yield {"RecordId": record.attributes["recordId"]}
        if "createTime" in record.attributes:
            yield {"CreateTime": stored_time(record.attributes["createTime"])}
    for job in item.all("JobIdentity"):
        yield _texts(job, ("GlobalJobId", "LocalJobId"))
        yield _process_ids(job)
    for user in item.all("UserIdentity"):
        yield _texts(user, _USER)


def _texts(element: Element, names: tuple[str, ...]) -> Json:
    found = {name: element.last(name) for name in names}
    return {name: child.text for name, child in found.items() if child and child.text}


def _process_ids(job: Element) -> Json:
    texts = [child.text for child in job.all("ProcessId")]
    if len(texts) == 1:
        return {"ProcessId": texts[0]}
    return {f"ProcessId{number}": text for number, text in enumerate(texts)}


def _cpu(item: Element) -> Json:
    flat: Json = {}
    total = 0.0
    for element in item.all("CpuDuration"):
        seconds = stored_seconds(element.text)
        usage = element.attributes.get("usageType", "")
        total += max(seconds, 0)
        if usage:
            flat[f"CpuDuration_{usage}"] = plain(seconds)
        if element.attributes.get("description"):
            flat[f"CpuDuration_{usage}_description"] = element.attributes["description"]
    return {**flat, "CpuDuration": plain(total)}


def _wall(item: Element) -> Json:
    flat: Json = {"WallDuration": 0}
    for element in item.all("WallDuration"):
        flat["WallDuration"] = stored_number(element.text)
        if element.attributes.get("description"):
            flat["WallDuration_description"] = element.attributes["description"]
    return flat


def _resource(element: Element) -> Json:
    name = f"Resource_{_key(element.attributes.get('description', ''))}"
    return {name: element.text, **_attributes(name, element, _RESOURCE_ATTRIBUTES)}


def _timed(element: Element, value: str | float) -> Json:
    name = f"{element.name}_{_key(element.attributes.get('type', ''))}"
    return {name: value, **_attributes(name, element, ("description",))}


def _field(element: Element) -> Json:
    value: Json = {element.name: element.text} if element.text else {}
    return {**value, **_attributes(element.name, element, _FIELD_ATTRIBUTES)}


def _attributes(name: str, element: Element, known: tuple[str, ...]) -> Json:
    flat: Json = {}
    for attribute in known:
        text = element.attributes.get(attribute)
        if text:
            is_duration = attribute == "phaseUnit"
            flat[f"{name}_{attribute}"] = stored_number(text) if is_duration else text
    return flat


def _key(text: str) -> str:
    """Return *text* as part of a key: dots and blanks become hyphens."""
    return text.replace(".", "-").replace(" ", "-") or "unknown"


def _with_resource_type(flat: Json) -> Json:
    kind = flat.pop("Resource_ResourceType", "")
    flat["ResourceType"] = {"": "Batch", "BatchPilot": "Payload"}.get(str(kind), kind)
    return flat


def _storage_parts(item: Element) -> Iterator[Json]:
    yield {"type": item.name, "UniqueID": ""}
    counts = _SPACES if item.name == "StorageElementRecord" else ()
    for element in item.children:
        if element.name == "UniqueID":
            yield {"UniqueID": element.text}
        elif element.name == "Timestamp":
            yield {"Timestamp": stored_time(element.text)}
        elif element.name in counts:
            count = int(element.text.strip() or "0")
            yield {element.name: count} if count else {}
        elif element.name != "Origin":
            yield _field(element)
    yield _origin(item)


def _origin(item: Element) -> Json:
    flat: Json = {}
    for origin in item.all("Origin"):
        if int(origin.attributes.get("hop", "0")) > 0:
            flat["Origin_hop"] = int(origin.attributes["hop"])
        for date in origin.all("ServerDate"):
            flat["OriginServerDate"] = stored_time(date.text)
        for connection in origin.all("Connection"):
            for child in connection.children:
                if child.name in ("SenderHost", "Sender", "Collector") and child.text:
                    flat[f"Origin{child.name}"] = child.text
    return flat


def stored_number(text: str) -> int | float:
    """Return the seconds that are stored for the duration *text*."""
    return plain(stored_seconds(text))


def plain(number: float) -> int | float:
    """Return *number* as JSON shows it: whole ones without a point."""
    return int(number) if number.is_integer() else number
