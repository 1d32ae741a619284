"""Secrets of the mail: files that nobody else on the machine can read."""

import os
import stat
from pathlib import Path

from poolmeter.errors import ConfigError

#: Enough for any password or key; a larger file is something else.
_LARGEST_BYTES = 4096
_FEWEST_KEY_CHARACTERS = 32
_OTHERS = stat.S_IRWXO


def read_password(path: Path) -> str:
    """Return the password in *path*: its one line, of printable ASCII.

    Raises:
        ConfigError: The file cannot be read, others may use it, or it is no password.
    """
    password = _read_line(path, "password")
    # smtplib encodes passwords as ASCII and fails with a traceback otherwise.
    if not password.isascii():
        raise ConfigError(f"password file {path}", expected="ASCII characters only")
    return password


def read_key(path: Path) -> bytes:
    """Return the key of the pseudonyms in *path*: one line of 32 characters or more.

    Raises:
        ConfigError: The file cannot be read, others may use it, or it is too short.
    """
    key = _read_line(path, "pseudonym key")
    if len(key) < _FEWEST_KEY_CHARACTERS:
        raise ConfigError(
            f"pseudonym key file {path}",
            expected=f"at least {_FEWEST_KEY_CHARACTERS} characters",
            found=str(len(key)),
            mend=f"openssl rand -hex 32 > {path}",
        )
    return key.encode()


def _read_line(path: Path, what: str) -> str:
    where = f"{what} file {path}"
    try:
        text = _read_private(path, where).decode()
    except OSError as error:
        raise ConfigError(where, found=error.strerror or str(error)) from error
    except UnicodeDecodeError as error:
        raise ConfigError(where, expected="UTF-8 text", found="other bytes") from error
    line = text.removesuffix("\n").removesuffix("\r")
    if not line or not line.isprintable():
        # What was found is not shown: it may be the secret.
        raise ConfigError(where, expected="one line of printable characters")
    return line


def _read_private(path: Path, where: str) -> bytes:
    """Return the bytes of *path*; the file that is checked is the one that is read."""
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC
    with open(os.open(path, flags), "rb") as file:  # noqa: PTH123 - a descriptor
        mode = os.fstat(file.fileno()).st_mode
        if not stat.S_ISREG(mode):
            raise ConfigError(where, expected="a regular file")
        if mode & _OTHERS:
            raise ConfigError(
                where,
                expected="a file that others cannot read",
                found=f"mode {stat.S_IMODE(mode):04o}",
                mend=f"chmod o= {path}",
            )
        return file.read(_LARGEST_BYTES)
