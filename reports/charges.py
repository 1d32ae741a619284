"""What becomes of a job: the words that sums of charges and statements share."""

PRICED = "priced"
UNPRICED = "unpriced"
UNBILLED = "unbilled"
WALL_UNKNOWN = "wall_time_unknown"
