"""A policy file: which jobs a schedd would hold or remove, in HTCondor's own words.

The knobs are those of the HTCondor manual ("Configuration Macros", schedd):
``SYSTEM_PERIODIC_HOLD``, ``SYSTEM_PERIODIC_REMOVE``, their ``_NAMES`` lists, and for
each a ``_REASON``.  ``_RELEASE`` and ``_VACATE`` save no time and are not tried.
"""

import dataclasses
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from poolmeter.errors import UsageError
from reports.policy.expression import Expression, parse_expression

Action = Literal["hold", "remove"]
_ACTIONS: tuple[Action, ...] = ("hold", "remove")
_READ_LIMIT_S = 60
_SUFFIXES = ("_REASON", "_SUBCODE")


@dataclasses.dataclass(frozen=True, slots=True)
class Rule:
    """One expression of the policy; ``name`` is its knob."""

    action: Action
    name: str
    condition: Expression
    reason: Expression | None


def read_rules(path: Path) -> tuple[Rule, ...]:
    """Return the rules of the HTCondor configuration file *path*, in HTCondor's order.

    Raises:
        UsageError: It cannot be read, is no configuration, has no rule, or a rule
            cannot be tried.
    """
    if not path.is_file():
        raise UsageError(
            f"policy {path}", expected="a file", found="none", mend="check the path"
        )
    return parse_rules(read_knobs(path), str(path))


def read_knobs(path: Path) -> dict[str, str]:
    """Return the periodic policy of *path*, as HTCondor itself reads it.

    Raises:
        UsageError: HTCondor refuses the file.
    """
    variables = {
        name: value
        for name, value in os.environ.items()
        if not name.upper().startswith("_CONDOR_")
    }
    variables["CONDOR_CONFIG"] = str(path.absolute())
    done = subprocess.run(
        [sys.executable, "-m", "reports.policy.knobs"],
        env=variables,
        capture_output=True,
        text=True,
        timeout=_READ_LIMIT_S,
        check=False,
        cwd=Path(__file__).parents[2],
    )
    if done.returncode != 0:
        found = " ".join(done.stderr.split()[-40:])
        raise UsageError(
            f"policy {path}", expected="HTCondor configuration", found=found
        )
    knobs: dict[str, str] = json.loads(done.stdout)
    return knobs


def parse_rules(knobs: Mapping[str, str], where: str) -> tuple[Rule, ...]:
    """Return the rules that *knobs*, by name in capitals, describe.

    >>> knobs = {"SYSTEM_PERIODIC_HOLD": "NumJobStarts > 10"}
    >>> [(rule.action, rule.name) for rule in parse_rules(knobs, "example")]
    [('hold', 'SYSTEM_PERIODIC_HOLD')]

    Raises:
        UsageError: There is no rule, or one cannot be tried.
    """
    rules = [rule for action in _ACTIONS for rule in _rules_of(action, knobs, where)]
    if not rules:
        raise UsageError(
            f"policy {where}",
            expected="SYSTEM_PERIODIC_HOLD or SYSTEM_PERIODIC_REMOVE",
            found="neither",
        )
    return tuple(rules)


def _rules_of(action: Action, knobs: Mapping[str, str], where: str) -> list[Rule]:
    base = f"SYSTEM_PERIODIC_{action.upper()}"
    listed = knobs.get(f"{base}_NAMES", "").replace(",", " ").split()
    names = [f"{base}_{name}" for name in listed]
    _refuse_unlisted(base, {name.upper() for name in names}, knobs, where)
    rules = []
    for name in [*names, *([base] if base in knobs else [])]:
        text = knobs.get(name.upper())
        if text is None:
            raise UsageError(
                f"policy {where}", expected=name, found=f"only its name in {base}_NAMES"
            )
        reason = knobs.get(f"{name.upper()}_REASON")
        rules.append(
            Rule(
                action,
                name,
                parse_expression(text, f"policy {where}: {name}"),
                parse_expression(reason, f"policy {where}: {name}_REASON")
                if reason
                else None,
            )
        )
    return rules


def _refuse_unlisted(
    base: str, names: set[str], knobs: Mapping[str, str], where: str
) -> None:
    """Refuse a rule that HTCondor would not read: its name stands in no list."""
    known = {base, f"{base}_NAMES", *names}
    known |= {name + suffix for name in (base, *names) for suffix in _SUFFIXES}
    for knob in knobs:
        if knob.startswith(f"{base}_") and knob not in known:
            raise UsageError(
                f"policy {where}",
                found=f"{knob}, which HTCondor ignores",
                mend=f"add its name to {base}_NAMES",
            )
