"""A pool's whole life, on a machine that its caller has for itself.

    python -m tests.pool.one_life

Ends with an error where the pool left something behind.  Mounts, links and named
namespaces are compared as a whole, so this is for namespaces of its own, in which
nobody else makes any; cgroups are the machine's, so there only names are.
"""

from tests.pool.footprint import footprint, foreign_namespaces, processes_in
from tests.pool.pool import Pool


def main() -> None:
    """Start a pool, use it, end it, and compare the machine with what it was."""
    before = footprint()
    with Pool() as pool:
        name = pool.spaces.state.name
        inside = foreign_namespaces(pool.spaces.init_pid)
        assert len(inside) == 6
        assert any(name in folder for folder in footprint()["folders"])
        pool.run(["nft", "add table inet left_behind"])
        job = pool.ap.submit_one("executable = /usr/bin/sleep\narguments = 600")
        pool.ap.await_running(job)
        assert len(processes_in(inside)) > 8
    assert processes_in(inside) == []
    after = footprint()
    assert name not in after.pop("cgroups")
    assert after == {kind: names for kind, names in before.items() if kind != "cgroups"}


if __name__ == "__main__":
    main()
