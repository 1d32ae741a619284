"""The calendar month, as this package imports it; it lives on the ground floor."""

from poolmeter.months import Month, parse_month, start_of_day_s

__all__ = ["Month", "parse_month", "start_of_day_s"]
