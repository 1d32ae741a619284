"""A history with a few jobs whose records no server takes, among many good ones."""

from tests.ads import job

#: Our own validation finds these: a job with no wall time at all is no usage record.
WITHOUT_WALL_TIME = (3, 77)
#: The server refuses these, for reasons that nobody foresaw.
REFUSED_BY_SERVER = (11, 250, 251)
POISON = (*WITHOUT_WALL_TIME, *REFUSED_BY_SERVER)


def history_with_poison(last: int) -> str:
    """Return the records of the jobs 1 to *last*, those of ``POISON`` among them."""
    return "".join(map(_job, range(1, last + 1)))


def _job(number: int) -> str:
    if number not in WITHOUT_WALL_TIME:
        return job(number)
    return job(number, RemoteWallClockTime=None, LastRemoteWallClockTime=None)
