"""How the slots were used, asked of the ledger by SQL of its own.

The place of a job's seconds is derived in closed form, apart from the engine that
prices the lines, so that the two can be held against each other.  Every second of a
priced job is in exactly one kind of use:

* ``held``: earlier runs of a job that was ever on hold, and the whole of a job that
  was removed after a hold;
* ``evicted``: earlier runs of any other job;
* the last run by how the job ended: ``removed``, ``failed`` (an exit code other than
  0, or a signal), ``short`` (it succeeded in less than a minute of wall time), else
  ``good``.
"""

#: A job that succeeds in less wall time than this is ``short``.
SHORT_S = 60

#: Longer times count as this long, which keeps sums with them inside 64 bits.
LONGEST_S = 2**60

#: Millionths: a job's benchmark scaling becomes a whole number of them.
SCALING_UNIT = 1_000_000

RESOURCES = ("own-pool", "flocked-out", "unknown-resource")
KINDS = ("good", "failed", "removed", "held", "evicted", "short")

#: Rounded down, also before 1970, and without a float.
WHOLE_SECONDS = """
CREATE MACRO whole_s(ms) AS
    ((ms - ((ms % 1000) + 1000) % 1000) // 1000)
"""

#: What a job occupies; the shapes are packed in Python, one by one.
SHAPES = """
SELECT DISTINCT cpus_milli,
       coalesce(memory_provisioned_bytes, memory_requested_bytes),
       coalesce(gpus, 0)
FROM jobs WHERE billable AND wall_s >= 0
"""

#: Seconds of the last run, and of the runs before it, as ``charge_intervals`` has it.
_PLACED = f"""
WITH whole AS (
    SELECT *,
        whole_s(epoch_ms(ended_at)) AS ended_s,
        whole_s(epoch_ms(last_started_at)) AS started_s,
        least(wall_s, {LONGEST_S}) AS wall,
        least(coalesce(CASE WHEN last_run_wall_s >= 0 THEN last_run_wall_s END, wall_s),
              {LONGEST_S}) AS told_s,
        coalesce(memory_provisioned_bytes, memory_requested_bytes) AS memory_bytes,
        coalesce(gpus, 0) AS gpu_count,
        coalesce(holds, 0) > 0 OR hold_reason_code IS NOT NULL AS was_held,
        CASE WHEN isfinite(benchmark_scaling) AND benchmark_scaling > 0
                  AND benchmark_scaling < {SCALING_UNIT}
             THEN round(benchmark_scaling * {SCALING_UNIT})::BIGINT END AS scaling
    FROM jobs WHERE billable AND wall_s >= 0
),
ran AS (
    SELECT *,
        CASE WHEN runs > 1 THEN least(told_s, wall) ELSE wall END AS last_s
    FROM whole
),
ending AS (
    SELECT *,
        wall - last_s AS before_s,
        CASE WHEN (wall > 0 OR runs > 0) AND started_s + told_s <= ended_s
             THEN least(started_s + last_s, ended_s) ELSE ended_s END AS end_s
    FROM ran
),
intervals AS (
    SELECT *, true AS is_last, end_s - last_s AS from_s, end_s AS to_s,
        CASE WHEN wall > 0 OR runs > 0 THEN 1 ELSE 0 END AS stands_for,
        before_s AS offset_s,
        CASE WHEN job_status = 'removed' AND was_held THEN 'held'
             WHEN job_status = 'removed' THEN 'removed'
             WHEN exit_signal IS NOT NULL OR coalesce(exit_code, 0) <> 0 THEN 'failed'
             WHEN wall < {SHORT_S} THEN 'short'
             ELSE 'good' END AS kind
    FROM ending
    UNION ALL
    SELECT *, false, end_s - wall, end_s - last_s, runs - 1, 0,
        CASE WHEN was_held THEN 'held' ELSE 'evicted' END
    FROM ending WHERE runs > 1
),
sliced AS (
    SELECT i.*, p.period,
        greatest(0, least(to_s, p.end_at) - greatest(from_s, p.start_at)) AS part_s,
        offset_s + greatest(0, p.start_at - from_s) AS part_from,
        from_s >= p.start_at AND from_s < p.end_at AS begins,
        is_last AND ended_s >= p.start_at AND ended_s < p.end_at AS is_job,
        is_last AND end_s >= p.start_at AND end_s < p.end_at AS has_bytes,
        CASE WHEN stands_for > 0 AND p.increment_s IS NOT NULL THEN greatest(
            CASE WHEN p.increment_s = 1 THEN to_s - from_s
                 ELSE (to_s - from_s + p.increment_s - 1) // p.increment_s
                      * p.increment_s END,
            stands_for * p.minimum_s) - (to_s - from_s) ELSE 0 END AS top_up_s
    FROM intervals i, periods p
),
part AS (
    SELECT *,
        part_s + CASE WHEN begins THEN top_up_s ELSE 0 END AS billed_s,
        CASE WHEN wall = 0 THEN CASE WHEN has_bytes THEN core_ms ELSE 0 END
             WHEN part_s = wall THEN core_ms
             ELSE core_ms::HUGEINT * (part_from + part_s) // wall
                  - core_ms::HUGEINT * part_from // wall END AS part_core_ms
    FROM sliced
    WHERE part_s > 0 OR begins OR is_job OR has_bytes
),
priced AS (
    SELECT part.*, f.instance_type, f.numerator
    FROM part JOIN fits f
      ON f.period = part.period
     AND f.cpus_milli IS NOT DISTINCT FROM part.cpus_milli
     AND f.memory_bytes IS NOT DISTINCT FROM part.memory_bytes
     AND f.gpu_count = part.gpu_count
)
"""  # noqa: S608 - names of ours

