"""SQL that makes charge intervals of jobs and their known runs, as rows of jobs.

It is ``charge_intervals`` for many jobs at once.  Each interval becomes a row like a
job's, with its own wall time and its share of what the job used and moved, and the
columns of ``INTERVAL_COLUMNS``; the job's own row then stands aside.

A run belongs to the job with its key.  Where that has another ``queued_at``, it is the
first job of its number that ended after the run began: an owner may edit QDate, and a
schedd whose queue was lost counts from 1 again.
"""

from poolmeter.record import NETWORK_COLUMNS
from poolmeter.run_record import NETWORK_SUM_COLUMNS

#: A job's runs are looked for so long before its end; what lies further back is
#: charged all the same, as a residual.
LIFE_DAYS = 60
#: A job's end may lie a little before the start of its last run, if one is edited.
END_SLACK_S = 86_400

#: What an interval's row has beside a job's columns, and its types.
INTERVAL_COLUMNS = {
    "interval_end_s": "BIGINT",
    "interval_runs": "INTEGER",
    "interval_kind": "VARCHAR",
    "interval_is_last": "BOOLEAN",
    "interval_job_wall_s": "BIGINT",
    "interval_place": "BIGINT",
}

#: Kinds: a run with a row of its own; likewise of a job that is still queued, which was
#: cut short or ended by itself; the last run by the job's own row; what is left.
KNOWN, TOLD, RESIDUAL = "known", "told", "residual"
QUEUED, QUEUED_EXITED = "queued", "queued_exited"
KNOWN_KINDS = (KNOWN, QUEUED, QUEUED_EXITED)

_KEY = ("schedd", "cluster_id", "proc_id")
_LIFE_S = LIFE_DAYS * 86_400


def _same_number(left: str, right: str) -> str:
    return " AND ".join(f"{left}.{name} = {right}.{name}" for name in _KEY)


def same_job(left: str, right: str, *, queued_at: str = "queued_at") -> str:
    """Return the condition that rows of *left* and *right* are of one job."""
    is_same_job = _same_number(left, right)
    return (
        f"{is_same_job} AND {left}.queued_at IS NOT DISTINCT FROM {right}.{queued_at}"
    )


#: Views over ``run_rows``, ``job_rows`` (of jobs that may have a part in the month) and
#: ``other_job_rows``.
VIEWS = f"""
CREATE TEMP VIEW known AS
SELECT {", ".join(_KEY)}, queued_at, run, pm_seconds(started_at) AS start_s,
    greatest(pm_seconds(started_at), pm_seconds(ended_at)) AS end_s,
    {", ".join(NETWORK_SUM_COLUMNS)}
FROM run_rows;

CREATE TEMP VIEW ended AS
SELECT {", ".join(_KEY)}, queued_at, pm_seconds(ended_at) AS ended_s,
    pm_seconds(last_started_at) AS last_started_s, wall_s, last_run_wall_s, runs
FROM job_rows;

CREATE TEMP VIEW ended_otherwise AS
SELECT {", ".join(_KEY)}, queued_at, pm_seconds(ended_at) AS ended_s
FROM other_job_rows;
"""

#: Runs that say more than their job's own row does, or may be of a job whose QDate is
#: another; and those that lie in the month or later and have no job of their key.
CANDIDATES = f"""
CREATE TEMP TABLE pairs AS
SELECT k.*, e.queued_at AS job_queued_at, e.ended_s,
    k.queued_at IS NOT DISTINCT FROM e.queued_at AS is_exact
FROM known k JOIN ended e USING ({", ".join(_KEY)})
WHERE NOT (k.queued_at IS NOT DISTINCT FROM e.queued_at AND k.run = 0 AND e.runs <= 1
           AND k.start_s IS NOT DISTINCT FROM e.last_started_s)
  AND (k.queued_at IS NOT DISTINCT FROM e.queued_at
       OR e.ended_s + {END_SLACK_S} >= k.start_s);

CREATE TEMP TABLE strays AS
SELECT k.* FROM known k
WHERE k.end_s >= getvariable('month_start_s')
  AND k.start_s < getvariable('month_end_s')
  AND NOT EXISTS (FROM ended e WHERE {same_job("k", "e")});
"""

