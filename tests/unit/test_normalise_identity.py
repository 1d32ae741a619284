"""Whose job it was: the ordered rules that give the VO."""

import pytest

from poolmeter.config import Config, parse_config
from poolmeter.record import JobRecord
from tests.ads import Value, completed, normalised

ISSUER_RULES = """
[[vo.rules]]
source = "token_issuer"
groups = ["/cms/prod"]
map = { "https://cms.example.org" = "cms-production" }
[[vo.rules]]
source = "token_issuer"
map = { "https://cms.example.org" = "cms" }
[[vo.rules]]
source = "owner"
map = { alice = "local" }
"""


def record_under(rules: str, **edits: Value) -> JobRecord:
    """Return the record of a job without a proxy, under the VO rules *rules*."""
    config = parse_config(rules) if rules else Config()
    edits = {"x509UserProxyVOName": None, **edits}
    return normalised(completed(**edits), config=config).record


@pytest.mark.parametrize(
    ("edits", "expected"),
    [
        ({"x509UserProxyVOName": '"cms"', "AcctGroup": '"g"'}, ("cms", "x509_vo_name")),
        ({"x509UserProxyFirstFQAN": '"/atlas/Role=NULL"'}, ("atlas", "x509_fqan")),
        ({"AcctGroup": '"group_icecube.sim"'}, ("icecube", "accounting_group")),
        ({"ProjectName": '"astro"'}, ("astro", "project")),
        ({}, ("unknown", "none")),
        ({"AcctGroup": '""', "ProjectName": "undefined"}, ("unknown", "none")),
    ],
)
def test_the_first_rule_that_gives_a_value_wins(
    edits: dict[str, Value], expected: tuple[str, str]
) -> None:
    record = record_under("", **edits)
    assert expected == (record.vo, record.vo_source)


@pytest.mark.parametrize(
    ("edits", "expected"),
    [
        (
            {"AuthTokenGroups": '"/cms,/cms/prod"'},
            ("cms-production", "token_issuer"),
        ),
        ({"AuthTokenGroups": '"/cms"'}, ("cms", "token_issuer")),
        ({}, ("cms", "token_issuer")),
        ({"AuthTokenIssuer": '"https://other"'}, ("local", "owner")),
        (
            {"AuthTokenIssuer": '"https://other"', "Owner": '"bob"'},
            ("unknown", "none"),
        ),
    ],
)
def test_a_token_rule_looks_at_issuer_and_groups(
    edits: dict[str, Value], expected: tuple[str, str]
) -> None:
    edits = {"AuthTokenIssuer": '"https://cms.example.org"', **edits}
    record = record_under(ISSUER_RULES, **edits)
    assert expected == (record.vo, record.vo_source)


def test_the_inputs_of_the_rules_stay_in_the_row_whatever_rule_wins() -> None:
    record = record_under(
        "",
        x509UserProxyVOName='"cms"',
        x509UserProxyFirstFQAN='"/atlas/Role=NULL"',
        AcctGroup='"g"',
        AuthTokenIssuer='"https://i"',
    )
    expected = ("cms", "/atlas/Role=NULL", "g", "https://i")
    assert expected == (
        record.x509_vo_name,
        record.x509_fqan,
        record.accounting_group,
        record.token_issuer,
    )
