"""`scheduler notices`: what owners were told of trouble, and being left alone for a while."""

from datetime import UTC, datetime, timedelta
from typing import Any

import click

from ..errors import DeliveryError, UsageError
from ..lib.clock import iso, to_ms, utc_now
from ..lib.ids import new_ulid
from ..lib.words import parse_length
from ..model import Notice, NoticeKind, NoticeState
from ..notices.notify import MUTED, Notifier, muted_until
from ..store import Store
from .asking import opened
from .context import Context
from .groups import Group, Whole, example
from .moments import say_moment, zone_here, zone_or_utc
from .output import echo_json, table
from .until import read_until

#: Characters of an id (a ULID).
ID_LENGTH = 26
#: What a person reads for each state.
STATES = {
    NoticeState.PENDING: "waits",
    NoticeState.SENDING: "being sent",
    NoticeState.TOLD: "told",
    NoticeState.FAILED: "given up",
}


@click.group(cls=Group, epilog=example("notices list", "notices mute --for 8h", "notices test"))
def notices() -> None:
    """Look at what owners were told of trouble; mute it for a while."""


@notices.command("list", epilog=example("notices list", "notices list --limit 200 --json"))
@click.option("--limit", default=30, show_default=True, type=Whole(1, 1000), help="How many.")
@click.option("--before", default="", help="Go on behind this notice.")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
@click.pass_obj
def list_notices(context: Context, limit: int, before: str, as_json: bool) -> None:
    """List the notices, the newest first, and whether each was told."""
    config = context.config()
    if before and len(before) != ID_LENGTH:
        hint = "Take the one that the end of a list names: scheduler notices list"
        raise UsageError(f"--before {before!r} is no notice's id.", hint=hint)
    with opened(context) as store:
        found = store.notices.latest(limit + 1, before.upper())
        muted = _muted_until(store)
    shown, following = found[:limit], found[limit - 1].id if len(found) > limit else None
    if as_json:
        echo_json("notices", [_data(item) for item in shown], next=following, muted_until=iso(muted) if muted else None)
        return
    if muted:
        click.echo(f"Muted until {say_moment(muted, zone_here(), utc_now())}; to hear again: scheduler notices unmute")
    if not shown:
        click.echo("No notice yet: nothing failed.")
        return
    rows = [_row(item, config.notices.to) for item in shown]
    table(["when", "what", "shop", "report", "to", "", "why"], rows)
    if following:
        click.echo(f"More: scheduler notices list --before {following}")


@notices.command(epilog=example("notices mute --for 8h", "notices mute --until 2026-12-01"))
@click.option("--for", "length", default="", help="How long, like 8h or 2d.")
@click.option("--until", default="", help='Until when: "8h", a day, or a day and time.')
@click.option("--zone", default="", help="Zone in which --until is read; default is this machine's.")
@click.pass_obj
def mute(context: Context, length: str, until: str, zone: str) -> None:
    """
    Tell nobody of trouble until a moment.

    What happens meanwhile is told after it. Exit status: 0 done, 2 the moment cannot be read or lies behind.
    """
    end, shown_in = _end(length, until, zone), zone_or_utc(zone) if zone else zone_here()
    with opened(context) as store:
        store.notebook.remember(MUTED, iso(end))
    click.echo(f"Muted until {say_moment(end, shown_in, utc_now())}. To hear again: scheduler notices unmute")


@notices.command(epilog=example("notices unmute"))
@click.pass_obj
def unmute(context: Context) -> None:
    """Tell owners of trouble again, and of what happened meanwhile."""
    with opened(context) as store:
        was = _muted_until(store)
        store.notebook.remember(MUTED, "")
    click.echo("Notices are told again." if was else "Notices were not muted.")


@notices.command(epilog=example("notices test"))
@click.pass_obj
def test(context: Context) -> int:
    """
    Send one notice now, and say how that went.

    It goes to notices.to and to notices.command.

    Exit status: 0 all that is set was told, 1 something could not be, or nothing is set.
    """
    config, now = context.config(), utc_now()
    with opened(context) as store:
        notifier = Notifier(config, store, "live")
        bad = 0
        ways = [("email", config.notices.to)] if config.notices.to else []
        ways += [("command", "")] if config.notices.command else []
        for channel, address in ways:
            notice = Notice(
                new_ulid(to_ms(now)),
                *(NoticeKind.FAILED, channel, address, "test.myshopify.com", "test", "A test"),
                urgent=True,
                state=NoticeState.PENDING,
                created_at=now,
                error="This is a test: nothing failed.",
            )
            bad += _try(notifier, notice, address or config.notices.command)
    if not ways:
        click.echo('Nobody is told of trouble. Set [notices] to = "you@example.com", or command.')
    return 1 if bad or not ways else 0


def _try(notifier: Notifier, notice: Notice, whom: str) -> int:
    try:
        notifier.send(notice.channel, notice.recipient, [notice])
    except DeliveryError as error:
        click.echo(f"FAILED   {whom}: {error.message}" + (f" {error.hint}" if error.hint else ""))
        return 1
    click.echo(f"OK       told {whom}")
    return 0


def _end(length: str, until: str, zone: str) -> datetime:
    if bool(length) == bool(until):
        raise UsageError("Give --for or --until.", hint="For example: scheduler notices mute --for 8h")
    now = utc_now()
    if until:
        return read_until(until, zone, now)
    try:
        return now + parse_length(length)
    except (ValueError, OverflowError) as error:
        raise UsageError(f"--for {length!r} cannot be read: {error}.", hint="Write --for 8h, or --for 2d.") from None


def _muted_until(store: Store) -> datetime | None:
    end = muted_until(store)
    return end if end and end > utc_now() - timedelta(seconds=1) else None


def _row(item: Notice, nobody: str) -> tuple[str, ...]:
    whom = "the command" if item.channel == "command" else item.recipient or nobody or "nobody (notices.to)"
    report = item.name if item.schedule_id else "all reports"
    what = item.kind.value.replace("_", " ")
    told = STATES[item.state]
    return say_moment(item.created_at, UTC, utc_now()), what, item.shop, report, whom, told, item.error or ""


def _data(item: Notice) -> dict[str, Any]:
    return {
        "id": item.id,
        "kind": item.kind.value,
        "channel": item.channel,
        "recipient": item.recipient or None,
        "shop": item.shop,
        "schedule": item.schedule_id or None,
        "report": item.name,
        "run": item.run_id,
        "state": item.state.value,
        "attempts": item.attempts,
        "created_at": iso(item.created_at),
        "told_at": iso(item.told_at) if item.told_at else None,
        "error_code": item.error_code,
        "error": item.error,
    }