#: Of pairs with another QDate those count whose run has no job of its own key, and
#: whose job is the first that ended after the run began.
PAIRS_THAT_COUNT = f"""
DELETE FROM pairs p WHERE NOT is_exact AND (
    EXISTS (FROM ended e WHERE {same_job("p", "e")})
    OR EXISTS (FROM ended_otherwise e WHERE {same_job("p", "e")})
    OR EXISTS (FROM ended_otherwise e WHERE {_same_number("p", "e")}
               AND e.ended_s + {END_SLACK_S} >= p.start_s)
    OR EXISTS (FROM pairs o WHERE {_same_number("p", "o")} AND p.run = o.run
               AND p.queued_at IS NOT DISTINCT FROM o.queued_at
               AND o.ended_s < p.ended_s)
);

DELETE FROM strays s WHERE
    EXISTS (FROM pairs p WHERE {same_job("s", "p")} AND s.run = p.run)
    OR EXISTS (FROM ended_otherwise e WHERE {_same_number("s", "e")}
               AND (s.queued_at IS NOT DISTINCT FROM e.queued_at
                    OR e.ended_s + {END_SLACK_S} >= s.start_s));
"""

#: The jobs whose runs say more than their own rows do, with their runs.
JOBS_WITH_RUNS = f"""
CREATE TEMP TABLE members AS
WITH told_by_runs AS (
    SELECT DISTINCT {", ".join(_KEY)}, job_queued_at AS queued_at FROM pairs
)
SELECT k.*, t.queued_at AS job_queued_at
FROM told_by_runs t JOIN known k ON {same_job("t", "k")}
UNION ALL
SELECT * EXCLUDE (ended_s, is_exact) FROM pairs WHERE NOT is_exact;

CREATE TEMP TABLE recent AS
SELECT m.* FROM members m
JOIN ended e ON {same_job("e", "m", queued_at="job_queued_at")}
WHERE m.start_s >= e.ended_s - {_LIFE_S};

CREATE TEMP TABLE chosen AS
SELECT row_number() OVER () AS job, e.*
FROM ended e JOIN (
    SELECT {", ".join(_KEY)}, job_queued_at, count(*) AS found, min(start_s) AS first_s
    FROM recent GROUP BY ALL
) m ON {same_job("e", "m", queued_at="job_queued_at")}
WHERE e.wall_s >= 0
  AND NOT (m.found = 1 AND e.runs <= 1 AND m.first_s IS NOT DISTINCT FROM
           e.last_started_s);

CREATE TEMP TABLE found_runs AS
SELECT c.job, r.* EXCLUDE ({", ".join(_KEY)}, queued_at, job_queued_at)
FROM recent r JOIN chosen c ON {same_job("c", "r", queued_at="job_queued_at")};
"""


def _moved() -> str:
    """Return what each run moved: its sum above the highest before it."""
    parts = []
    for name, total in zip(NETWORK_COLUMNS, NETWORK_SUM_COLUMNS, strict=True):
        base = f"coalesce(max({total}) OVER before, 0)"
        parts.append(f"CASE WHEN {total} >= {base} THEN {total} - {base} END AS {name}")
    return ",\n        ".join(parts)


