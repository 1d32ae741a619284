"""Measurements on this machine; their tables stand in ``docs/benchmarks.md``."""
