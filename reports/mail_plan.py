"""Who is to get which statement, and through which server: the section ``[mail]``."""

import dataclasses
import ipaddress
from collections.abc import Sequence
from pathlib import Path

from poolmeter.config import MailConfig, Names, Recipient, Security
from poolmeter.errors import ConfigError, UsageError
from reports.mail_secrets import read_key, read_password
from reports.mail_smtp import Server


@dataclasses.dataclass(frozen=True, slots=True)
class Addressee:
    """One recipient of one VO's statement, and how it may read people's names."""

    vo: str
    to: str
    names: Names


def addressees(
    mail: MailConfig, vos: Sequence[str] = ()
) -> dict[str, tuple[Addressee, ...]]:
    """Return the recipients of each of *vos*, or of every VO that has some.

    Raises:
        ConfigError: There is no sender, no recipient, or one twice.
        UsageError: One of *vos* has no recipients.
    """
    if mail.sender is None:
        raise ConfigError("[mail]", expected="sender", found="none", mend="set it")
    if not mail.recipients:
        raise ConfigError(
            "[mail.recipients]",
            expected="a VO and its addresses",
            found="none",
            mend='write, for instance: cms = ["cms-managers@example.org"]',
        )
    for vo in vos:
        if vo not in mail.recipients:
            raise UsageError(
                f"VO {vo!r}",
                expected=f"one of {', '.join(map(repr, mail.recipients))}",
                mend="add it to [mail.recipients]",
            )
    chosen = dict.fromkeys(vos or mail.recipients)
    return {vo: _of_vo(mail, vo) for vo in chosen}


def _of_vo(mail: MailConfig, vo: str) -> tuple[Addressee, ...]:
    found: dict[str, Addressee] = {}
    for entry in mail.recipients[vo]:
        recipient = Recipient(to=entry) if isinstance(entry, str) else entry
        address = recipient.to.casefold()
        if address in found:
            raise ConfigError(
                f"[mail.recipients] {vo!r}",
                expected="every address once",
                found=f"{recipient.to} twice",
            )
        found[address] = Addressee(vo, recipient.to, recipient.names or mail.names)
    return tuple(found.values())


def key_for(mail: MailConfig, plan: dict[str, tuple[Addressee, ...]]) -> bytes | None:
    """Return the key of the pseudonyms, if anybody in *plan* gets pseudonyms.

    Raises:
        ConfigError: It is needed and there is none, or it is not kept secret.
    """
    everybody = (one for of_vo in plan.values() for one in of_vo)
    if not any(one.names == "pseudonym" for one in everybody):
        return None
    if mail.pseudonym_key_file is None:
        raise ConfigError(
            "[mail]",
            expected='pseudonym_key_file, since names = "pseudonym"',
            found="none",
            mend="openssl rand -hex 32 > FILE; chmod o= FILE",
        )
    return read_key(Path(mail.pseudonym_key_file))


def server_of(mail: MailConfig) -> Server:
    """Return the mail server as ``[mail]`` describes it, with the password read.

    Raises:
        ConfigError: A user without a password file, or a password that would leave
            this machine in clear text; or the password file cannot be used.
    """
    security: Security = mail.security or (
        "plain" if _is_this_machine(mail.host) else "starttls"
    )
    password = None
    if mail.user is not None:
        if security == "plain" and not _is_this_machine(mail.host):
            raise ConfigError(
                '[mail] security = "plain"',
                expected="no user, since the password would be sent in clear text",
                mend='use security = "starttls" or "tls"',
            )
        if mail.password_file is None:
            raise ConfigError("[mail] user", expected="password_file as well")
        if not (mail.user.isascii() and mail.user.isprintable()):
            raise ConfigError("[mail] user", expected="printable ASCII characters")
        password = read_password(Path(mail.password_file))
    if mail.ca_file is not None and not Path(mail.ca_file).is_file():
        raise ConfigError(f"[mail] ca_file {mail.ca_file}", expected="a file")
    return Server(
        host=mail.host,
        port=mail.port,
        security=security,
        user=mail.user,
        password=password,
        ca_file=mail.ca_file,
        timeout_s=mail.timeout_s,
    )


def _is_this_machine(host: str) -> bool:
    """Tell whether *host* is the loopback.

    >>> [_is_this_machine(h) for h in ("localhost", "127.0.0.1", "::1", "mx.org")]
    [True, True, True, False]
    """
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
