"""The node journal: what each job's run was counted, readable by root alone."""
