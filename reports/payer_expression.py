"""A job's VO as a statement names it, as an ibis expression."""

from typing import Any

import ibis

from reports.charge_expression import Table
from reports.line import NO_VO, UNKNOWN

# ibis's own type of it knows no arithmetic.
_ifelse: Any = ibis.ifelse


def payer_of(jobs: Table) -> Any:  # noqa: ANN401 - a column
    """Return the column of names; ``reports.keys.payer_name`` says which."""
    name = jobs.vo.fill_null("")
    return _ifelse(name.isin(["", NO_VO]), UNKNOWN, name)
