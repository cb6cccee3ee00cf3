"""The mail itself, built without touching the network: the same key gives the same bytes."""

import re
from email.message import EmailMessage
from email.policy import SMTP
from hashlib import sha256
from pathlib import Path

from ..model import Recipient
from . import summary
from .base import Parcel

CONTROL = re.compile(r"[\x00-\x1f\x7f\u2028\u2029]+")


def one_line(text: str, limit: int = 200) -> str:
    """Return *text* fit for a header: control characters become spaces, so that no shop title adds a header."""
    return CONTROL.sub(" ", text).strip()[:limit]


def message_id(key: str, sender: str) -> str:
    """Return the Message-ID that a delivery's key always gives."""
    domain = sender.rpartition("@")[2] or "localhost"
    return f"<{sha256(key.encode()).hexdigest()[:32]}@{domain}>"


def build(parcel: Parcel, recipient: Recipient, key: str, *, sender: str, reply_to: str = "") -> EmailMessage:
    """
    Return the message for one recipient.

    To and Cc are the same in every copy and a bcc address is in none (DESIGN 6); text and HTML say the summary, the
    file is attached; no error text is ever in it.
    """
    about = parcel.about
    message = EmailMessage(policy=SMTP)
    shown = summary.days(about.period.start, about.period.end, about.period.zone)
    message["Subject"] = one_line(f"{about.title} – {about.shop_name} – {shown}")
    message["From"] = sender
    for header, role in (("To", "to"), ("Cc", "cc")):
        addresses = [item.address for item in parcel.recipients if item.role == role]
        if addresses:
            message[header] = ", ".join(addresses)
    if not message["To"]:
        message["To"] = sender
    answer = parcel.reply_to or reply_to
    if answer:
        message["Reply-To"] = answer
    # The moment the rows were made, not of sending: a repeat must be the same bytes.
    message["Date"] = about.made_at
    message["Message-ID"] = message_id(key, sender)
    message["Auto-Submitted"] = "auto-generated"
    message["X-Report-Key"] = key
    message.set_content(_text(parcel), cte="quoted-printable")
    message.add_alternative(_html(parcel), subtype="html", cte="quoted-printable")
    kind, _, subtype = parcel.file.media_type.partition("/")
    data = Path(parcel.file.path).read_bytes()
    message.add_attachment(data, maintype=kind, subtype=subtype, filename=one_line(parcel.file.name))
    _fix_boundaries(message, key)
    return message


def _fix_boundaries(message: EmailMessage, key: str) -> None:
    for number, part in enumerate(part for part in message.walk() if part.is_multipart()):
        part.set_boundary(f"=_{sha256(f'{key}/{number}'.encode()).hexdigest()[:40]}")


def _text(parcel: Parcel) -> str:
    about = parcel.about
    width = max(len(name) for name, _ in summary.lines(parcel.file))
    lines = [about.title, ""]
    lines += [f"{name.ljust(width)}  {value}" for name, value in summary.lines(parcel.file)]
    if about.late_because:
        lines += ["", f"Late because {about.late_because}"]
    lines += [line for note in about.notes for line in ("", note)]
    return "\n".join(lines) + "\n"


def _html(parcel: Parcel) -> str:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    loader = PackageLoader("scheduler_daemon.channels")
    world = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    return world.get_template("mail.html").render(about=parcel.about, lines=summary.lines(parcel.file))
