"""Find, read and check a price book's file."""

import dataclasses
import difflib
import hashlib
import importlib.resources
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from poolmeter.errors import PriceBookError
from reports.price_book import (
    Allowance,
    Billing,
    Factor,
    InstanceType,
    Network,
    Rate,
    Source,
    Tariff,
    Terms,
    Tier,
    WhatIf,
)

_SHIPPED = importlib.resources.files("reports.prices")
_STRUCTURES = (
    Terms,
    Source,
    Billing,
    Factor,
    InstanceType,
    Rate,
    Network,
    Tariff,
    Tier,
    Allowance,
    Factor,
    WhatIf,
)


@dataclasses.dataclass(frozen=True, slots=True)
class PriceBook:
    """A checked price book and the hash of the file that it was read from."""

    terms: Terms
    sha256: str


def shipped_books() -> list[str]:
    """Return the names of the books that come with poolmeter.

    >>> "ec2-us-east-1-2026" in shipped_books()
    True
    """
    names = (entry.name for entry in _SHIPPED.iterdir())
    return sorted(n.removesuffix(".toml") for n in names if n.endswith(".toml"))


def find_book(name: str) -> PriceBook:
    """Return the book called *name*: a shipped one, or the file at that path.

    What holds a ``/`` or ends in ``.toml`` is a path.  ``BOOK+WHAT_IF`` is the book
    with the tariffs of one of its what-ifs.

    Raises:
        PriceBookError: There is none, or it is not right.
    """
    book_name, plus, what_if = name.rpartition("+")
    if not plus or "/" in what_if or what_if.endswith(".toml"):
        return parse_book(_content(name), where=name)
    return with_what_if(parse_book(_content(book_name), where=book_name), what_if)


def with_what_if(book: PriceBook, name: str) -> PriceBook:
    """Return *book* with the tariffs of its what-if called *name*.

    Raises:
        PriceBookError: It has none of that name.
    """
    for what_if in book.terms.what_if:
        if what_if.name == name:
            network = msgspec.structs.replace(book.terms.network, **what_if.tariffs())
            terms = msgspec.structs.replace(
                book.terms, id=f"{book.terms.id}+{name}", network=network
            )
            return PriceBook(terms, book.sha256)
    raise PriceBookError(
        f"price book {book.terms.id}",
        expected=f"a what-if of {', '.join(w.name for w in book.terms.what_if) or '-'}",
        found=name,
    )


def _content(name: str) -> bytes:
    """Return the file of the book called *name*."""
    if "/" in name or name.endswith(".toml"):
        return _file_content(Path(name))
    if name not in shipped_books():
        raise PriceBookError(
            f"price book {name}",
            expected=f"a path or one of {', '.join(shipped_books())}",
            found="neither",
        )
    return (_SHIPPED / f"{name}.toml").read_bytes()


def _file_content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise PriceBookError(
            f"price book {path}", found=error.strerror or str(error)
        ) from error


def read_book(path: Path) -> PriceBook:
    """Return the book in the file *path*.

    Raises:
        PriceBookError: It cannot be read, or is not right.
    """
    return parse_book(_file_content(path), where=str(path))


def parse_book(content: bytes, *, where: str) -> PriceBook:
    """Return the book that *content* describes.

    A book with a ``base`` is that book with its own keys in place of the base's; its
    hash is that of both files, its own first.

    Raises:
        PriceBookError: Not TOML, a wrong type, an unknown key, an unknown source, a
            gap, an overlap or an undeclared zero; with file and key path.
    """
    data = _parsed(content, where)
    digest = hashlib.sha256(content)
    base = data.get("base")
    if isinstance(base, str):
        base_content = _content(base)
        digest.update(base_content)
        data = _on_base(data, _parsed(base_content, base), where)
    try:
        terms = msgspec.convert(data, Terms)
    except msgspec.ValidationError as error:
        text = str(error)
        raise PriceBookError(
            f"{where}: {_key_path(text, data)}",
            found=text.partition(" - at ")[0],
            mend=_mend(text),
        ) from error
    _check_sources(terms, where)
    return PriceBook(terms, digest.hexdigest())


def _parsed(content: bytes, where: str) -> dict[str, Any]:
    try:
        return tomllib.loads(content.decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise PriceBookError(where, expected="TOML", found=str(error)) from error


def _on_base(data: dict[str, Any], base: dict[str, Any], where: str) -> dict[str, Any]:
    """Return *base* with the keys of *data* in place of its own, and both's sources."""
    if "base" in base:
        raise PriceBookError(
            f"{where}: base", expected="a book without a base", found=data["base"]
        )
    sources = {**base.get("sources", {}), **data.get("sources", {})}
    return {**base, **data, "sources": sources}


def _key_path(message: str, data: dict[str, Any]) -> str:
    """Return the key path in *message*, with the instance type's name if there is one.

    >>> data = {"instances": [{"name": "c5.large"}]}
    >>> _key_path("bad - at `$.instances[0].vcpu`", data)
    'instances[0].vcpu (c5.large)'
    """
    found = re.search(r" - at `\$\.?([^`]*)`", message)
    if found is None:
        return "top level"
    index = re.match(r"instances\[([0-9]+)\]", found[1])
    if index is None:
        return found[1] or "top level"
    instance = data["instances"][int(index[1])]
    name = instance.get("name") if isinstance(instance, dict) else None
    return f"{found[1]} ({name})" if name else found[1]


def _mend(message: str) -> str | None:
    if re.search(r"Expected `str.*got `(float|int)`", message):
        return "write amounts in quotes"
    unknown = re.search(r"unknown field `([^`]*)`", message)
    if unknown is None:
        return None
    names = (f.encode_name for s in _STRUCTURES for f in msgspec.structs.fields(s))
    close = difflib.get_close_matches(unknown[1], sorted(set(names)), n=1)
    return f"did you mean `{close[0]}`?" if close else "see docs/prices.md"


def _check_sources(terms: Terms, where: str) -> None:
    for path, source in _named_sources(terms, ""):
        if source not in terms.sources:
            raise PriceBookError(
                f"{where}: {path}.source",
                expected=f"one of {', '.join(terms.sources)}",
                found=repr(source),
            )


def _named_sources(value: object, path: str) -> Iterator[tuple[str, str]]:
    """Yield the path of every structure that names a source, and that name."""
    if isinstance(value, tuple):
        for index, item in enumerate(value):
            yield from _named_sources(item, f"{path}[{index}]")
    elif isinstance(value, msgspec.Struct):
        for field in value.__struct_fields__:
            item = getattr(value, field)
            if field == "source":
                yield path, item
            else:
                yield from _named_sources(item, f"{path}.{field}".lstrip("."))
