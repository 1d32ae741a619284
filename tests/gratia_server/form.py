"""The form of a request, as Go's ``net/http`` reads it."""

import re
import urllib.parse

#: Go reads so much of a form and no more; a longer one counts as no form at all.
FORM_LIMIT_BYTES = 10 * 1024 * 1024
URLENCODED = "application/x-www-form-urlencoded"

_BAD_ESCAPE = re.compile(r"%(?![0-9a-fA-F]{2})")


def parse_form(query: str, content_type: str, body: bytes) -> dict[str, str]:
    """Return the first value of each key; those of the *body* go before the *query*.

    A body of another type, or of more than 10 MiB, gives no keys and no error.
    """
    kind = content_type.partition(";")[0].strip().lower()
    is_form = kind == URLENCODED and len(body) <= FORM_LIMIT_BYTES
    form = _pairs(body.decode("utf-8", "surrogateescape")) if is_form else {}
    return {**_pairs(query), **form}


def _pairs(text: str) -> dict[str, str]:
    pairs: dict[str, str] = {}
    for part in text.split("&"):
        if part and ";" not in part and not _BAD_ESCAPE.search(part):
            key, _, value = part.partition("=")
            pairs.setdefault(_unquoted(key), _unquoted(value))
    return pairs


def _unquoted(text: str) -> str:
    return urllib.parse.unquote_plus(text, errors="surrogateescape")
