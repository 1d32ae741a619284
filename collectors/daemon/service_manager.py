"""What systemd is told (sd_notify(3)), and the form of its log (sd-daemon(3))."""

import logging
import os
import socket
import sys
import time

#: syslog's levels, by which journald sorts lines.
LEVELS = {logging.DEBUG: 7, logging.INFO: 6, logging.WARNING: 4, logging.ERROR: 3}


def notify(**fields: str | int) -> None:
    """Tell the service manager that started us, if one did; never fails."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    if address.startswith("@"):
        address = "\0" + address[1:]
    text = "\n".join(f"{name.upper()}={value}" for name, value in fields.items())
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
        try:
            channel.sendto(text.encode(), address)
        except OSError as error:
            logging.getLogger(__name__).debug("notify: %s", error)


def notify_reloading() -> None:
    """Tell that the configuration is being read again (``Type=notify-reload``)."""
    usec = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    notify(reloading=1, monotonic_usec=usec)


class JournalFormatter(logging.Formatter):
    """One line an event, with the level in front where journald reads it."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line; an error's traceback follows in the same one."""
        text = super().format(record).replace("\n", " | ")
        return f"<{LEVELS.get(record.levelno, 6)}>{text}"


def log_to_stderr(*, debug: bool) -> None:
    """Log to standard error, in journald's form where that is what reads it."""
    handler = logging.StreamHandler(sys.stderr)
    if os.environ.get("JOURNAL_STREAM"):
        handler.setFormatter(JournalFormatter("%(message)s"))
    else:
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    root = logging.getLogger("collectors")
    root.handlers[:] = [handler]
    root.setLevel(logging.DEBUG if debug else logging.INFO)