_PAYER = """CASE WHEN coalesce(vo, '') IN ('', 'unknown') THEN $unknown ELSE vo END"""

_KEYS = {
    "vo": _PAYER,
    "owner": "coalesce(nullif(owner, ''), $unknown)",
    "payload-user": "coalesce(nullif(payload_user, ''), nullif(owner, ''), $unknown)",
    "project": "coalesce(nullif(project, ''), $unknown)",
    "site": "coalesce(nullif(execute_site, ''), nullif(site, ''), $unknown)",
}

#: Whose machine it was: $own are the names of further resources that are ours.
_RESOURCE = """
CASE WHEN coalesce(execute_pool, '') <> '' THEN 'flocked-out'
     WHEN coalesce(execute_site, '') <> '' THEN
        CASE WHEN execute_site IS NOT DISTINCT FROM site
                  OR list_contains($own::VARCHAR[], execute_site)
             THEN 'own-pool' ELSE 'flocked-out' END
     WHEN coalesce(last_remote_host, '') <> '' THEN 'own-pool'
     ELSE 'unknown-resource' END
"""


def use_query(by: str, byte_columns: tuple[str, ...]) -> str:
    """Return the query of all sums, by payer, key, resource, kind and priced type."""
    counts = ", ".join(
        f"sum({name}) FILTER (has_bytes) AS {name}, "
        f"count({name}) FILTER (has_bytes) AS jobs_{name}"
        for name in byte_columns
    )
    return f"""{_PLACED}
    SELECT {_PAYER} AS payer, {_KEYS[by]} AS name, site, {_RESOURCE} AS resource, kind,
        period, instance_type,
        count(*) FILTER (is_job) AS jobs,
        count(*) FILTER (is_job OR part_s > 0) AS jobs_touched,
        count(*) FILTER (has_bytes) AS jobs_network,
        count(*) FILTER (has_bytes AND network_trust = 'partial') AS jobs_partial,
        sum(part_s) AS wall_s,
        sum(billed_s::HUGEINT * numerator) AS billed_share_s,
        sum(part_core_ms) AS core_ms,
        sum(part_s * greatest(gpu_count, 0)) AS gpu_s,
        sum(part_s::HUGEINT * memory_peak_bytes)
            FILTER (memory_peak_bytes > 0 AND memory_bytes > 0) AS memory_used_byte_s,
        sum(part_s::HUGEINT * memory_bytes)
            FILTER (memory_peak_bytes > 0 AND memory_bytes > 0) AS memory_held_byte_s,
        sum(part_core_ms::HUGEINT * scaling) AS scaled_core,
        sum(part_core_ms) FILTER (scaling IS NOT NULL) AS core_ms_with_scaling,
        {counts}
    FROM priced
    WHERE $vo::VARCHAR IS NULL OR $vo::VARCHAR = {_PAYER}
    GROUP BY ALL ORDER BY ALL"""  # noqa: S608 - names of ours


#: The reasons of holds: digits hidden, so that hosts and numbers do not part them.
#: ``held`` seconds only; a job counts also if it ended well after a hold.
HOLD_REASONS = f"""{_PLACED},
told AS (
    SELECT hold_reason_code AS code, period, instance_type,
        regexp_replace(left(coalesce(hold_reason, ''), 300), '[0-9]+', '#', 'g')
            AS reason,
        count(*) FILTER (is_job)::HUGEINT AS jobs,
        coalesce(sum(part_s) FILTER (kind = 'held'), 0) AS held_s,
        coalesce(sum(billed_s::HUGEINT * numerator) FILTER (kind = 'held'), 0)
            AS share_s
    FROM priced
    WHERE was_held AND ($vo::VARCHAR IS NULL OR $vo::VARCHAR = {_PAYER})
    GROUP BY ALL
),
weighed AS (
    SELECT *,
        sum(held_s) OVER (PARTITION BY code, reason) AS all_s,
        sum(jobs) OVER (PARTITION BY code, reason) AS all_jobs
    FROM told
)
SELECT code, reason, period, instance_type, jobs, held_s, share_s
FROM weighed
QUALIFY dense_rank() OVER
    (ORDER BY all_s DESC, all_jobs DESC, code NULLS LAST, reason) <= $shown
ORDER BY all_s DESC, all_jobs DESC, code NULLS LAST, reason, period, instance_type
"""  # noqa: S608 - names of ours
