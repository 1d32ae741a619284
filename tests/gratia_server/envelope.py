"""The XML of a bundle, read as leniently and as strictly as the collector reads it.

Go's decoder does not mind undeclared prefixes and looks at local names only; so expat
runs without namespaces here.  No document type is accepted, hence no entity either.
"""

import dataclasses
import functools
from xml.parsers import expat


class XmlRefusedError(ValueError):
    """XML that the collector cannot read."""


@dataclasses.dataclass(slots=True)
class Element:
    """One element: local names only, its own text without that of its children."""

    name: str
    attributes: dict[str, str]
    text: str = ""
    children: "list[Element]" = dataclasses.field(default_factory=list)
    #: Of the root and its children: the bytes from the first "<" to the last ">".
    raw: bytes = b""

    _by_name: "dict[str, list[Element]] | None" = None

    def all(self, name: str) -> "list[Element]":
        """Return the children called *name*; ask when all children are there."""
        if self._by_name is None:
            self._by_name = {}
            for child in self.children:
                self._by_name.setdefault(child.name, []).append(child)
        return self._by_name.get(name, [])

    def last(self, name: str) -> "Element | None":
        """Return the last child called *name*: a repeated one overwrites."""
        found = self.all(name)
        return found[-1] if found else None


def parse(xml: bytes) -> Element:
    """Return the root element of *xml*.

    Raises:
        XmlRefusedError: It is not well-formed, not UTF-8, or declares a type.
    """
    return _Builder(xml).root()


class _Builder:
    """Builds elements from expat's events."""

    def __init__(self, xml: bytes) -> None:
        self._xml = xml
        self._open: list[Element] = []
        self._starts: list[int] = []
        self._root: Element | None = None
        self._parser = expat.ParserCreate("utf-8")
        self._parser.buffer_text = True
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._text
        self._parser.XmlDeclHandler = self._declaration
        self._parser.StartDoctypeDeclHandler = self._document_type

    def root(self) -> Element:
        try:
            self._parser.Parse(self._xml, True)
        except expat.ExpatError as error:
            raise XmlRefusedError(str(error)) from error
        assert self._root is not None
        return self._root

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        local = {_local(key): value for key, value in attributes.items()}
        element = Element(_local(name), local)
        if self._open:
            self._open[-1].children.append(element)
        else:
            self._root = element
        self._open.append(element)
        self._starts.append(self._parser.CurrentByteIndex)

    def _end(self, name: str) -> None:  # noqa: ARG002 - expat's signature
        element, start = self._open.pop(), self._starts.pop()
        if len(self._open) <= 1:
            # At an end tag the index is that of its "<"; of "<a/>" that of the start.
            close = self._xml.index(b">", self._parser.CurrentByteIndex)
            element.raw = self._xml[start : close + 1]

    def _text(self, text: str) -> None:
        self._open[-1].text += text

    def _declaration(self, version: str, encoding: str | None, standalone: int) -> None:
        del version, standalone
        if encoding is not None and encoding.lower() != "utf-8":
            raise XmlRefusedError(f"encoding {encoding}")

    def _document_type(self, *_: object) -> None:
        raise XmlRefusedError("a document type")


@functools.lru_cache
def _local(name: str) -> str:
    return name.rpartition(":")[2]
