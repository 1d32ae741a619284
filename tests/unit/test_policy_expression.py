"""What a policy's expression is where the ledger does not know everything."""

import classad2
import pytest

from poolmeter.errors import UsageError
from reports.policy.expression import TRIAL_TIME, evaluate, holds, parse_expression
from reports.policy.rules import parse_rules

HOLD = "SYSTEM_PERIODIC_HOLD"


def verdict(text: str, **attributes: object) -> bool | None:
    ad = classad2.ClassAd(attributes)
    if "now_s" in attributes:
        ad[TRIAL_TIME] = attributes["now_s"]
    return holds(evaluate(parse_expression(text, "test"), ad))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Status == 2 && Size > 5", True),
        ("Status == 5 && Absent > 3", False),
        ("Status == 2 && Absent > 3", None),
        ("Status == 2 || Absent > 3", True),
        ("Absent =?= undefined", None),
        ("isUndefined(Absent)", None),
        ("ifThenElse(Status == 2, Absent, false)", None),
        ("MY.Size > 5", True),
        ("my.Size > 5 && MY . Status == 2", True),
        ("TARGET.Size > 5", None),
        ("undefined", False),
        ("error", False),
        ('"text"', False),
        ("Size", True),
        ("0", False),
        ('regexp("time\\(\\)|MY.x", "time()MY.x")', True),
    ],
)
def test_three_answers(text: str, expected: bool | None) -> None:
    assert verdict(text, Status=2, Size=6) is expected


def test_time_is_the_jobs_and_not_todays() -> None:
    for text in ("time() - Entered > 10", "MY.CurrentTime - Entered > 10"):
        assert verdict(text, Entered=100, now_s=105) is False
        assert verdict(text, Entered=100, now_s=111) is True
        assert verdict(text, Entered=100) is None


def test_a_string_is_left_as_it_is() -> None:
    reason = parse_expression('strcat("time() MY.x \\"", Size)', "test")
    value = evaluate(reason, classad2.ClassAd({"Size": 1}))
    assert value.known == 'time() MY.x "1'


@pytest.mark.parametrize("text", ["random(2) > 0", 'eval("1")', 'UserHome("root")'])
def test_what_cannot_be_tried_afterwards_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="cannot be tried afterwards"):
        parse_expression(text, "policy p")


def test_no_expression_is_one_line() -> None:
    with pytest.raises(UsageError, match="policy p: expected a ClassAd expression"):
        parse_expression("JobStatus == && 2", "policy p")


def test_rules_are_in_htcondors_order() -> None:
    knobs = {
        HOLD: "true",
        f"{HOLD}_NAMES": "Second, first",
        f"{HOLD}_FIRST": "1",
        f"{HOLD}_SECOND": "2",
        f"{HOLD}_SECOND_REASON": '"why"',
        "SYSTEM_PERIODIC_REMOVE": "3",
    }
    rules = parse_rules(knobs, "p")
    assert [rule.name for rule in rules] == [
        f"{HOLD}_Second",
        f"{HOLD}_first",
        HOLD,
        "SYSTEM_PERIODIC_REMOVE",
    ]
    assert rules[0].reason is not None
    assert rules[0].reason.text == '"why"'


@pytest.mark.parametrize(
    ("knobs", "message"),
    [
        ({}, "found neither"),
        ({f"{HOLD}_NAMES": "Memory"}, "found only its name"),
        ({HOLD: "1", f"{HOLD}_MEMORY": "1"}, "which HTCondor ignores"),
    ],
)
def test_a_policy_that_htcondor_would_not_follow(
    knobs: dict[str, str], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        parse_rules(knobs, "p")
