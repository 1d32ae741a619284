"""Access-point part: job history in, ledger rows out."""
