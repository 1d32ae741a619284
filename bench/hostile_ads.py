"""What no ordinary job has in its ad and some owner will write: each kind in turn."""

import random
from collections.abc import Callable
from typing import Any

Ad = dict[str, Any]

_BANNER = '"x\\n*** Offset = 0 ClusterId = 666 ProcId = 0 Owner = \\"root\\""'


def spoil(ad: Ad, rng: random.Random) -> None:
    """Make *ad* hostile in one way."""
    rng.choice(WAYS)(ad)


def _look_like_a_banner(ad: Ad) -> None:
    ad["Args"] = ad["ProjectName"] = _BANNER


def _break_a_line(ad: Ad) -> None:
    ad["WF_Broken"] = "0x1F"


def _name_in_other_case(ad: Ad) -> None:
    ad["REQUESTCPUS"] = ad.pop("RequestCpus")
    ad["remotewallclocktime"] = ad.pop("RemoteWallClockTime")


def _say_it_twice(ad: Ad) -> None:
    ad["reMoteUserCpu"] = "3.0"


def _ask_for_the_time(ad: Ad) -> None:
    ad["RequestMemory"] = "time()"


def _compute(ad: Ad) -> None:
    ad["RequestMemory"] = "ifThenElse(NumJobStarts > 1, 4, 2) * 1024 + JobPrio"


def _count_in_words(ad: Ad) -> None:
    ad["NetworkOutgoingExternal"] = '"many"'


def _count_below_zero(ad: Ad) -> None:
    ad["NetworkIncomingExternal"] = "-1"


def _write_a_long_number(ad: Ad) -> None:
    ad["ExitCode"] = "9" * 400


def _edit_the_end(ad: Ad) -> None:
    ad["EnteredCurrentStatus"] = ad["CompletionDate"] = "100000"


def _edit_the_wall_time(ad: Ad) -> None:
    ad["RemoteWallClockTime"] = "1.0"


def _write_other_languages(ad: Ad) -> None:
    ad["ProjectName"] = '"naïve 日本 \\"x\\" C:\\\\path\\"'


def _nest(ad: Ad) -> None:
    ad["RequestDisk"] = '[ a = [ b = { 1, 2.5, "c" } ] ].a.b[0]'


def _share_the_prefix(ad: Ad) -> None:
    ad["NetworkInputMb"] = "12.5"


WAYS: tuple[Callable[[Ad], None], ...] = (
    _look_like_a_banner,
    _break_a_line,
    _name_in_other_case,
    _say_it_twice,
    _ask_for_the_time,
    _compute,
    _count_in_words,
    _count_below_zero,
    _write_a_long_number,
    _edit_the_end,
    _edit_the_wall_time,
    _write_other_languages,
    _nest,
    _share_the_prefix,
)
