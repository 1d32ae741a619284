"""A schedd's hold and removal policy, tried on jobs that have ended."""
