"""What runs inside a pool: copied into it and run by its own shell and Python.

Standard library only, and nothing of this repository.
"""
