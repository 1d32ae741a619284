"""The section [mail]: who gets what, the server, and the files of secrets."""

from pathlib import Path

import pytest

from poolmeter.config import MailConfig, Recipient
from poolmeter.errors import ConfigError, UsageError
from reports.mail_dry_run import file_name
from reports.mail_plan import Addressee, addressees, key_for, server_of
from reports.mail_secrets import read_key, read_password


def _mail(**changes: object) -> MailConfig:
    recipients = {"cms": ("a@vo.example",), "atlas": ("b@vo.example",)}
    settings: dict[str, object] = {"sender": "s@x.example", "recipients": recipients}
    return MailConfig(**(settings | changes))  # type: ignore[arg-type]


def _secret(folder: Path, text: str, mode: int = 0o640) -> Path:
    path = folder / "secret"
    path.write_text(text)
    path.chmod(mode)
    return path


def test_names_are_shown_to_nobody_unless_somebody_says_so() -> None:
    recipients = {"cms": ("a@x.example", Recipient(to="b@x.example", names="full"))}

    plan = addressees(_mail(recipients=recipients))

    assert plan == {
        "cms": (
            Addressee("cms", "a@x.example", "none"),
            Addressee("cms", "b@x.example", "full"),
        )
    }


def test_only_the_asked_vos_are_mailed_each_once() -> None:
    assert list(addressees(_mail(), ("atlas", "atlas"))) == ["atlas"]


def test_a_vo_without_recipients_is_an_error() -> None:
    with pytest.raises(UsageError, match="expected one of 'cms', 'atlas'"):
        addressees(_mail(), ("CMS",))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sender": None}, "expected sender"),
        ({"recipients": {}}, "expected a VO and its addresses"),
        ({"recipients": {"cms": ("a@x.example", "A@x.example")}}, "every address once"),
    ],
)
def test_a_plan_that_cannot_work_is_refused(
    changes: dict[str, object], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        addressees(_mail(**changes))


@pytest.mark.parametrize(
    ("host", "security"),
    [("localhost", "plain"), ("127.0.0.1", "plain"), ("mx.example", "starttls")],
)
def test_what_leaves_the_machine_is_encrypted_by_default(
    host: str, security: str
) -> None:
    assert server_of(_mail(host=host)).security == security


def test_no_password_leaves_the_machine_in_clear_text(tmp_path: Path) -> None:
    password = str(_secret(tmp_path, "word\n"))
    mail = _mail(host="mx.example", security="plain", user="me", password_file=password)

    with pytest.raises(ConfigError, match="clear text"):
        server_of(mail)


def test_a_user_needs_a_password_file() -> None:
    with pytest.raises(ConfigError, match="password_file"):
        server_of(_mail(user="me"))


@pytest.mark.parametrize("mode", [0o644, 0o604, 0o642, 0o601])
def test_a_secret_that_others_may_touch_is_refused(tmp_path: Path, mode: int) -> None:
    path = _secret(tmp_path, "0" * 40, mode)

    for read in (read_password, read_key):
        with pytest.raises(ConfigError, match="chmod o="):
            read(path)


@pytest.mark.parametrize("text", ["", "\n", "two\nlines\n", "a\x00b", "\r\n"])
def test_what_is_no_line_is_no_secret_and_is_not_shown(
    tmp_path: Path, text: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        read_password(_secret(tmp_path, text))

    assert "two" not in str(caught.value)


def test_secrets_are_one_line_without_its_end(tmp_path: Path) -> None:
    assert read_password(_secret(tmp_path, " a b \r\n")) == " a b "
    assert read_key(_secret(tmp_path, "k" * 32 + "\n")) == b"k" * 32


@pytest.mark.parametrize("kind", ["missing", "folder", "short", "umlaut"])
def test_other_secrets_are_refused(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "secret"
    if kind == "folder":
        path.mkdir(mode=0o700)
    elif kind != "missing":
        _secret(tmp_path, "short" if kind == "short" else "pässwörd" * 8)

    with pytest.raises(ConfigError, match="secret"):
        (read_password if kind == "umlaut" else read_key)(path)


def test_the_key_is_wanted_only_for_pseudonyms(tmp_path: Path) -> None:
    mail = _mail()
    assert key_for(mail, addressees(mail)) is None

    mail = _mail(names="pseudonym")
    with pytest.raises(ConfigError, match="openssl rand"):
        key_for(mail, addressees(mail))

    mail = _mail(names="pseudonym", pseudonym_key_file=str(_secret(tmp_path, "k" * 32)))
    assert key_for(mail, addressees(mail)) == b"k" * 32


def test_file_names_are_safe_short_and_different() -> None:
    names = [
        file_name("2026-10", Addressee(vo, "a@x.example", "full"))
        for vo in ("../../x", "/x", ".x", "x\ny", "é" * 300, "é" * 299, "x y", "x  y")
    ]

    assert len(set(names)) == len(names)
    for name in names:
        assert "/" not in name
        assert not name.startswith(".")
        assert name.isprintable()
        assert len(name.encode()) < 200
