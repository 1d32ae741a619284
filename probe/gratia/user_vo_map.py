"""The official probe's ``user-vo-map``: which account belongs to which VO.

Two comment lines, ``#voi`` and ``#VOc``, hold the VOs' names in small letters and as
they are reported, in the same order; other lines are an account and a VO of ``#voi``.
"""

import dataclasses

_SMALL, _REPORTED = "#voi", "#VOc"
_WORDS = 2


@dataclasses.dataclass(frozen=True, slots=True)
class UserVoMap:
    """The reported VO of each account, and a line for each thing that is odd."""

    vo_of: dict[str, str]
    faults: tuple[str, ...] = ()


def parse_user_vo_map(text: str, *, where: str = "user-vo-map") -> UserVoMap:
    r"""Return the map that *text* holds; what is no entry is named, not taken.

    >>> parse_user_vo_map("#voi cms\n#VOc CMS\nuscms01 cms\n").vo_of
    {'uscms01': 'CMS'}
    """
    lines = [line.split() for line in text.splitlines()]
    reported = _reported_names(lines)
    vo_of: dict[str, str] = {}
    faults: list[str] = []
    for number, words in enumerate(lines, start=1):
        if not words or words[0].startswith("#"):
            continue
        if len(words) != _WORDS:
            faults.append(
                f"{where}:{number}: expected ACCOUNT VO, found {' '.join(words)!r}; "
                "left out"
            )
            continue
        account, name = words
        vo = reported.get(name, name)
        if vo_of.get(account, vo) != vo:
            faults.append(f"{where}:{number}: {account} is mapped twice; {vo} is taken")
        vo_of[account] = vo
    return UserVoMap(vo_of, tuple(faults))


def _reported_names(lines: list[list[str]]) -> dict[str, str]:
    """Return the name that is reported for each name in small letters."""
    names: dict[str, list[str]] = {_SMALL: [], _REPORTED: []}
    for words in lines:
        if words and words[0] in names:
            names[words[0]] = words[1:]
    return dict(zip(names[_SMALL], names[_REPORTED], strict=False))
