"""The accounts inside the pool: HTCondor's own and the people who submit jobs."""

from pathlib import Path

CONDOR_ID = 990
SSHD_ID = 991
# Far above what Debian gives to people, so that files of a pool on the machine's disk
# look like nobody's in particular.
FIRST_USER_ID = 2001
USERS = ("alice", "bob", "carol", "dave", "erin", "frank", "grace", "heidi")


def user_id(user: str) -> int:
    """Return the number, of user and group alike, of an account in the pool.

    >>> user_id("alice"), user_id("root")
    (2001, 0)
    """
    system = {"root": 0, "condor": CONDOR_ID, "sshd": SSHD_ID}
    return system[user] if user in system else FIRST_USER_ID + USERS.index(user)


def add_accounts(root: Path) -> None:
    """Write the account files of *root*; the homes are made when a pool starts."""
    masters = root / "usr/share/base-passwd"
    passwd = (masters / "passwd.master").read_text().replace(":*:", ":x:")
    group = (masters / "group.master").read_text().replace(":*:", ":x:")
    passwd += f"condor:x:{CONDOR_ID}:{CONDOR_ID}::/var/lib/condor:/usr/sbin/nologin\n"
    passwd += f"sshd:x:{SSHD_ID}:65534::/run/sshd:/usr/sbin/nologin\n"
    group += f"condor:x:{CONDOR_ID}:\n"
    for user in USERS:
        number = user_id(user)
        passwd += f"{user}:x:{number}:{number}::/home/{user}:/bin/bash\n"
        group += f"{user}:x:{number}:\n"
    (root / "etc/passwd").write_text(passwd)
    (root / "etc/group").write_text(group)
