"""The banners of many records: which job each is of, and when it was written."""

import dataclasses
import re

import numpy as np

from probe.banner import JOB, parse_banner
from probe.fast.arrays import Flags, Numbers
from probe.fast.scan import Scan
from probe.reader import believed_s, text_of, written_s

#: The form that HTCondor writes; the others are parsed as the reference does.
_USUAL = re.compile(
    rb"(?m:^)\*\*\* Offset = -?\d+ ClusterId = (\d{1,18}) ProcId = (\d{1,9}) "
    rb'Owner = "[ !#-\[\]-~]*" CompletionDate = -?\d+'
    rb"(?: CurrentTime = (\d{1,18}))?\r?\n"
)
NO_NUMBER = -1


@dataclasses.dataclass(frozen=True, slots=True)
class Banners:
    """What each record's banner says; ``written_s`` is 0 where it is not believed."""

    is_job: Flags
    clusters: Numbers
    procs: Numbers
    written_s: Numbers


def banners_of(scan: Scan, now_s: int) -> Banners:
    """Return what the banners of *scan* say."""
    found = _all_usual(scan, now_s) or _one_by_one(scan, now_s)
    columns = np.array(found, np.int64).reshape(-1, 4)
    return Banners(columns[:, 0] != 0, columns[:, 1], columns[:, 2], columns[:, 3])


def _all_usual(scan: Scan, now_s: int) -> list[tuple[int, int, int, int]] | None:
    """Return what the banners say, if HTCondor wrote all of them as it does."""
    raw = scan.text.memory
    places = zip(scan.banners.tolist(), scan.ends.tolist(), strict=True)
    joined = b"".join([raw[start:end] for start, end in places])
    found = _USUAL.findall(joined)
    if len(found) != scan.banners.size:
        return None
    return [
        (1, int(cluster), int(proc), _believed(written, now_s))
        for cluster, proc, written in found
    ]


def _believed(written: bytes, now_s: int) -> int:
    return (believed_s(int(written), now_s) or 0) if written else 0


def _one_by_one(scan: Scan, now_s: int) -> list[tuple[int, int, int, int]]:
    raw = scan.text.memory
    places = zip(scan.banners.tolist(), scan.ends.tolist(), strict=True)
    return [_parsed(raw[start:end], now_s) for start, end in places]


def _parsed(raw: memoryview, now_s: int) -> tuple[int, int, int, int]:
    usual = _USUAL.fullmatch(raw)
    if usual:
        return 1, int(usual[1]), int(usual[2]), _believed(usual[3] or b"", now_s)
    banner = parse_banner(text_of(bytes(raw)))
    cluster, proc = banner.integer("ClusterId"), banner.integer("ProcId")
    return (
        int(banner.kind == JOB),
        NO_NUMBER if cluster is None else cluster,
        NO_NUMBER if proc is None else proc,
        written_s(banner, now_s) or 0,
    )
