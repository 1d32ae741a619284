"""The names by which use is told apart: what came of a second, and on whose machine.

Every second of a priced job is of exactly one kind:

* ``held``: earlier runs of a job that was ever on hold, and the whole of a job that
  was removed after a hold;
* ``evicted``: earlier runs of any other job;
* the last run by how the job ended: ``removed``, ``failed`` (an exit code other than
  0, or a signal), ``short`` (it succeeded in less than a minute of wall time), else
  ``good``.
"""

#: A job that succeeds in less wall time than this is ``short``.
SHORT_S = 60

#: Engines know both by their places in here.
RESOURCES = ("own-pool", "flocked-out", "unknown-resource")
KINDS = ("good", "failed", "removed", "held", "evicted", "short")

#: Millionths: a job's benchmark scaling becomes a whole number of them.
SCALING_UNIT = 1_000_000
