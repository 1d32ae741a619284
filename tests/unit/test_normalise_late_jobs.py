"""Jobs that a factory makes late: queued with their cluster, made days after it."""

from tests.ads import DAY_S, END_S, Value, completed, record_of

#: As 23.9.6 writes it: the id has the time of making, QDate that of the cluster.
LATE: dict[str, Value] = {
    "JobMaterializeDigestFile": '"/var/spool/22/condor_submit.22.digest"',
    "GlobalJobId": f'"ap.example.org#22.169#{END_S - DAY_S}"',
    "QDate": END_S - 5 * DAY_S,
}
NAME = "queued_at_differs_from_global_job_id"


def test_a_job_made_days_after_its_cluster_is_no_contradiction() -> None:
    assert record_of(completed(**LATE)).contradictions == ()


def test_without_a_factory_it_is_one() -> None:
    edits = {**LATE, "JobMaterializeDigestFile": None}
    assert record_of(completed(**edits)).contradictions == (NAME,)


def test_no_factory_queues_a_job_after_it_was_made() -> None:
    found = record_of(completed(**{**LATE, "QDate": END_S + DAY_S})).contradictions
    assert NAME in found
