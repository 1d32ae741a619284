"""Plots of an HTML page as parts of a mail: mail clients show no ``data:`` images."""

import base64
import binascii
import dataclasses
import hashlib
import re

# Only inside a tag: text of users holds no "<", whatever else it holds.
_IMAGE = re.compile(
    r'(<img\b[^<>]*?\bsrc=")data:image/(png|jpeg|gif);base64,([A-Za-z0-9+/=\s]*)(")',
    re.IGNORECASE,
)


@dataclasses.dataclass(frozen=True, slots=True)
class InlineImage:
    """One image: its Content-ID without brackets, ``png`` (or other), its bytes."""

    content_id: str
    subtype: str
    content: bytes


def with_content_ids(html: str, domain: str) -> tuple[str, tuple[InlineImage, ...]]:
    r"""Return *html* with ``cid:`` in place of inline images, and the images.

    The id is made of the content, so the same image is sent once.  What is no base64
    stays as it is, and so does a vector image.

    >>> html, images = with_content_ids(
    ...     '<img src="data:image/png;base64,AAEC">', "example.org"
    ... )
    >>> html
    '<img src="cid:ae4b3280e56e2faf83f414a6e3dabe9d@example.org">'
    >>> images[0].content
    b'\x00\x01\x02'
    """
    images: dict[str, InlineImage] = {}

    def replaced(match: re.Match[str]) -> str:
        before, subtype, text, after = match.groups()
        try:
            content = base64.b64decode("".join(text.split()), validate=True)
        except binascii.Error:
            return match[0]
        name = f"{hashlib.sha256(content).hexdigest()[:32]}@{domain}"
        images[name] = InlineImage(name, subtype.lower(), content)
        return f"{before}cid:{name}{after}"

    return _IMAGE.sub(replaced, html), tuple(images.values())
