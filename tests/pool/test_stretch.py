"""The rule that makes months of the demo's minutes keeps each record consistent."""

from tests.pool.stretch import BEGIN, END, clocks, parse, stretch, write_history

QUEUED = 1_795_353_000
AD = """\
CpusProvisioned = 4
CumulativeRemoteUserCpu = 3.0
CumulativeSlotTime = {slot_s}.0
EnteredCurrentStatus = {ended}
GlobalJobId = "ap1.campus.example#{cluster}.0#{queued}"
JobCurrentStartDate = {started}
JobUniverse = 5
NetworkOutgoingExternal = 1795353001
QDate = {queued}
RemoteUserCpu = 0.0
RemoteWallClockTime = {wall_s}.0
ResidentSetSize = 7500
ToE = [ How = "OF_ITS_OWN_ACCORD"; When = {ended} ]
*** Offset = 9 ClusterId = {cluster} ProcId = 0 Owner = "a" CompletionDate = {ended}
"""


def records(number: int) -> str:
    """Return a history of *number* jobs that ran one after the other."""
    return "".join(
        AD.format(
            cluster=n,
            queued=QUEUED + 10 * n,
            started=QUEUED + 10 * n + 2,
            ended=QUEUED + 10 * n + 9,
            wall_s=7,
            slot_s=28,
        )
        for n in range(1, number + 1)
    )


def test_moments_and_durations_of_a_record_agree_afterwards() -> None:
    history = parse(records(20))
    found = clocks(history)
    for record in history:
        clock = found[record.group]
        made = stretch(record, clock)
        started = made.number("JobCurrentStartDate")
        ended = made.in_banner("CompletionDate")
        assert BEGIN <= made.number("QDate") < started < ended < END
        assert ended == made.number("EnteredCurrentStatus")
        assert made.number("RemoteWallClockTime") == ended - started
        assert made.number("CumulativeSlotTime") == 4 * (ended - started)
        assert made.value("GlobalJobId").endswith(f'#{int(made.number("QDate"))}"')
        assert f"When = {ended} " in made.value("ToE")
        assert made.number("CumulativeRemoteUserCpu") <= 4 * (ended - started)
        assert made.value("NetworkOutgoingExternal") == "1795353001"
        assert made.value("ResidentSetSize") == "75000"


def test_the_same_records_give_the_same_history() -> None:
    first, second = (clocks(parse(records(20))) for _ in range(2))
    assert first == second


def test_each_banner_names_the_place_of_the_one_before_it() -> None:
    history = parse(records(20))
    found = clocks(history)
    files = write_history([stretch(r, found[r.group]) for r in history], 4000)
    assert len(files) > 2
    assert sum(len(parse(text)) for text in files.values()) == 20
    for text in files.values():
        places = [0]
        for record in parse(text):
            assert record.in_banner("Offset") == places[-1]
            places.append(text.index(record.banner))
    names = sorted(name for name in files if name != "history")
    assert names == [name for name in files if name != "history"]
