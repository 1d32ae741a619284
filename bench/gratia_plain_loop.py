"""Usage records of a history the shortest way: parse, format, post; nothing is kept.

What one would write first, and what ``bench.gratia`` stands beside: each ad by
``classad2.parseOne``, the elements that Gratia's own probe sends by string formatting,
bundles of 100 over one connection.  It keeps no ledger and no outbox, makes nothing
durable, checks nothing, and a record that is refused is lost.

    python -m bench.gratia_plain_loop HISTORY URL
"""

import argparse
import datetime as dt
import http.client
import urllib.parse
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from xml.sax.saxutils import escape

import classad2

from probe.history_file import open_history

BUNDLE_RECORDS = 100
NAMESPACE = "http://www.gridforum.org/2003/ur-wg"


def main() -> None:
    """Post the records of a history."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("history", type=Path)
    parser.add_argument("url")
    options = parser.parse_args()
    url = urllib.parse.urlsplit(options.url)
    connection = http.client.HTTPConnection(str(url.hostname), url.port, timeout=300)
    records = records_of(options.history)
    while bundle := list(islice(records, BUNDLE_RECORDS)):
        post(connection, url.path, "".join(bundle))
    connection.close()


def post(connection: http.client.HTTPConnection, path: str, records: str) -> None:
    """Post one bundle; anything but OK ends the loop."""
    form = {
        "command": "multiupdate",
        "arg1": f"<RecordEnvelope>{records}</RecordEnvelope>",
        "from": "condor-ap:ap.bench.example",
    }
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    connection.request("POST", path, urllib.parse.urlencode(form), headers)
    reply = connection.getresponse().read()
    if reply != b"OK":
        raise SystemExit(reply.decode())


def records_of(history: Path) -> Iterator[str]:
    """Yield a usage record for each ad of *history*."""
    with open_history(history) as file:
        for record in file.records():
            yield usage_record(
                classad2.parseOne(record.ad.decode("utf-8", "backslashreplace"))
            )


#: TimeDurations, and Resources with the attribute of each, of the official probe.
DURATIONS = (
    *("RemoteUserCpu", "LocalUserCpu", "RemoteSysCpu", "LocalSysCpu"),
    *("CumulativeSuspensionTime", "CommittedSuspensionTime", "CommittedTime"),
)
RESOURCES = {
    "CondorMyType": "MyType",
    "AccountingGroup": "AccountingGroup",
    "ExitBySignal": "ExitBySignal",
    "ExitSignal": "ExitSignal",
    "ExitCode": "ExitCode",
    "condor.JobStatus": "JobStatus",
}
IN_SECONDS = 'urwg:description="Was entered in seconds"'


def usage_record(ad: "classad2.ClassAd") -> str:
    """Return the usage record of *ad*, with the elements of Gratia's own probe."""
    name = ad.get("GlobalJobId", "")
    host = name.partition("#")[0]
    wall = f"PT{ad.get('RemoteWallClockTime', 0)}S"
    user_s, system_s = ad.get("RemoteUserCpu", 0), ad.get("RemoteSysCpu", 0)
    elements = [
        identity(ad, name),
        element("JobName", name),
        element("MachineName", host),
        element("SubmitHost", host),
        noted("Status", ad.get("ExitStatus", 0), 'urwg:description="Exit Status"'),
        noted("WallDuration", wall, IN_SECONDS),
        noted("CpuDuration", f"PT{user_s}S", f'{IN_SECONDS} urwg:usageType="user"'),
        noted("CpuDuration", f"PT{system_s}S", f'{IN_SECONDS} urwg:usageType="system"'),
        *(
            noted("TimeDuration", f"PT{ad.get(key, 0)}S", f'urwg:type="{key}"')
            for key in DURATIONS
            if key in ad
        ),
        noted("StartTime", moment(ad.get("JobStartDate", 0)), IN_SECONDS),
        noted("EndTime", moment(ad.get("EnteredCurrentStatus", 0)), IN_SECONDS),
        noted("QueueTime", moment(ad.get("QDate", 0)), IN_SECONDS),
        *place(ad),
        *network(ad, wall),
        *(
            noted("Resource", ad[key], f'urwg:description="{title}"')
            for title, key in RESOURCES.items()
            if key in ad
        ),
        element("ProjectName", ad.get("ProjectName", "")),
        element("ProbeName", f"condor-ap:{host}"),
        element("SiteName", "BENCH"),
        element("Grid", "OSG"),
        element("Njobs", 1),
        noted("Resource", "Batch", 'urwg:description="ResourceType"'),
    ]
    return (
        f'<JobUsageRecord xmlns="{NAMESPACE}" xmlns:urwg="{NAMESPACE}">'
        f"{''.join(elements)}</JobUsageRecord>"
    )


def place(ad: "classad2.ClassAd") -> Iterator[str]:
    """Yield where the job ran and on how much."""
    host = str(ad.get("LastRemoteHost", "")).rpartition("@")[2]
    yield noted("Host", host, 'primary="true"')
    universe = ad.get("JobUniverse", 5)
    yield noted("Queue", universe, 'urwg:description="Condor\'s JobUniverse field"')
    yield noted("NodeCount", ad.get("MaxHosts", 1), 'urwg:metric="max"')
    yield noted("Processors", ad.get("CpusProvisioned", 1), 'urwg:metric="max"')
    yield noted("GPUs", ad.get("GPUsProvisioned", 0), 'urwg:metric="max"')


def network(ad: "classad2.ClassAd", wall: str) -> Iterator[str]:
    """Yield an element for each attribute of the network, and their sum."""
    unit = f'urwg:storageUnit="b" urwg:phaseUnit="{wall}"'
    total_bytes = 0
    for key, value in ad.items():
        if key.startswith("Network") and isinstance(value, int):
            total_bytes += value
            names = f'urwg:metric="{key}" urwg:description="{key}"'
            yield noted("Network", value, f"{unit} {names}")
    yield noted("Network", total_bytes, f'{unit} urwg:metric="total"')


def identity(ad: "classad2.ClassAd", name: str) -> str:
    """Return the elements that say whose job it was."""
    cluster, proc = ad.get("ClusterId"), ad.get("ProcId")
    created = moment(ad.get("EnteredCurrentStatus", 0))
    return (
        f'<RecordIdentity urwg:recordId="{escape(name)}" urwg:createTime="{created}"/>'
        "<JobIdentity>"
        f"{element('GlobalJobId', f'condor.{name}')}"
        f"{element('LocalJobId', f'{cluster}.{proc}')}"
        "</JobIdentity><UserIdentity>"
        f"{element('LocalUserId', ad.get('Owner', ''))}"
        f"{element('GlobalUsername', ad.get('User', ''))}"
        f"{element('VOName', ad.get('x509UserProxyFirstFQAN', ''))}"
        f"{element('ReportableVOName', ad.get('x509UserProxyVOName', ''))}"
        f"{element('DN', ad.get('x509userproxysubject', ''))}"
        "</UserIdentity>"
    )


def element(name: str, value: object) -> str:
    """Return one element."""
    return f"<{name}>{escape(str(value))}</{name}>"


def noted(name: str, value: object, attributes: str) -> str:
    """Return one element with *attributes*."""
    return f"<{name} {attributes}>{escape(str(value))}</{name}>"


def moment(unix_s: int) -> str:
    """Return a time by RFC 3339."""
    return dt.datetime.fromtimestamp(unix_s, dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


if __name__ == "__main__":
    main()
