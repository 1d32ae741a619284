"""The official probe's configuration file, ``ProbeConfig``: attributes of one element.

The packaged files are nearly XML: template and addition repeat attributes, which XML
forbids.  So attributes are read one by one; nothing else of XML is interpreted, and no
entity but the five of XML and numbers is replaced.
"""

import dataclasses
import html
import re
from pathlib import Path

from poolmeter.errors import UsageError

LIMIT_BYTES = 1_000_000

_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
_ELEMENT = re.compile(r"<ProbeConfiguration\s")
_ATTRIBUTE = re.compile(r"\s*([A-Za-z_][\w.:-]*)\s*=\s*(?:\"([^\"]*)\"|'([^']*)')")
_END = re.compile(r"\s*/?>")
_ENTITY = re.compile(r"&(?:lt|gt|amp|quot|apos|#[0-9]{1,7}|#x[0-9A-Fa-f]{1,6});")


@dataclasses.dataclass(frozen=True, slots=True)
class ProbeConfig:
    """Attributes by name, the last of each, and the names given with two values."""

    values: dict[str, str]
    contradictory: tuple[str, ...] = ()

    def is_on(self, name: str) -> bool:
        """Whether the switch *name* is set: ``1``, ``t`` or ``true``.

        >>> ProbeConfig({"UseSSL": "True"}).is_on("UseSSL")
        True
        """
        return self.values.get(name, "").strip().lower() in ("1", "t", "true")


def read_probeconfig(path: Path) -> ProbeConfig:
    """Return the configuration in the file *path*.

    Raises:
        UsageError: It cannot be read, or is no ProbeConfig.
    """
    return parse_probeconfig(read_text(path), where=str(path))


def read_text(path: Path) -> str:
    """Return the text of a file of the official probe.

    Raises:
        UsageError: It cannot be read, is not UTF-8, or is far too large.
    """
    try:
        with path.open("rb") as file:
            content = file.read(LIMIT_BYTES + 1)
        if len(content) > LIMIT_BYTES:
            raise UsageError(str(path), expected="a small text file", found="over 1 MB")
        return content.decode("utf-8")
    except OSError as error:
        raise UsageError(str(path), found=error.strerror or str(error)) from error
    except UnicodeDecodeError as error:
        raise UsageError(str(path), expected="UTF-8 text", found=str(error)) from error


def parse_probeconfig(text: str, *, where: str = "ProbeConfig") -> ProbeConfig:
    """Return the attributes of the element ``ProbeConfiguration`` in *text*.

    >>> parse_probeconfig("<ProbeConfiguration Grid='OSG' UseSSL='0'/>").values
    {'Grid': 'OSG', 'UseSSL': '0'}

    Raises:
        UsageError: There is no such element, or something else stands in it.
    """
    text = _COMMENT.sub("", text)
    element = _ELEMENT.search(text)
    if element is None:
        raise UsageError(
            where,
            expected="<ProbeConfiguration ...>",
            found="none",
            mend="give the official probe's ProbeConfig",
        )
    values: dict[str, str] = {}
    contradictory: list[str] = []
    position = element.end()
    while (found := _ATTRIBUTE.match(text, position)) is not None:
        name, value = found[1], _plain(found[2] if found[3] is None else found[3])
        if values.get(name, value) != value:
            contradictory.append(name)
        values[name] = value
        position = found.end()
    _refuse_rest(text, position, where)
    return ProbeConfig(values, tuple(contradictory))


def _plain(value: str) -> str:
    return _ENTITY.sub(lambda found: html.unescape(found[0]), value)


def _refuse_rest(text: str, position: int, where: str) -> None:
    if _END.match(text, position) is None:
        line = text.count("\n", 0, position) + 1
        rest = text[position:].strip()[:30] or "the end of the file"
        raise UsageError(
            f"{where}: after the attributes, near line {line}",
            expected='NAME="VALUE" or />',
            found=repr(rest),
        )
