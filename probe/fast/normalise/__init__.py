"""The rules of ``probe.normalise``, for many records at once.

Each module has the name of the one that it mirrors, and the same cells come out.
"""
