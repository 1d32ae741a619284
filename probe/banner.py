"""The line that HTCondor writes after each ad in a history file.

::

    *** Offset = 1932 ClusterId = 8 ProcId = 0 Owner = "a" CompletionDate = 1795338484
    *** EPOCH ClusterId=4 ProcId=0 RunInstanceId=1 Owner="a" CurrentTime=1795338523

Seen in files of 23.9.6 and read in ``classadHistory.cpp``: ``Offset`` is the start
of the previous banner in a C int and useless; new versions append keys
(``CurrentTime``, the moment of writing); a word without "=" is the record's kind.
"""

import dataclasses
import re
from collections.abc import Mapping

#: What every banner begins with; no attribute's line does.
MARK = b"***"

#: The kind of an ordinary job record, whose banner names none.
JOB = "JOB"

#: The kind of a record of one run, as an epoch history holds them.
EPOCH = "EPOCH"

_KIND = re.compile(r"\A\*\*\*\s+([A-Za-z_]\w*)(?!\w*\s*=)")
_VALUE = re.compile(r'([A-Za-z_]\w*)\s*=\s*("(?:[^"\\]|\\.)*"|[^\s"]+)')


@dataclasses.dataclass(frozen=True, slots=True)
class Banner:
    """A parsed banner: the record's kind and its values, names in lower case."""

    kind: str
    values: Mapping[str, str]

    def integer(self, name: str) -> int | None:
        """Return the whole number called *name*, or ``None``.

        >>> parse_banner("*** Offset = 0 ClusterId = 9 ProcId = 0").integer("ClusterId")
        9
        """
        text = self.values.get(name.lower(), "")
        return int(text) if re.fullmatch(r"-?\d{1,18}", text) else None


def parse_banner(line: str) -> Banner:
    """Return what the banner *line* says; unknown keys are kept, none is required.

    >>> banner = parse_banner('*** EPOCH ClusterId=4 RunInstanceId=1 Owner="a b"')
    >>> banner.kind, banner.values["owner"], banner.integer("RunInstanceId")
    ('EPOCH', 'a b', 1)
    """
    kind = _KIND.match(line)
    values = {
        name.lower(): value.strip('"') for name, value in _VALUE.findall(line.strip())
    }
    return Banner(kind[1].upper() if kind else JOB, values)