#: The intervals of each job in their order: its runs, the last one last.  The last run
#: is taken from the job's own row where it is not among the known ones; what the runs
#: are longer than the wall time is cut from the last; what they are shorter lengthens
#: it, or is left for a residual where runs are missing.
INTERVALS = f"""
CREATE TEMP TABLE intervals AS
WITH moved AS (
    SELECT job, run, start_s, end_s, {_moved()}
    FROM found_runs
    WINDOW before AS (PARTITION BY job ORDER BY run
                      ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
),
whole AS (
    SELECT c.*, greatest(c.runs, 1) AS starts,
        CASE WHEN c.last_started_s IS NULL THEN m.found >= c.runs
             ELSE m.last_s >= c.last_started_s END AS has_last,
        CASE WHEN c.last_run_wall_s >= 0 THEN c.last_run_wall_s ELSE c.wall_s END
            AS told_s
    FROM chosen c JOIN (
        SELECT job, count(*) AS found, max(start_s) AS last_s FROM moved GROUP BY job
    ) m USING (job)
),
placed AS (
    SELECT *, NOT has_last
              AND coalesce(last_started_s::HUGEINT + told_s <= ended_s, false) AS fits
    FROM whole
),
parts AS (
    SELECT job, run, least(start_s, ended_s)::HUGEINT AS from_s,
        least(end_s, ended_s)::HUGEINT AS to_s, false AS told, start_s,
        {", ".join(NETWORK_COLUMNS)}
    FROM moved JOIN chosen USING (job)
    UNION ALL BY NAME
    SELECT job,
        CASE WHEN fits THEN last_started_s ELSE ended_s::HUGEINT - told_s END AS from_s,
        CASE WHEN fits THEN last_started_s::HUGEINT + told_s ELSE ended_s END AS to_s,
        true AS told
    FROM placed WHERE NOT has_last
),
numbered AS (
    SELECT p.*, w.fits, w.wall_s::HUGEINT AS wall, w.starts, w.ended_s,
        row_number() OVER along AS place,
        count(*) OVER whole_job AS parts_of_job,
        sum(to_s - from_s) OVER whole_job AS total,
        coalesce(sum(to_s - from_s) OVER later, 0) AS after
    FROM parts p JOIN placed w USING (job)
    WINDOW along AS (PARTITION BY job ORDER BY told, start_s, from_s, to_s, run),
        whole_job AS (PARTITION BY job),
        later AS (PARTITION BY job ORDER BY told, start_s, from_s, to_s, run
                  ROWS BETWEEN 1 FOLLOWING AND UNBOUNDED FOLLOWING)
),
cut AS (
    SELECT *, place = parts_of_job AS is_last,
        starts - parts_of_job AS missing,
        wall - total AS over,
        least(to_s - from_s, greatest(0, total - wall - after)) AS cut_s
    FROM numbered
),
trimmed AS (
    SELECT * REPLACE (
        CASE WHEN fits THEN from_s ELSE from_s + cut_s END AS from_s,
        CASE WHEN fits THEN to_s - cut_s ELSE to_s END AS to_s
    ),
    CASE WHEN is_last AND missing <= 0 THEN greatest(over, 0) ELSE 0 END AS longer_s
    FROM cut
),
lengthened AS (
    SELECT * REPLACE (
        from_s - (longer_s - later_s) AS from_s, to_s + later_s AS to_s
    )
    FROM (SELECT *, CASE WHEN fits THEN least(longer_s, greatest(0, ended_s - to_s))
                         ELSE 0 END AS later_s FROM trimmed)
),
all_parts AS (
    SELECT job, place, from_s, to_s, 1 AS interval_runs, is_last,
        CASE WHEN told THEN '{TOLD}' ELSE '{KNOWN}' END AS kind,
        {", ".join(NETWORK_COLUMNS)}
    FROM lengthened
    UNION ALL BY NAME
    SELECT job, 0 AS place, min(from_s) - greatest(any_value(over), 0) AS from_s,
        min(from_s) AS to_s, any_value(missing) AS interval_runs, false AS is_last,
        '{RESIDUAL}' AS kind
    FROM lengthened WHERE missing > 0 GROUP BY job
)
SELECT *, to_s - from_s AS length_s,
    coalesce(sum(to_s - from_s) OVER sofar, 0) AS offset_s,
    {", ".join(f"sum({n}) OVER whole_job AS all_{n}" for n in NETWORK_COLUMNS)},
    {", ".join(f"coalesce(sum({n}) OVER sofar, 0) AS sofar_{n}" for n in NETWORK_COLUMNS)}
FROM all_parts
WINDOW sofar AS (PARTITION BY job ORDER BY place
                 ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING),
    whole_job AS (PARTITION BY job)
"""  # noqa: E501 - names of ours


def _share(total: str) -> str:
    """Return an interval's share of a job's *total*, by its seconds."""
    divided = (
        f"pm_portion({total}, (offset_s + length_s)::BIGINT, r.wall_s)"
        f" - pm_portion({total}, offset_s::BIGINT, r.wall_s)"
    )
    return (
        f"CASE WHEN {total} IS NULL THEN NULL WHEN r.wall_s > 0 THEN {divided}"
        f" WHEN is_last THEN {total} ELSE 0 END"
    )


