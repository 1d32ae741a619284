"""Records of an epoch history as HTCondor's shadows write them, and files of them."""

from tests.ads import COMPLETED, END_S, HOUR_S, Value, ad_text

#: What a shadow's ad has in its job's first run; what only an ended job has is gone.
RUNNING = {
    **COMPLETED,
    "CompletionDate": None,
    "CommittedTime": 0,
    "CumulativeSlotTime": 0,
    "EnteredCurrentStatus": END_S - 2 * HOUR_S,
    "ExitCode": None,
    "JobStatus": 2,
    "LastJobStatus": 1,
    "LastPublicClaimId": None,
    "LastRemoteHost": None,
    "LastRemoteWallClockTime": None,
    "NumJobStarts": 1,
    "NumShadowStarts": 1,
    "RemoteHost": '"slot1_2@wn7.example.org"',
    "RemoteWallClockTime": "0.0",
}


def run_banner(
    cluster: int, number: int, *, end_s: int, kind: str = "EPOCH", proc: int = 0
) -> str:
    """Return the line that 23.9.6 writes behind the ad of a run."""
    return (
        f"*** {kind} ClusterId={cluster} ProcId={proc} RunInstanceId={number} "
        f'Owner="alice" CurrentTime={end_s}\n'
    )


def run_ad(start_s: int, end_s: int, **edits: Value) -> str:
    """Return the ad of a run that was evicted at its end, with its last line."""
    times: dict[str, Value] = {
        "JobCurrentStartDate": start_s,
        "ShadowBday": start_s,
        "LastVacateTime": end_s,
        "VacateReasonCode": 1004,
        "VacateReason": '"user"',
    }
    return ad_text(RUNNING, **{**times, **edits}) + f"EpochWriteDate = {end_s}\n"


def exited(end_s: int) -> dict[str, Value]:
    """Return what is different in a run that ended of its own accord."""
    who = f'[ How = "OF_ITS_OWN_ACCORD"; Who = "itself"; When = {end_s}; ExitCode = 0 ]'
    return {"ToE": who, "LastVacateTime": None, "ExitCode": 0}


def run_record(
    cluster: int, number: int, start_s: int, end_s: int, **edits: Value
) -> str:
    """Return one record: the *number*th run (from 0) of a job that has one process."""
    ad = run_ad(
        start_s,
        end_s,
        **{"ClusterId": cluster, "NumShadowStarts": number + 1, **edits},
    )
    return ad + run_banner(cluster, number, end_s=end_s)
