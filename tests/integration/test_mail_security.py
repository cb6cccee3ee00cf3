"""Mail against servers that are strict, broken or hostile: encryption, sign-in, refusals, lost answers, odd names."""

import email
import email.policy
import re
import shutil
import socket
import ssl
import tempfile
import traceback
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.smtp import AuthResult, LoginPassword
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from scheduler_daemon.channels import summary
from scheduler_daemon.channels.address import for_the_wire, parse_address, read_sender
from scheduler_daemon.channels.email import Options
from scheduler_daemon.channels.message import build
from scheduler_daemon.channels.smtp import connect, leave
from scheduler_daemon.errors import CODES, DeliveryError, LeaseLost, UsageError
from scheduler_daemon.model import Recipient
from tests.making import now
from tests.posting import TO, Handler, MailServer, Talk, make_certificate, open_email, parcel

SECRET = "correct-horse"
SIGNED = {"username": "me", "password": SECRET}
BASE64 = b64encode(f"\0me\0{SECRET}".encode())
HEADERS = {
    *("Subject", "From", "To", "Cc", "Reply-To", "Date", "Message-ID", "Auto-Submitted", "X-Report-Key"),
    *("MIME-Version", "Content-Type"),
}

needs_openssl = pytest.mark.skipif(
    shutil.which("openssl") is None, reason="the command openssl, which makes the test's certificates, is not installed"
)


def refused(channel: Any, folder: Path, recipient: Recipient = TO[0], **changes: Any) -> DeliveryError:
    """Deliver, expect an error, and check what is true of every error."""
    try:
        with pytest.raises(DeliveryError) as caught:
            channel.deliver(parcel(folder, **changes), recipient, "k")
    finally:
        channel.close()
    told = "".join(traceback.format_exception(caught.value)) + caught.value.hint
    for secret in (SECRET, BASE64.decode(), b64encode(SECRET.encode()).decode()):
        assert secret not in told
    assert caught.value.code in CODES
    return caught.value


# Encryption ---------------------------------------------------------------------------------------------------------


