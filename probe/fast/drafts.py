"""From a chunk of a file to drafts of rows: all that needs no other chunk."""

import dataclasses
from collections.abc import Mapping

from poolmeter.config import Config
from probe.fast.ads import Ads
from probe.fast.arrays import Flags, Numbers, places_of
from probe.fast.banners import banners_of
from probe.fast.chunks import Chunk
from probe.fast.expressions import Expressions
from probe.fast.names import Names
from probe.fast.normalise.job import (
    IDENTITY_COLUMNS,
    Draft,
    draft_of,
    evaluated_attributes,
    wanted_attributes,
)
from probe.fast.scan import Scan, scan
from probe.fast.shapes import Shapes
from probe.history_file import TAIL_BYTES, RawRecord


@dataclasses.dataclass(frozen=True, slots=True)
class Drafted:
    """The records of one chunk; what is not ``is_fast`` is in ``others``, as bytes."""

    draft: Draft
    is_fast: Flags
    written_s: Numbers
    others: Mapping[int, RawRecord]
    end: int
    tail: bytes

    @property
    def count(self) -> int:
        """Return how many records these are."""
        return self.is_fast.size


class Drafter:
    """Drafts chunks; what it has seen of names and expressions, it knows again."""

    def __init__(self, schedd: str, config: Config, *, now_s: int) -> None:
        self._schedd = schedd
        self._config = config
        self._now_s = now_s
        self._wanted = wanted_attributes(config.probe)
        self._evaluated = evaluated_attributes(config.probe)
        self._names = Names(self._wanted)
        self._shapes = Shapes()
        self._expressions = Expressions()

    def drafted(self, chunk: Chunk) -> Drafted:
        """Return the drafts of the records in *chunk*."""
        found = scan(chunk.text, self._names, self._shapes, IDENTITY_COLUMNS)
        ads = Ads(found, self._wanted)
        self._expressions.resolve(ads, self._evaluated)
        draft = draft_of(ads, schedd=self._schedd, config=self._config)
        banners = banners_of(found, self._now_s)
        is_fast = ads.is_plain & banners.is_job
        is_fast &= banners.clusters == ads.numbers("ClusterId")
        is_fast &= banners.procs == ads.numbers("ProcId")
        return Drafted(
            draft=draft,
            is_fast=is_fast,
            written_s=banners.written_s,
            others={n: _raw(chunk, found, n) for n in places_of(~is_fast).tolist()},
            end=chunk.start + chunk.text.length,
            tail=chunk.text.raw(
                max(0, chunk.text.length - TAIL_BYTES), chunk.text.length
            ),
        )


def _raw(chunk: Chunk, found: Scan, record: int) -> RawRecord:
    start, banner = int(found.starts[record]), int(found.banners[record])
    end = int(found.ends[record])
    return RawRecord(
        chunk.start + start,
        chunk.start + end,
        chunk.text.raw(start, banner),
        chunk.text.raw(banner, end),
    )
