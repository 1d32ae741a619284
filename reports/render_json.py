"""A statement as JSON text."""

import json

from reports.statement_data import Statement


def render_json(statement: Statement) -> str:
    """Return *statement* as JSON in ASCII, keys in the format's own order.

    Everything outside ASCII is escaped, so that no terminal acts on user text.
    """
    return json.dumps(statement.to_json(), ensure_ascii=True, indent=2) + "\n"