class Door:
    """Whom a server lets in, and what it was told."""

    def __init__(self, password: str = SECRET) -> None:
        self.password = password
        self.asked: list[tuple[str, str]] = []

    def __call__(self, server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
        assert isinstance(data, LoginPassword)
        self.asked.append((data.login.decode(), data.password.decode()))
        return AuthResult(success=data.password.decode() == self.password)


@needs_openssl
@pytest.mark.parametrize("security", ["none", "starttls", "tls"])
def test_no_small_packet_waits_for_an_acknowledgement(tmp_path: Path, security: str) -> None:
    # Otherwise each final dot lies here for 40 ms, and a process killed meanwhile cannot say what became of its mail.
    authority, context = make_certificate(tmp_path / "tls")
    ways: dict[str, dict[str, Any]] = {"tls": {"tls": context}, "starttls": {"tls_context": context}, "none": {}}
    with MailServer(Handler(), **ways[security]) as server:
        connection = connect(open_email(server.port, security=security, ca_file=str(authority)).options)
        assert connection.sock is not None
        assert connection.sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        leave(connection)


@needs_openssl
@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_mail_goes_through_an_encrypted_connection_after_signing_in(tmp_path: Path, security: str) -> None:
    authority, context = make_certificate(tmp_path / "tls")
    door, handler = Door(), Handler()
    # aiosmtpd does not count a connection that is encrypted from its first byte, so it must be told not to ask.
    implicit = {"tls": context, "auth_require_tls": False}
    explicit = {"tls_context": context, "require_starttls": True, "auth_required": True}
    tls: dict[str, Any] = implicit if security == "tls" else explicit
    with MailServer(handler, authenticator=door, **tls) as server:
        channel = open_email(server.port, security=security, ca_file=str(authority), **SIGNED)
        channel.deliver(parcel(tmp_path), TO[0], "k1")
        channel.deliver(parcel(tmp_path), TO[1], "k2")
        channel.close()
    assert door.asked == [("me", SECRET)]
    assert [to for to, _ in handler.taken] == [["a@acme.example"], ["b@acme.example"]]


@needs_openssl
@pytest.mark.parametrize("security", ["starttls", "tls"])
@pytest.mark.parametrize(
    ("fault", "said", "hint"),
    [
        ("unknown", "self-signed certificate in certificate chain|unable to get local issuer", "email.ca_file"),
        ("other name", "not valid for '127.0.0.1'", "email.host"),
        ("expired", "has expired", "clock"),
    ],
)
def test_a_wrong_certificate_is_refused(tmp_path: Path, security: str, fault: str, said: str, hint: str) -> None:
    days = -1 if fault == "expired" else 2
    name = "DNS:mail.other.example" if fault == "other name" else "IP:127.0.0.1"
    authority, context = make_certificate(tmp_path / "tls", name=name, days=days)
    if fault == "unknown":
        authority, _ = make_certificate(tmp_path / "another")
    door, handler = Door(), Handler()
    tls = {"tls": context} if security == "tls" else {"tls_context": context}
    with MailServer(handler, authenticator=door, auth_require_tls=False, **tls) as server:
        error = refused(open_email(server.port, security=security, ca_file=str(authority), **SIGNED), tmp_path)
    assert (error.code, error.retryable, error.ambiguous) == ("smtp_unavailable", True, False)
    assert "certificate of the mail server 127.0.0.1 is not accepted" in error.message
    assert any(words in error.message for words in said.split("|"))
    assert hint in error.hint
    assert (door.asked, handler.taken) == ([], [])


@pytest.mark.parametrize("answers", [{}, {"starttls": "454 not now"}, {"starttls": "502 what"}])
def test_starttls_never_falls_back_to_clear_text(tmp_path: Path, answers: dict[str, str]) -> None:
    features = ("AUTH PLAIN LOGIN", "SIZE 1000000", *(["STARTTLS"] if answers else []))
    with Talk(features=features, **answers) as talk:
        error = refused(open_email(talk.port, security="starttls", **SIGNED), tmp_path)
    assert (error.code, error.retryable) == ("smtp_unavailable", True)
    if not answers:
        assert "offers no STARTTLS, and nothing is sent in the clear" in error.message
        assert 'email.security = "tls"' in error.hint
    for word in (b"AUTH", b"MAIL", b"RCPT", b"DATA", BASE64):
        assert word not in talk.bytes_heard


def test_the_wrong_kind_of_encryption_is_told(tmp_path: Path) -> None:
    with Talk() as talk:
        error = refused(open_email(talk.port, security="tls", **SIGNED), tmp_path)
    assert error.code == "smtp_unavailable"
    assert "email.security" in error.hint
    assert BASE64 not in talk.bytes_heard


@pytest.mark.parametrize("content", [None, "no certificate"])
def test_a_certificate_file_that_cannot_be_read_is_told(tmp_path: Path, content: str | None) -> None:
    file = tmp_path / "ca.pem"
    if content:
        file.write_text(content)
    error = refused(open_email(1, security="tls", ca_file=str(file)), tmp_path)
    assert (error.code, error.retryable) == ("smtp_unavailable", False)
    assert str(file) in error.message
    assert "email.ca_file" in error.hint


# Signing in ---------------------------------------------------------------------------------------------------------


def own_address() -> str:
    """Return an address of this machine that is not loopback; no packet is sent (TEST-NET-1)."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            return "127.0.0.1"
        return str(probe.getsockname()[0])


def test_a_password_never_goes_to_another_machine_in_the_clear(tmp_path: Path) -> None:
    host = own_address()
    if host.startswith("127."):
        pytest.skip("this machine has no address but loopback")
    with Talk(host=host, features=("AUTH PLAIN LOGIN",)) as talk:
        error = refused(open_email(talk.port, host=host, **SIGNED), tmp_path)
    assert (error.code, error.retryable) == ("smtp_auth", False)
    assert "readable by everyone" in error.message
    assert "starttls" in error.hint
    for word in (b"AUTH", b"MAIL", BASE64):
        assert word not in talk.bytes_heard


@pytest.mark.parametrize(
    ("answer", "retryable"), [("535 no", False), ("454 later", True), (f"535 not {SECRET}", False)]
)
def test_a_refused_password_is_told_without_it(tmp_path: Path, answer: str, retryable: bool) -> None:
    with Talk(features=("AUTH PLAIN",), auth=answer) as talk:
        error = refused(open_email(talk.port, **SIGNED), tmp_path)
    assert (error.code, error.retryable) == ("smtp_auth", retryable)
    assert "'me'" in error.message
    assert b"MAIL" not in talk.bytes_heard


@pytest.mark.parametrize("features", [(), ("AUTH XOAUTH2 GSSAPI",)])
def test_a_server_that_knows_no_passwords_is_told(tmp_path: Path, features: tuple[str, ...]) -> None:
    with Talk(features=features) as talk:
        error = refused(open_email(talk.port, **SIGNED), tmp_path)
    assert (error.code, error.retryable) == ("smtp_auth", False)
    assert "email.username" in error.hint


@pytest.mark.parametrize("features", [("AUTH PLAIN LOGIN",), ("AUTH LOGIN",)])
def test_a_password_of_any_letters_is_never_in_an_error(tmp_path: Path, features: tuple[str, ...]) -> None:
    with Talk(features=features, auth="235 welcome") as talk:
        channel = open_email(talk.port, username="mé", password="pässwörd-猫")
        if "PLAIN" not in features[0]:
            with pytest.raises(DeliveryError) as caught:
                channel.deliver(parcel(tmp_path), TO[0], "k")
            assert caught.value.code == "smtp_auth"
            assert "pässwörd" not in "".join(traceback.format_exception(caught.value))
        else:
            channel.deliver(parcel(tmp_path), TO[0], "k")
            assert b64encode("\0mé\0pässwörd-猫".encode()) in talk.bytes_heard
        channel.close()


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"username": "me"}, "password is not set"),
        ({"username": "me", "password": ""}, "password is not set, or empty"),
        ({"password": SECRET}, "username is not set"),
        ({"from": "apikey"}, "is no sender"),
        ({"from": "a@b.example\r\nBcc: x@y.example"}, "is no sender"),
        ({"from": "Name\n <a@b.example>"}, "is no sender"),
        ({"from": "a@b.example, c@d.example"}, "is no sender"),
        ({"reply_to": "Desk <a@b.example>"}, "address alone"),
        ({"reply_to": "desk"}, "is no sender"),
        ({"timeout": "0s"}, "greater than"),
        ({"host": ""}, "at least 1"),
    ],
)
def test_options_that_cannot_work_are_refused(options: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Options(**{"host": "localhost", "from": "r@s.example"} | options)
    assert problem in str(caught.value)
    assert SECRET not in str(caught.value)


# Every ending -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answers", "code", "retryable", "ambiguous"),
    [
        ({"greeting": "554 no service"}, "smtp_unavailable", True, False),
        ({"greeting": "421 too busy"}, "smtp_unavailable", True, False),
        ({"greeting": None}, "smtp_unavailable", True, False),
        ({"ehlo": None}, "smtp_unavailable", True, False),
        ({"mail": "550 who are you"}, "smtp_refused", False, False),
        ({"mail": "451 later"}, "smtp_refused", True, False),
        ({"mail": "552 too big"}, "message_too_big", False, False),
        ({"mail": "421 too many"}, "smtp_unavailable", True, False),
        ({"mail": "what?"}, "smtp_unavailable", True, False),
        ({"mail": None}, "smtp_unavailable", True, False),
        ({"rcpt": "550 no such user"}, "smtp_refused", False, False),
        ({"rcpt": "450 greylisted"}, "smtp_refused", True, False),
        ({"rcpt": "552 mailbox full"}, "smtp_refused", False, False),
        ({"rcpt": "421 going down"}, "smtp_unavailable", True, False),
        ({"rcpt": None}, "smtp_unavailable", True, False),
        ({"data": "554 no"}, "smtp_refused", False, False),
        ({"data": "452 no room"}, "smtp_refused", True, False),
        ({"data": None}, "smtp_unavailable", True, False),
        ({"body": None}, "smtp_unavailable", True, False),
        ({"dot": "554 spam"}, "smtp_refused", False, False),
        ({"dot": "451 later"}, "smtp_refused", True, False),
        ({"dot": "552 too big after all"}, "message_too_big", False, False),
        ({"dot": "421 going down"}, "smtp_unavailable", True, False),
        ({"dot": None}, "smtp_unknown", False, True),
        ({"dot": "what?"}, "smtp_unknown", False, True),
        ({"dot": "354 more"}, "smtp_unknown", False, True),
        ({"dot": "silence"}, "smtp_unknown", False, True),
        ({"greeting": "silence"}, "smtp_unavailable", True, False),
        ({"rcpt": "silence"}, "smtp_unavailable", True, False),
        ({"greeting": "drip"}, "smtp_unavailable", True, False),
        ({"rcpt": "drip"}, "smtp_unavailable", True, False),
        ({"dot": "drip"}, "smtp_unknown", False, True),
        ({"ehlo": "endless"}, "smtp_unavailable", True, False),
        ({"dot": "endless"}, "smtp_unknown", False, True),
    ],
    ids=lambda value: "-".join(f"{k} {v}" for k, v in value.items()) if isinstance(value, dict) else None,
)
def test_every_answer_is_told_apart(
    tmp_path: Path, answers: dict[str, Any], code: str, retryable: bool, ambiguous: bool
) -> None:
    with Talk(**answers) as talk:
        channel = open_email(talk.port, timeout="500ms", data_timeout="500ms")
        # A mail that one packet holds may be sent whole, its dot too, before the hanging up is noticed.
        content = {"content": b"x" * 20_000_000} if "body" in answers else {}
        error = refused(channel, tmp_path, **content)
        waits = {"silence", "drip"} & {str(answer) for answer in answers.values()}
        (answer,) = answers.values()
    assert (error.code, error.retryable, error.ambiguous) == (code, retryable, ambiguous)
    if waits and not ambiguous:
        assert "timed out" in error.message
    elif answer and " " in answer and not ambiguous:
        assert answer in error.message
    assert len(talk.heard) == 1


@pytest.mark.parametrize(
    "answers",
    [
        {"mail": "553 5.7.1 not yours"},
        {"mail": "501 5.1.7 bad"},
        {"rcpt": "550 5.1.8 <r@sched.example>: Sender address rejected: Domain not found"},
        {"rcpt": "553 5.7.1 <r@sched.example>: Sender address rejected: not owned by user me"},
        {"dot": "550 5.1.7 no such sender"},
    ],
    ids=lambda answers: "-".join(f"{verb} {text[:9]}" for verb, text in answers.items()),
)
def test_a_refused_sender_is_told_as_the_sender_and_to_every_recipient_the_same(
    tmp_path: Path, answers: dict[str, str]
) -> None:
    with Talk(**answers) as talk:
        errors = [refused(open_email(talk.port), tmp_path, to) for to in TO]
    assert len({(error.message, error.hint) for error in errors}) == 1
    assert errors[0].message.startswith("127.0.0.1 refused r@sched.example as the sender: ")
    assert "email.from" in errors[0].hint
    assert (errors[0].code, errors[0].retryable) == ("smtp_refused", False)


@pytest.mark.parametrize("answers", [{"rcpt": "550 5.1.1 no such user"}, {"dot": "554 5.7.1 spam"}])
def test_a_refused_recipient_or_message_names_the_recipient(tmp_path: Path, answers: dict[str, str]) -> None:
    with Talk(**answers) as talk:
        error = refused(open_email(talk.port), tmp_path)
    assert "refused the mail to a@acme.example" in error.message
    assert "email.from" not in error.hint


def test_an_answer_without_an_end_is_cut_off(tmp_path: Path) -> None:
    with Talk(ehlo="endless") as talk:
        error = refused(open_email(talk.port, timeout="10m"), tmp_path)
    assert "its answer does not end" in error.message


@pytest.mark.parametrize("reply", ["250 ok", "251 will forward", "252 perhaps"])
def test_a_forwarded_address_is_taken(tmp_path: Path, reply: str) -> None:
    with Talk(rcpt=reply) as talk:
        channel = open_email(talk.port)
        channel.deliver(parcel(tmp_path), TO[0], "k")
        channel.close()
    assert len(talk.mails) == 1


@pytest.mark.parametrize(
    "answers",
    [
        {"mail": ["250 ok", None, "250 ok"]},
        {"mail": ["250 ok", "421 enough for one connection", "250 ok"]},
        {"rcpt": ["250 ok", None, "250 ok"]},
        {"dot": ["250 ok", "421 enough", "250 ok"]},
    ],
)
def test_a_server_that_hangs_up_between_two_mails_gets_the_second_on_a_new_connection(
    tmp_path: Path, answers: dict[str, Any]
) -> None:
    with Talk(**answers) as talk:
        channel = open_email(talk.port)
        for number, recipient in enumerate(TO):
            channel.deliver(parcel(tmp_path), recipient, f"k{number}")
        channel.close()
    accepted = 4 if "dot" in answers else 3
    assert (len(talk.mails), len(talk.heard)) == (accepted, 2)


def test_a_lost_answer_on_a_used_connection_is_not_sent_again(tmp_path: Path) -> None:
    with Talk(dot=["250 ok", None]) as talk:
        channel = open_email(talk.port)
        channel.deliver(parcel(tmp_path), TO[0], "k1")
        with pytest.raises(DeliveryError) as caught:
            channel.deliver(parcel(tmp_path), TO[1], "k2")
        channel.close()
    assert (caught.value.ambiguous, len(talk.mails), len(talk.heard)) == (True, 2, 1)


def test_a_refused_address_is_told_and_the_next_goes_on_the_same_connection(tmp_path: Path) -> None:
    with Talk(rcpt=["550 no such user", "250 ok"]) as talk:
        channel = open_email(talk.port)
        with pytest.raises(DeliveryError) as caught:
            channel.deliver(parcel(tmp_path), TO[0], "k1")
        channel.deliver(parcel(tmp_path), TO[1], "k2")
        channel.close()
    assert caught.value.message == "127.0.0.1 refused the mail to a@acme.example: 550 no such user."
    assert (len(talk.heard), len(talk.mails)) == (1, 1)
    assert b"RSET\r\n" in [line.upper() for line in talk.heard[0]]


@pytest.mark.parametrize("quit_answer", [None, "500 no", "silence"])
def test_a_goodbye_that_fails_is_no_failure(tmp_path: Path, quit_answer: str | None) -> None:
    with Talk(quit=quit_answer) as talk:
        channel = open_email(talk.port)
        channel.deliver(parcel(tmp_path), TO[0], "k")
        channel.close()
        channel.close()
    assert len(talk.mails) == 1


@pytest.mark.parametrize("host", ["no-such-host.invalid", "a" * 70 + ".example", "a..b"])
def test_a_host_that_does_not_exist_is_told(tmp_path: Path, host: str) -> None:
    error = refused(open_email(25, host=host), tmp_path)
    assert (error.code, error.retryable) == ("smtp_unavailable", True)
    assert host in error.message
    assert "its name" in error.message


# Names in other letters ---------------------------------------------------------------------------------------------

JOSE = Recipient("email", "josé@acme.example")
UTF8 = ("SMTPUTF8", "8BITMIME", "SIZE 1000000")


def test_an_address_in_other_letters_goes_to_a_server_that_knows_them(tmp_path: Path) -> None:
    with Talk(features=UTF8) as talk:
        channel = open_email(talk.port)
        channel.deliver(parcel(tmp_path, to=(JOSE,)), JOSE, "k")
        channel.close()
    said = b"".join(talk.heard[0]).decode()
    assert "rcpt TO:<josé@acme.example>" in said
    assert "SMTPUTF8 BODY=8BITMIME" in said
    assert "To: josé@acme.example\r\n".encode() in talk.mails[0]


def test_an_owner_in_other_letters_is_told_or_it_is_said_that_he_cannot_be() -> None:
    with Talk(features=UTF8) as talk:
        channel = open_email(talk.port)
        channel.tell("Trouble", "It failed.", JOSE.address, "k", now())
        channel.close()
    assert "rcpt TO:<josé@acme.example>" in b"".join(talk.heard[0]).decode()
    assert "To: josé@acme.example\r\n".encode() in talk.mails[0]
    with Talk() as talk:
        channel = open_email(talk.port)
        with pytest.raises(DeliveryError, match="knows no SMTPUTF8") as told:
            channel.tell("Trouble", "It failed.", JOSE.address, "k", now())
        channel.close()
    assert told.value.code == "smtp_refused"


def test_an_address_in_other_letters_is_refused_where_they_are_not_known(tmp_path: Path) -> None:
    to = (TO[0], JOSE)
    with Talk() as talk:
        error = refused(open_email(talk.port), tmp_path, JOSE, to=to)
        assert (error.code, error.retryable) == ("smtp_refused", False)
        assert "josé@acme.example: it knows no SMTPUTF8" in error.message
        assert "plain letters" in error.hint
        assert b"MAIL" not in talk.bytes_heard
        # The others get theirs all the same, and read who else was meant.
        channel = open_email(talk.port)
        channel.deliver(parcel(tmp_path, to=to), TO[0], "k")
        channel.close()
    message = email.message_from_bytes(talk.mails[0], policy=email.policy.default)
    assert talk.mails[0].isascii()
    assert [group.display_name for group in message["To"].groups if not group.addresses] == ["josé@acme.example"]
    assert [item.addr_spec for item in message["To"].addresses] == ["a@acme.example"]


def test_a_domain_in_other_letters_needs_no_such_server(tmp_path: Path) -> None:
    to = Recipient("email", "kasse@faß-münchen.example")
    with Talk() as talk:
        channel = open_email(talk.port)
        channel.deliver(parcel(tmp_path, to=(to,)), to, "k")
        channel.close()
    (line,) = (line for line in talk.heard[0] if line.lower().startswith(b"rcpt"))
    assert line.isascii()
    assert line.split(b"@")[1].startswith(b"xn--")
    assert for_the_wire("a@faß.de") == "a@xn--fa-hia.de"  # IDNA 2008: "fass.de" would be somebody else


def test_a_domain_that_cannot_exist_is_told(tmp_path: Path) -> None:
    bad = Recipient("email", "a@" + "ü" * 60 + ".example")
    with Talk() as talk:
        error = refused(open_email(talk.port), tmp_path, bad)
    assert (error.code, error.retryable) == ("bad_address", False)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a",
        "a@b",
        "a@b.example\r\nBcc: x@y.example",
        "A <a@b.example>",
        "a@b.example, c@d.example",
        "@b.example",
        "a\u202e@b.example",
        "a\ud800@b.example",
        "a\x85@b.example",
    ],
)
def test_an_address_that_is_not_exactly_one_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_address(text)
    assert caught.value.code == "bad_address"
    # A row of the app's table may hold it all the same: its own delivery fails, the others go out.
    to = (Recipient("email", text), TO[0])
    with Talk() as talk:
        error = refused(open_email(talk.port), tmp_path, to[0], to=to)
        channel = open_email(talk.port)
        channel.deliver(parcel(tmp_path, to=to), TO[0], "k")
        channel.close()
    assert (error.code, error.retryable) == ("bad_address", False)
    message = email.message_from_bytes(talk.mails[0], policy=email.policy.default)
    assert (message["To"], message["Bcc"]) == ("a@acme.example", None)


def test_a_sender_is_read_with_or_without_a_name() -> None:
    assert read_sender("reports@localhost") == ("", "reports@localhost")
    assert read_sender('"Acme, Inc." <r@s.example>') == ("Acme, Inc.", "r@s.example")


# Injection ----------------------------------------------------------------------------------------------------------

EVIL = (
    *(
        "x\r\nBcc: evil@x.example",
        "x\nBcc: evil@x.example",
        "x\rBcc: evil@x.example",
        "x\r\n\r\n<script>",
        "x\x00\x0b\x0c",
    ),
    *(
        "x\u2028Bcc: evil@x.example",
        "x\u0085Bcc: evil@x.example",
        "\ud800",
        "\u202efdp.exe",
        "=?utf-8?q?=0ABcc:_e@x.y?=",
    ),
    *("x" * 2000, "é" * 2000, "a " * 1000, '"quoted" <evil@x.example>', ".\r\n.\r\nMAIL FROM:<x@y.example>", "", "   "),
)


def check_mail(data: bytes, to: str = "a@acme.example") -> email.message.EmailMessage:
    message = email.message_from_bytes(data, policy=email.policy.default)
    assert isinstance(message, email.message.EmailMessage)
    assert set(message.keys()) <= HEADERS
    assert len(message.keys()) == len(set(message.keys()))
    assert message["To"] == to
    assert [part.get_content_type() for part in message.walk()] == [
        *("multipart/mixed", "multipart/alternative", "text/plain", "text/html", "text/csv")
    ]
    assert all(len(line) <= 998 for line in data.split(b"\r\n"))
    assert not re.search(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\xff]", data)
    said = str(message["Subject"]) + message.get_body(("plain",)).get_content().replace("\r\n", "\n")
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028-\u202e]", said)
    assert not data.replace(b"\r\n", b"").count(b"\n") + data.replace(b"\r\n", b"").count(b"\r")
    return message


@pytest.mark.parametrize("evil", EVIL, ids=range(len(EVIL)))
@pytest.mark.parametrize("where", ["title", "shop_name", "owner", "late_because", "notes", "key", "name"])
def test_no_text_adds_a_header_or_a_recipient(tmp_path: Path, where: str, evil: str) -> None:
    key = evil if where == "key" else "k"
    changes: dict[str, Any] = {} if where in ("key", "name") else {where: (evil,) if where == "notes" else evil}
    made = parcel(tmp_path, **changes)
    if where == "name":
        object.__setattr__(made.file, "name", evil)
    with Talk() as talk:
        channel = open_email(talk.port)
        try:
            channel.deliver(made, TO[0], key.encode("utf-8", "replace").decode())
        finally:
            channel.close()
    verbs = [line.split()[0].split(b":")[0].upper() for line in talk.heard[0]]
    assert verbs == [b"EHLO", b"MAIL", b"RCPT", b"DATA", b"QUIT"]
    message = check_mail(talk.mails[0])
    assert "evil@x.example" not in {item.addr_spec for item in message["To"].addresses + message["Cc"].addresses}
    (attachment,) = message.iter_attachments()
    assert attachment.get_payload(decode=True) == b"Product,Net\r\nTea,12.50\r\n.\r\n"


def test_a_title_that_looks_encoded_is_shown_as_it_is(tmp_path: Path) -> None:
    evil = "=?utf-8?q?=0ABcc:_e@x.y?="
    message = check_mail(bytes(build(parcel(tmp_path, title=evil), "k", sender=f"{evil} <r@s.example>")))
    assert message["Subject"].startswith(f"{evil}, Acme: ")
    assert message["From"].addresses[0].display_name == evil


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as made:
        yield Path(made)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(title=st.text(max_size=300), shop=st.text(max_size=120))
def test_any_title_makes_a_mail_whose_subject_can_be_read(folder: Path, title: str, shop: str) -> None:
    data = bytes(build(parcel(folder, title=title, shop_name=shop), "k", sender="r@s.example"))
    subject = str(check_mail(data)["Subject"])
    assert subject == summary.subject(parcel(folder, title=title, shop_name=shop).about)
    assert subject.endswith(": 16 to 22 Nov 2026, 1 row until 22 Nov 24:00 Paris")


def test_the_context_of_a_connection_checks_names_and_takes_no_old_protocol() -> None:
    from scheduler_daemon.channels.smtp import _trust

    context = _trust(Options(host="x", **{"from": "r@s.example"}))
    assert context is not None
    assert (context.check_hostname, context.verify_mode) == (True, ssl.CERT_REQUIRED)
    assert context.minimum_version >= ssl.TLSVersion.TLSv1_2


def test_a_mail_is_going_out_only_from_its_final_dot_on(tmp_path: Path) -> None:
    """What is written down as `sending` may have gone out; the less time it is, the fewer mails are ever `unknown`."""
    heard: list[list[bytes]] = []
    with Talk() as talk:
        channel = open_email(talk.port)
        channel.deliver(parcel(tmp_path), TO[0], "k", lambda: heard.append([*talk.heard[-1]]))
        assert heard[0][-1].upper().startswith(b"DATA")
        assert len(talk.mails) == 1
        channel.close()


def test_where_that_cannot_be_written_down_no_mail_goes_out_and_the_connection_is_dropped(tmp_path: Path) -> None:
    def lost() -> None:
        raise LeaseLost("The lease went to another holder.")

    with Talk() as talk:
        channel = open_email(talk.port)
        with pytest.raises(LeaseLost):
            channel.deliver(parcel(tmp_path), TO[0], "k", lost)
        channel.deliver(parcel(tmp_path), TO[1], "k2")
        assert (len(talk.mails), len(talk.heard)) == (1, 2)
        channel.close()


@pytest.mark.parametrize("answers", [{"rcpt": "550 no"}, {"data": "451 later"}, {"mail": "550 no"}])
def test_a_mail_refused_before_its_text_was_never_going_out(tmp_path: Path, answers: dict[str, str]) -> None:
    committed: list[str] = []
    with Talk(**answers) as talk:
        channel = open_email(talk.port)
        with pytest.raises(DeliveryError) as refused:
            channel.deliver(parcel(tmp_path), TO[0], "k", lambda: committed.append("k"))
        assert (refused.value.ambiguous, committed) == (False, [])
        channel.close()