def _bytes(name: str) -> str:
    """Return an interval's share of a job's bytes.

    What its runs moved, as far as that is not more than what the job did; the rest
    is the last interval's.  Where the job has no count, what its runs have is all.
    """
    total = f"coalesce(r.{name}, all_{name})"
    up_to = f"least(sofar_{name} + coalesce(i.{name}, 0), {total})"
    # DuckDB's least() leaves nulls out.
    return (
        f"CASE WHEN {total} IS NULL THEN NULL ELSE"
        f" (CASE WHEN is_last THEN {total} ELSE {up_to} END"
        f" - least(sofar_{name}, {total}))::BIGINT END"
    )


_CPU_MS = (
    "CASE WHEN r.cpu_user_ms IS NULL AND r.cpu_system_ms IS NULL THEN NULL ELSE "
    "least(coalesce(r.cpu_user_ms, 0)::HUGEINT + coalesce(r.cpu_system_ms, 0),"
    " 9223372036854775807)::BIGINT END"
)

#: Rows of jobs, one an interval; of jobs that ended before the month there is none.
INTERVAL_ROWS = f"""
SELECT r.* REPLACE (
        length_s::BIGINT AS wall_s, length_s::BIGINT AS last_run_wall_s, 1 AS runs,
        {_share("r.core_ms")} AS core_ms,
        {_share(_CPU_MS)} AS cpu_user_ms, NULL::BIGINT AS cpu_system_ms,
        {", ".join(f"{_bytes(name)} AS {name}" for name in NETWORK_COLUMNS)}
    ),
    i.to_s::BIGINT AS interval_end_s, interval_runs::INTEGER AS interval_runs,
    kind AS interval_kind, is_last AS interval_is_last,
    r.wall_s AS interval_job_wall_s, place AS interval_place
FROM job_rows r JOIN chosen c ON {same_job("r", "c")} JOIN intervals i USING (job)
"""

#: The rows of jobs for which intervals stand, with the counts of their runs where they
#: have none themselves.
REPLACED_ROWS = f"""
SELECT r.* REPLACE (
    {", ".join(f"coalesce(r.{n}, i.all_{n})::BIGINT AS {n}" for n in NETWORK_COLUMNS)}
)
FROM job_rows r JOIN chosen c ON {same_job("r", "c")}
JOIN (FROM intervals WHERE is_last) i USING (job)
"""

#: Runs of jobs that have not ended yet, as rows of jobs.  Their CPU time is a lower
#: bound, which is no part of an efficiency.
QUEUED_ROWS = f"""
SELECT r.* EXCLUDE (run, cpu_user_ms, cpu_system_ms, ending, remote_host, vacate_reason,
        {", ".join(NETWORK_SUM_COLUMNS)}),
    r.wall_s AS last_run_wall_s, 1 AS runs, r.started_at AS last_started_at,
    least(r.wall_s::HUGEINT * r.cpus_milli, 9223372036854775807)::BIGINT AS core_ms,
    r.remote_host AS last_remote_host,
    CASE WHEN ending = 'held' THEN 1 ELSE 0 END AS holds,
    CASE WHEN ending = 'held' THEN vacate_reason END AS hold_reason,
    CASE WHEN ending = 'held' THEN vacate_reason_code END AS hold_reason_code,
    {", ".join(f"m.{name}" for name in NETWORK_COLUMNS)},
    q.end_s AS interval_end_s, 1 AS interval_runs,
    CASE WHEN ending = 'exited' THEN '{QUEUED_EXITED}' ELSE '{QUEUED}' END
        AS interval_kind,
    false AS interval_is_last, r.wall_s AS interval_job_wall_s,
    1 AS interval_place
FROM strays q
JOIN run_rows r ON {same_job("q", "r")} AND q.run = r.run
JOIN (
    SELECT {", ".join(_KEY)}, queued_at, run, {_moved()}
    FROM known SEMI JOIN (FROM strays) USING ({", ".join(_KEY)})
    WINDOW before AS (PARTITION BY {", ".join(_KEY)}, queued_at ORDER BY run
                      ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
) m ON {same_job("q", "m")} AND q.run = m.run
"""
