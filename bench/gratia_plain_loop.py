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


def usage_record(ad: "classad2.ClassAd") -> str:
    """Return the usage record of *ad*, with the elements of Gratia's own probe."""
    name = ad.get("GlobalJobId", "")
    host = name.partition("#")[0]
    wall = f"PT{ad.get('RemoteWallClockTime', 0)}S"
    network = {
        key: value
        for key, value in ad.items()
        if key.startswith("Network") and isinstance(value, int)
    }
    elements = [
        identity(ad, name),
        element("JobName", name),
        element("MachineName", host),
        element("SubmitHost", host),
        element("Status", ad.get("ExitStatus", 0)),
        element("WallDuration", wall),
        element("CpuDuration", f"PT{ad.get('RemoteUserCpu', 0)}S", "usageType", "user"),
        element(
            "CpuDuration", f"PT{ad.get('RemoteSysCpu', 0)}S", "usageType", "system"
        ),
        *(
            element("TimeDuration", f"PT{ad.get(key, 0)}S", "type", key)
            for key in ("CumulativeSuspensionTime", "CommittedTime")
        ),
        element("StartTime", moment(ad.get("JobStartDate", 0))),
        element("EndTime", moment(ad.get("EnteredCurrentStatus", 0))),
        element("QueueTime", moment(ad.get("QDate", 0))),
        element("Host", str(ad.get("LastRemoteHost", "")).rpartition("@")[2]),
        element("Queue", ad.get("JobUniverse", 5)),
        element("NodeCount", ad.get("MaxHosts", 1), "metric", "max"),
        element("Processors", ad.get("CpusProvisioned", 1), "metric", "max"),
        element("Network", sum(network.values()), "metric", "total"),
        *(element("Resource", n, "description", key) for key, n in network.items()),
        *(
            element("Resource", ad.get(key, ""), "description", key)
            for key in ("ExitCode", "ExitBySignal", "JobStatus")
        ),
        element("ProbeName", f"condor-ap:{host}"),
        element("SiteName", "BENCH"),
        element("Grid", "OSG"),
        element("Njobs", 1),
        element("Resource", "Batch", "description", "ResourceType"),
    ]
    return (
        f'<JobUsageRecord xmlns="{NAMESPACE}" xmlns:urwg="{NAMESPACE}">'
        f"{''.join(elements)}</JobUsageRecord>"
    )


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
        "</UserIdentity>"
    )


def element(name: str, value: object, attribute: str = "", note: str = "") -> str:
    """Return one element."""
    noted = f' urwg:{attribute}="{escape(note)}"' if attribute else ""
    return f"<{name}{noted}>{escape(str(value))}</{name}>"


def moment(unix_s: int) -> str:
    """Return a time by RFC 3339."""
    return dt.datetime.fromtimestamp(unix_s, dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


if __name__ == "__main__":
    main()
