"""The log's two forms: sentences for people, and for machines the plain values of which they are made."""

import io
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import structlog

from scheduler_daemon.lib.secret import Secret
from scheduler_daemon.logs import configure, say

AT = datetime(2026, 11, 25, 8, 30, 5, 678_900, tzinfo=UTC)
RUN: dict[str, Any] = {"name": "Weekly", "shop": "a.example"}


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    yield
    structlog.reset_defaults()


def said(format: str, event: str, fields: dict[str, Any]) -> str:
    out = io.StringIO()
    configure("debug", format, out)
    say(event, **fields)
    return out.getvalue().rstrip("\n")


@pytest.mark.parametrize(
    ("event", "fields", "sentence"),
    [
        ("check_found", {"due": 1, "unreadable": 0}, "Found 1 report due to run"),
        ("check_found", {"due": 1200, "unreadable": 2}, "Found 1,200 reports due to run; 2 cannot be read"),
        ("check_grouped", {"shops": 2}, "Processing reports for 2 shops"),
        ("shop_started", {"reports": 2, "shop": "a.example"}, "Executing 2 reports for a.example"),
        (
            "shop_finished",
            {"shop": "a.example", "succeeded": 2, "failed": 0, "skipped": 0},
            "Completed for a.example: 2 succeeded, 0 failed",
        ),
        (
            "shop_finished",
            {"shop": "a.example", "succeeded": 0, "failed": 0, "skipped": 1},
            "Completed for a.example: 0 succeeded, 0 failed, 1 skipped",
        ),
        ("run_finished", {**RUN, "status": "succeeded", "error": None}, "Report Weekly of a.example: succeeded"),
        ("run_finished", {**RUN, "status": "failed", "error": "No."}, "Report Weekly of a.example: failed (No.)"),
        ("run_retry", {**RUN, "at": AT, "error": None}, "Report Weekly of a.example is tried again at 08:30:05 UTC: "),
        (
            "all_paused",
            {"until": AT, "note": "moving", "due": 3},
            "All reports are paused until Wed 25 Nov 2026 08:30 UTC (moving): 3 due, nothing is started. "
            "Next: scheduler resume",
        ),
        (
            "all_paused",
            {"until": None, "note": "", "due": 0},
            "All reports are paused: 0 due, nothing is started. Next: scheduler resume",
        ),
        ("config_reloaded", {"changed": ["a", "b"]}, "The configuration was read again: a, b"),
        ("config_reloaded", {"changed": []}, "The configuration was read again"),
        ("config_needs_restart", {"options": ["a", "b"]}, "These options are taken at the next start only: a, b"),
        ("notices_told", {"recipient": "o@a.example", "notices": 1}, "Told o@a.example of 1 notice"),
        ("tidied", {"rows": 0, "files": 1}, "Removed 0 old runs and the files of 1 run"),
        ("daemon_stopped", {"unfinished": []}, "Background scheduler stopped"),
    ],
)
def test_a_sentence_is_made_of_plain_values(event: str, fields: dict[str, Any], sentence: str) -> None:
    shown = said("console", event, fields)
    assert shown == f"[Scheduler] {sentence}"
    data = json.loads(said("json", event, fields))
    assert data["event"] == event
    plain = {key: "2026-11-25T08:30:05.678Z" if value is AT else value for key, value in fields.items()}
    assert {key: data[key] for key in fields} == plain


def test_no_secret_leaves_in_a_text_a_list_or_a_field_of_its_own() -> None:
    token = "shpat_0123456789abcdef"
    for form in ("console", "json"):
        shown = said(form, "config_reloaded", {"changed": [f"x {token}"], "error": token, "key": Secret(token)})
        assert token not in shown
        assert "****" in shown


def test_braces_that_a_merchant_typed_are_text() -> None:
    shown = said("console", "run_finished", {**RUN, "name": "{shop} {0.x} {", "status": "failed", "error": "{#}"})
    assert shown == "[Scheduler] Report {shop} {0.x} { of a.example: failed ({#})"
