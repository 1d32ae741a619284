"""The engine keeps to itself."""

from reports.duckdb_connection import connection


def test_no_progress_bar_is_drawn_into_our_output() -> None:
    """DuckDB would, for a query of more than two seconds, even into a pipe."""
    with connection() as database:
        query = "SELECT current_setting('enable_progress_bar')"

        assert database.execute(query).fetchall() == [(False,)]
