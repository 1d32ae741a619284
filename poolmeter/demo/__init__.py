"""The main job in miniature: bundled history of a real pool, ledger, statement."""
