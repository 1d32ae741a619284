"""Per-job accounting for HTCondor pools: the ground floor that all parts import."""

__version__ = "0.1.0"
