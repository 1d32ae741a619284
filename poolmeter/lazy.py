"""Load a part by its name, only when it is used, and say clearly when it is missing.

The ground floor imports no part.  Where a command or a public function hands over
to one, the part's name stands in a string and is resolved here.
"""

import importlib
from pathlib import Path
from types import ModuleType
from typing import Any

from poolmeter.errors import MissingPartError

_PARTS_THAT_SHIP_TOGETHER = ("collectors", "probe", "reports")


def load(target: str, *, extra: str) -> Any:  # noqa: ANN401 - whatever the name says
    """Return the object that *target* (``"package.module:name"``) names.

    Args:
        target: Module and name within it.
        extra: The optional dependency set that the module needs.

    Raises:
        MissingPartError: A library of *extra* is not installed, or the module found
            under that name is a stranger's.
    """
    module_name, _, name = target.partition(":")
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        raise MissingPartError(
            f"{module_name} needs the library {error.name}, which is not installed",
            mend=f"pip install 'poolmeter[{extra}]'",
        ) from error
    _refuse_stranger(module_name)
    return getattr(module, name)


def _refuse_stranger(module_name: str) -> None:
    """Refuse another distribution's package of one of our plain names."""
    part = module_name.partition(".")[0]
    if part not in _PARTS_THAT_SHIP_TOGETHER:
        return
    ours = _folder_above(importlib.import_module("poolmeter"))
    theirs = _folder_above(importlib.import_module(part))
    if ours != theirs:
        raise MissingPartError(
            f"module {part} is not poolmeter's",
            expected=f"it beside {ours / 'poolmeter'}",
            found=str(theirs / part),
            mend="install poolmeter into a virtual environment of its own",
        )


def _folder_above(module: ModuleType) -> Path:
    """Return the folder that holds *module*'s package."""
    return Path(module.__path__[0]).resolve().parent
