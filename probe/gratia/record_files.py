"""Files of usage records below a folder: single ones, bundles, and tar'd backlogs.

The official probe keeps a record a file (``outbox/r.PID.gratia.xml__…``), packs a large
backlog as ``staged/store/tz.PID.gratia.xml__…`` (tar, bzip2), and puts what it cannot
use into ``quarantine``, where job ads lie, too.  Content tells what a file is, not its
name.  Nothing is unpacked to disk and no link is followed.
"""

import dataclasses
import lzma
import os
import tarfile
import zlib
from collections.abc import Collection, Iterator
from pathlib import Path

#: No record and no bundle that a server takes is larger.
LIMIT_BYTES = 10 * 1024 * 1024
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_PACKED = (b"BZh", b"\x1f\x8b", b"\xfd7zXZ")
_TAR_MAGIC_AT = 257
_HEAD_BYTES = 512


@dataclasses.dataclass(frozen=True, slots=True)
class RecordFile:
    """One file, or one member of an archive: where it is and what it holds.

    ``xml`` is ``None`` where it could not be read; ``fault`` says why.
    """

    where: str
    xml: bytes | None = None
    fault: str | None = None


def record_files(
    folder: Path, *, without: Collection[str] = ()
) -> Iterator[RecordFile]:
    """Yield every file below *folder* that is XML, in the order of names.

    What is neither XML nor an archive is passed over (job ads, logs, locks), and so
    are folders whose names are in *without*.
    """
    for path in _files_below(folder, without):
        try:
            yield from _contents(path)
        except (OSError, tarfile.TarError, EOFError, zlib.error, lzma.LZMAError) as why:
            yield RecordFile(str(path), fault=str(why) or type(why).__name__)


def _files_below(folder: Path, without: Collection[str]) -> Iterator[Path]:
    for parent, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if name not in without)
        for name in sorted(names):
            path = Path(parent) / name
            if path.is_file() and not path.is_symlink():
                yield path


def _contents(path: Path) -> Iterator[RecordFile]:
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
        if _is_xml(head):
            yield _limited(str(path), head + file.read(LIMIT_BYTES))
    if head.startswith(_PACKED) or head[_TAR_MAGIC_AT:].startswith(b"ustar"):
        yield from _members(path)


def _members(path: Path) -> Iterator[RecordFile]:
    with tarfile.open(path, "r|*") as archive:
        for member in archive:
            content = archive.extractfile(member) if member.isreg() else None
            if content is not None:
                bytes_ = content.read(LIMIT_BYTES + 1)
                if _is_xml(bytes_):
                    yield _limited(f"{path}:{member.name}", bytes_)


def _is_xml(start: bytes) -> bool:
    return start.removeprefix(_BYTE_ORDER_MARK).lstrip().startswith(b"<")


def _limited(where: str, xml: bytes) -> RecordFile:
    if len(xml) > LIMIT_BYTES:
        return RecordFile(where, fault=f"larger than {LIMIT_BYTES:,} bytes")
    return RecordFile(where, xml=xml)
