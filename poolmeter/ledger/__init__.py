"""The ledger: one folder of Parquet files, a file a UTC day and schedd.

::

    LEDGER/jobs/date=YYYY-MM-DD/SCHEDD.parquet    one row per ended job
    LEDGER/runs/date=YYYY-MM-DD/SCHEDD.parquet    one row per run of a job
    LEDGER/gaps/date=YYYY-MM-DD/SCHEDD.parquet    one row per time that may lack rows
    LEDGER/.state/                                checkpoints, quarantine, locks, spool

Files are rewritten whole and replaced atomically; rows are only ever inserted by
the probe.  Only this package, and what is built on it, imports pyarrow.
"""
