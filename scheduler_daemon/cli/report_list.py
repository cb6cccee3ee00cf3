"""`scheduler reports list`: the schedules in columns, page by page."""

from collections.abc import Iterator

import click

from ..channels.address import parse_address
from ..lib.clock import iso, utc_now
from ..store import SeenSchedule, Store
from ..when.recurrence import to_json
from ..when.rule_text import sentence
from .asking import find_report, known_shop, opened
from .context import Context
from .groups import Whole, example
from .moments import say_moment, zone_or_utc
from .output import echo_json, table

#: Rows read at once while a filter looks for the ones that fit.
PAGE = 500
#: Sorts before every id: a list that has more than one page goes by id from its beginning.
FIRST = " "


@click.command("list", epilog=example("reports list", "reports list --recipient me@acme.example --json"))
@click.option("--shop", default="", help="Only this shop.")
@click.option("--owner", default="", help="Only reports of this owner.")
@click.option("--recipient", default="", help="Only reports that go to this address.")
@click.option("--limit", default=100, show_default=True, type=Whole(1, 10_000), help="How many.")
@click.option("--after", default="", help="Go on behind this report (id or name).")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
@click.pass_obj
def list_reports(
    context: Context, shop: str, owner: str, recipient: str, limit: int, after: str, as_json: bool
) -> None:
    """List the reports: when each comes, and its state."""
    wanted = (parse_address(owner) if owner else "", parse_address(recipient) if recipient else "")
    with opened(context) as store:
        if shop:
            known_shop(store, shop)
        behind = find_report(store, after).id if after else ""
        found, more = _page(store, shop, wanted, limit, behind)
        foreign = store.schedules.counts()["foreign"]
    following = found[-1].id if more else None
    if as_json:
        echo_json("reports", [data(item) for item in found], next=following, foreign=foreign)
        return
    if found:
        rows = [(s.name, s.shop, _when(s), _upcoming(s), state(s), s.id) for s in found]
        table(["report", "shop", "when", "next", "state", "id"], rows)
    else:
        filtered = any((shop, *wanted, after))
        click.echo("No report fits." if filtered else "There is no report. Next: scheduler reports add")
    if foreign:
        click.echo(
            f"{foreign} of types that are mapped to none of ours are not listed: see [types] in the configuration"
        )
    if following:
        click.echo(f"More: scheduler reports list --after {following}")


def _page(store: Store, shop: str, wanted: tuple[str, str], limit: int, behind: str) -> tuple[list[SeenSchedule], bool]:
    """Return up to *limit* schedules that fit, and whether more follow; by shop and name where all fit on one page."""
    if not behind:
        found = store.schedules.all(shop=shop, limit=limit + 1)
        if len(found) <= limit:
            return [item for item in found if _fits(item, *wanted)], False
    fitting = (item for item in _by_id(store, shop, behind or FIRST) if _fits(item, *wanted))
    page = [item for item, _ in zip(fitting, range(limit + 1), strict=False)]
    return page[:limit], len(page) > limit


def _by_id(store: Store, shop: str, behind: str) -> Iterator[SeenSchedule]:
    while True:
        part = store.schedules.all(shop=shop, limit=PAGE, after=behind)
        yield from part
        if len(part) < PAGE:
            return
        behind = part[-1].id


def _fits(seen: SeenSchedule, owner: str, recipient: str) -> bool:
    schedule = seen.schedule
    if schedule is None:
        return not (owner or recipient)
    addresses = {item.address.lower() for item in schedule.recipients}
    return owner.lower() in ("", schedule.owner.lower()) and (not recipient or recipient.lower() in addresses)


def _when(seen: SeenSchedule) -> str:
    return sentence(seen.schedule.recurrence) if seen.schedule else "?"


def state(seen: SeenSchedule) -> str:
    """Return a schedule's state in a word, and why where it does not run."""
    if seen.schedule is None:
        return f"unreadable: {seen.problem}"
    if not seen.schedule.active:
        return "off"
    if seen.schedule.paused_at:
        return "paused"
    return "shop paused" if seen.shop_paused is not None else "active"


def _upcoming(seen: SeenSchedule) -> str:
    if seen.schedule is None or seen.due_at is None or not seen.schedule.active:
        return ""
    return say_moment(seen.due_at, zone_or_utc(seen.schedule.zone, seen.shop_zone), utc_now())


def data(seen: SeenSchedule) -> dict[str, object]:
    """Return a schedule for machines."""
    schedule = seen.schedule
    made: dict[str, object] = {"id": seen.id, "shop": seen.shop, "name": seen.name, "state": state(seen)}
    made["next_run_at"] = iso(seen.due_at) if seen.due_at else None
    if schedule is None:
        return {**made, "problem": seen.problem, "problem_code": seen.problem_code}
    report = schedule.report
    return {
        **made,
        "type": report.type,
        "format": report.format,
        "period": report.period,
        "period_from": report.period_from or None,
        "period_to": report.period_to or None,
        "compare": report.compare or None,
        "columns": [key for key, _ in report.columns],
        "filters": dict(report.filters),
        "condition": dict(report.condition) or None,
        "when": sentence(schedule.recurrence),
        "rule": to_json(schedule.recurrence) if schedule.recurrence else None,
        "zone": schedule.zone or seen.shop_zone,
        "catch_up": schedule.catch_up.value,
        "catch_up_window": schedule.catch_up_window,
        "overlap": schedule.overlap.value,
        "jitter": schedule.jitter,
        "priority": schedule.priority,
        "recipients": [{"channel": r.channel, "address": r.address, "role": r.role} for r in schedule.recipients],
        "owner": schedule.owner or None,
        "last_run_at": iso(schedule.last_run_at) if schedule.last_run_at else None,
        "paused_reason": schedule.paused_reason or None,
    }
