"""The mode redirect: all mail goes to one address, and each says to whom it would have gone."""

from collections.abc import Sequence

from .lib.words import plural
from .model import Delivery, Receipt, Recipient, Run

#: In a receipt: the address that a redirected mail went to, and those that it would have gone to.
WENT_TO, INSTEAD_OF = "redirected_to", "instead_of"
#: Addresses named on a screen; the others are counted.
MOST = 5


def instead_of(run: Run, row: Delivery, redirect_to: str) -> tuple[str, ...] | None:
    """
    Return to whom a redirected mail would have gone: whoever *row* was written down for, else the run's recipients.

    Of a copy that was asked for by hand only where it goes is written down: then nobody is named. None where it goes
    to whom it was meant for.
    """
    if row.recipient.address != redirect_to:
        return (_named(row.recipient),)
    others = tuple(_named(item) for item in _mails(run) if item.address != redirect_to)
    return () if row.copy else others or None


def marked(receipt: Receipt, redirect_to: str, others: Sequence[str]) -> Receipt:
    """Return *receipt* with what the history shows of a redirected mail."""
    return Receipt({**receipt.facts, WENT_TO: redirect_to, INSTEAD_OF: list(others)})


def shown(run: Run, row: Delivery) -> str:
    """
    Return the address that a mail went to, or goes to; of a redirected one with those that it would have gone to.

    ``staging@acme.example (redirected, instead of cfo@acme.example)``.
    """
    receipt = row.receipt or {}
    to, others = receipt.get(WENT_TO), receipt.get(INSTEAD_OF)
    if isinstance(to, str):
        return f"{to} ({_told(others if isinstance(others, list) else [])})"
    waits = row.receipt is None and row.recipient.channel == "email" and not row.copy
    mails = _mails(run) if waits else ()
    if mails and row.recipient.address not in {item.address for item in mails}:
        return f"{row.recipient.address} ({_told([_named(item) for item in mails])})"
    return row.recipient.address


def _mails(run: Run) -> tuple[Recipient, ...]:
    return tuple(item for item in run.recipients if item.channel == "email")


def _named(recipient: Recipient) -> str:
    return recipient.address if recipient.role == "to" else f"{recipient.address} ({recipient.role})"


def _told(names: Sequence[object]) -> str:
    if not names:
        return "redirected"
    rest = len(names) - MOST
    more = f" and {plural(rest, 'other')}" if rest > 0 else ""
    return f"redirected, instead of {', '.join(str(name) for name in names[:MOST])}{more}"
