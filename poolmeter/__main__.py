"""``python -m poolmeter``."""

from poolmeter.cli import main

main()
