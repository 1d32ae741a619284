"""Print the periodic policy of the configuration that ``CONDOR_CONFIG`` names, as JSON.

Run as a process of its own, because HTCondor's library reads its configuration once,
on import.  Names are printed in capitals; macros are expanded by HTCondor itself.
"""

import json
import sys

import htcondor2

PREFIX = "SYSTEM_PERIODIC_"


def periodic_knobs() -> dict[str, str]:
    """Return every knob of the periodic policy that has a value."""
    names = [name for name in htcondor2.param if name.upper().startswith(PREFIX)]
    values = {name.upper(): htcondor2.param.get(name) for name in names}
    return {name: value for name, value in values.items() if value}


if __name__ == "__main__":
    json.dump(periodic_knobs(), sys.stdout)
