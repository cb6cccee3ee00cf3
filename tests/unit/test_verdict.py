"""What deliveries make of their run."""

from datetime import UTC, datetime

import pytest

from scheduler_daemon.model import Delivery, DeliveryState, Recipient
from scheduler_daemon.verdict import cancelled, judge

NOW = datetime(2026, 11, 25, 8, tzinfo=UTC)
LETTER = {state.value[0]: state for state in DeliveryState if state is not DeliveryState.SENDING}


def rows(text: str) -> list[Delivery]:
    """Return deliveries as written: ``a0d`` is the original to a, delivered; ``b1f`` the first copy to b, failed."""
    made = []
    for number, (name, copy, state) in enumerate(text.split()):
        to = Recipient("email", f"{name}@acme.example")
        made.append(Delivery(str(number), "run", to, f"{name}{copy}", LETTER[state], int(copy)))
    return made


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("a0d b0d", "succeeded"),
        ("a0d b0f", "partial"),
        ("a0u b0f", "failed"),
        ("a0d b0p", "queued"),
        # Sent again: whoever got any copy has got it.
        ("a0d b0f b1d", "succeeded"),
        ("a0f a1d", "succeeded"),
        ("a0d b0u b1f", "partial"),
        ("a0d b0f b1f b2d", "succeeded"),
        # A copy that fails makes nothing worse, and is tried again like any delivery.
        ("a0d b0d b1f", "succeeded"),
        ("a0d b0d b1u", "succeeded"),
        ("a0d b0d b1p", "queued"),
        # Whoever is no recipient of the report decides nothing.
        ("a0d x1f", "succeeded"),
        ("a0f x1d", "failed"),
        ("a0d b0f x1d", "partial"),
    ],
)
def test_a_run_is_what_its_recipients_got(text: str, status: str) -> None:
    made = judge(rows(text), NOW)
    assert made.status.value == status
    assert (made.not_before == NOW) == (status == "queued")


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("", "skipped"),
        ("a0f b0f", "skipped"),
        ("a0d b0f", "partial"),
        ("a0u b0f", "failed"),
        ("a0d b0d b1f", "succeeded"),
        ("a0f a1f", "failed"),
    ],
)
def test_a_cancelled_run_is_skipped_unless_somebody_has_or_may_have_it(text: str, status: str) -> None:
    made = cancelled(rows(text), NOW)
    assert made.status.value == status
    assert made.reason == ("cancelled" if status == "skipped" else None)
