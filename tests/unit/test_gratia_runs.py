"""Records run by run add up to the job's one, or the job is reported as a whole."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from probe.run import run_probe
from tests.ads import END_S, HOUR_S, NOW, SCHEDD, Value, banner, restarted
from tests.gratia_server.server import GratiaServer, running
from tests.runs import exited, run_record
from tests.unit.gratia_site import GratiaSite, make_site

POOL = Path(__file__).parents[1] / "data" / "pool-23.9.6"
START_S = END_S - 8 * HOUR_S
#: Start and length in hours of the three runs of ``tests.ads.RESTARTED``.
RUNS = ((0, 1), (2, 3), (6, 2))
#: CPU seconds as the ads of the runs say them; the job's sum is 76,000.
CPU_S = (3000, 40_000, 25_000)
SENT_BYTES = (100, None, 700)  # in all, at the end of each run


@pytest.fixture
def server() -> Iterator[GratiaServer]:
    with running() as started:
        yield started


@pytest.fixture
def site(tmp_path: Path, server: GratiaServer) -> GratiaSite:
    return make_site(tmp_path, server, per_run=True)


def epochs(*, runs: tuple[int, ...] = (0, 1, 2), **edits: Value) -> str:
    """Return the records of the job's runs."""
    return "".join(_epoch(number, edits) for number in runs)


def _epoch(number: int, edits: dict[str, Value]) -> str:
    start_h, hours = RUNS[number]
    start_s = START_S + start_h * HOUR_S
    end_s = start_s + hours * HOUR_S
    ending = exited(end_s) if number == len(RUNS) - 1 else {}
    own: dict[str, Value] = {
        "RemoteUserCpu": f"{CPU_S[number]}.0",
        "RemoteSysCpu": f"{100 * number}.0",
        "NetworkOutgoingExternal": SENT_BYTES[number],
        "RemoteHost": f'"slot1@wn{number}.example.org"',
        "QDate": END_S - 9 * HOUR_S,
    }
    return run_record(8, number, start_s, end_s, **{**ending, **own, **edits})


def report(site: GratiaSite, epoch_text: str, **edits: Value) -> list[dict[str, Any]]:
    """Send the job with its runs; return what GRACC has."""
    history = site.folder / "history"
    history.write_text(restarted(NetworkOutgoingExternal=700, **edits) + banner())
    epoch = site.folder / "epoch_history"
    epoch.write_text(epoch_text)
    run_probe(
        site.ledger,
        SCHEDD,
        [history],
        site.config,
        now=NOW,
        epoch_histories=[epoch] if epoch_text else [],
    )
    site.send()
    return site.delivered()


def test_a_job_with_three_runs_is_three_records_and_one_job(site: GratiaSite) -> None:
    found = report(site, epochs(), NumShadowStarts=3)

    assert [r["Njobs"] for r in found] == ["0", "0", "1"]
    assert [r["WallDuration"] for r in found] == [1 * HOUR_S, 3 * HOUR_S, 2 * HOUR_S]
    # 76,000 s in all, of which 68,000 are written: 8,000 more of the evicted two.
    assert [r["CpuDuration_user"] for r in found] == [
        3000 + 2000,
        40_000 + 6000,
        25_000,
    ]
    assert [r.get("Network") for r in found] == ["100", None, "600"]
    assert [r["Host"] for r in found] == [f"wn{n}.example.org" for n in range(3)]
    assert [r["Resource_RunInstanceId"] for r in found] == ["0", "1", "2"]
    assert [r.get("Status") for r in found] == [None, None, "0"]
    assert [r.get("Memory") for r in found] == [None, None, "4556"]
    assert [r["EndTime"][11:13] for r in found] == ["05", "09", "12"]
    (first, *_) = site.delivered_ids()
    assert first == f"{SCHEDD}:8.0#{END_S - 9 * HOUR_S}#run0"


def test_one_evicted_run_has_exactly_what_the_others_did_not_use(
    site: GratiaSite,
) -> None:
    found = report(
        site,
        epochs(runs=(1, 2)).replace("RunInstanceId=1", "RunInstanceId=0")
        .replace("RunInstanceId=2", "RunInstanceId=1"),
        NumJobStarts=2, NumShadowStarts=2, RemoteWallClockTime=f"{5 * HOUR_S}.0",
        CumulativeSlotTime=f"{20 * HOUR_S}.0",
    )  # fmt: skip

    assert [r["CpuDuration_user"] for r in found] == [51_000, 25_000]


@pytest.mark.parametrize(
    ("epoch_text", "edits"),
    [
        ("", {}),
        (epochs(runs=(0, 2)), {}),
        (epochs(runs=(1, 2)), {}),
        (epochs(), {"RemoteWallClockTime": f"{9 * HOUR_S}.0"}),
        (epochs(RemoteUserCpu="50000.0"), {}),
        (epochs(NetworkOutgoingExternal=10_000), {}),
        (epochs(), {"NumShadowStarts": 4}),
    ],
    ids=["no runs", "a gap", "first missing", "wall", "cpu", "bytes", "one more start"],
)
def test_runs_that_do_not_fit_the_job_are_not_reported(
    site: GratiaSite, epoch_text: str, edits: dict[str, Value]
) -> None:
    found = report(site, epoch_text, **edits)

    assert [r["Njobs"] for r in found] == ["1"]
    assert found[0]["Resource_NumJobStarts"] == "3"
    assert "Resource_RunInstanceId" not in found[0]


def test_without_per_run_the_runs_are_not_looked_at(site: GratiaSite) -> None:
    site.configure(per_run=False)

    assert [r["Njobs"] for r in report(site, epochs())] == ["1"]


def test_a_real_pools_runs_add_up_to_its_jobs(
    site: GratiaSite, server: GratiaServer
) -> None:
    run_probe(
        site.ledger, SCHEDD, [POOL / "history"], site.config, now=NOW,
        epoch_histories=[POOL / "epoch_history"],
    )  # fmt: skip
    site.send()
    by_run = sums(site)
    assert any(n.endswith("#run1") for n in site.delivered_ids())

    server.collector.deliveries.clear()
    again = make_site(site.folder / "whole", server)
    again.configure(outbox=str(site.folder / "other-outbox"))
    run_probe(again.ledger, SCHEDD, [POOL / "history"], again.config, now=NOW)
    again.send()
    assert by_run == sums(again)


def sums(site: GratiaSite) -> dict[str, list[float]]:
    """Return by job what all its records add up to."""
    keys = ("Njobs", "WallDuration", "CpuDuration_user", "CpuDuration_system")
    found: dict[str, list[float]] = {}
    for record in site.delivered():
        total = found.setdefault(str(record["LocalJobId"]), [0.0] * (len(keys) + 1))
        values = [float(record.get(key, 0)) for key in (*keys, "Network")]
        found[str(record["LocalJobId"])] = [
            round(a + b, 3) for a, b in zip(total, values, strict=True)
        ]
    return found
