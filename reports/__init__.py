"""Report part: ledger rows priced, as statements."""
