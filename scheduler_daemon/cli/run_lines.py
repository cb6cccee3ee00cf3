"""Finished runs in aligned lines: who ran, how many rows, which file, to whom."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..lib.clock import iso
from ..model import Delivery, DeliveryState, Run, RunStatus
from ..redirect import shown
from ..store import Store
from ..verdict import of_recipients
from .output import LONGEST_CELL, coloured, cut, pad, plain, width


@dataclass(frozen=True, slots=True)
class Done:
    """A run that ended here, with what is told of it."""

    #: The run.
    run: Run
    #: Its deliveries, in the order of their making.
    deliveries: tuple[Delivery, ...]
    #: What its attempts took, seconds.
    seconds: float

    @property
    def shop(self) -> str:
        """The shop's name without its domain."""
        return self.run.shop.removesuffix(".myshopify.com")

    @property
    def delivered(self) -> tuple[Delivery, ...]:
        """The deliveries that were taken, one for each recipient."""
        return tuple(row for row in of_recipients(self.deliveries) if row.state is DeliveryState.DELIVERED)


def done_of(store: Store, run: Run) -> Done:
    """Return *run* with its deliveries and its time."""
    seconds = sum(sum(attempt.timings.values()) for attempt in store.history.attempts(run.id))
    return Done(run, tuple(store.history.deliveries(run.id)), seconds)


@dataclass(frozen=True, slots=True)
class Columns:
    """How wide the columns are, so that lines printed one after the other stand below each other."""

    shop: int
    name: int


def columns_of(names: Sequence[tuple[str, str]]) -> Columns:
    """Return the columns for these (shop's domain, report's name)."""
    shops = [width(shop.removesuffix(".myshopify.com")) for shop, _ in names]
    return Columns(max(shops, default=0), max((width(_short(name)) for _, name in names), default=0))


def _short(name: str) -> str:
    return plain(cut(name, LONGEST_CELL))


def line(done: Done, columns: Columns) -> str:
    """Return the run as one line: ``acme-tea  Weekly Sales  412 rows  xlsx  delivered to 2  1.8 s``."""
    run = done.run
    head = f"{pad(done.shop, columns.shop)}  {pad(_short(run.name), columns.name)}"
    if run.status is RunStatus.SUCCEEDED:
        kind = (run.file_name or "").rpartition(".")[2]
        rows = f"{run.record_count or 0:>6,} rows"
        return f"{head}  {rows}  {kind:<4}  {pad(where(done), 14)}  {done.seconds:5.1f} s"
    what = "RETRY" if run.status is RunStatus.QUEUED else run.status.value.upper()
    why = ", ".join(item for item in (run.reason, run.error_code) if item)
    error = f": {plain(run.error)}" if run.error else ""
    return coloured(f"{head}  {what} {why}".rstrip() + error, run.status.value)


def where(done: Done) -> str:
    """Return where a run's file went: ``delivered to 2`` people, else the channels, like ``folder``."""
    mails = sum(row.recipient.channel == "email" for row in done.delivered)
    return f"delivered to {mails}" if mails else ", ".join(sorted({row.recipient.channel for row in done.delivered}))


def below(done: Done, columns: Columns) -> list[str]:
    """Return the lines below a run's own: its file and its recipients, and who did not get it."""
    indent = " " * (columns.shop + 2)
    run = done.run
    said = []
    if run.file_name and done.delivered:
        said.append(f"{indent}{plain(run.file_name)} -> {', '.join(address(run, row) for row in done.delivered)}")
    missed = [row for row in of_recipients(done.deliveries) if row.state is not DeliveryState.DELIVERED and row.error]
    said += [f"{indent}{row.state.value}: {address(run, row)}: {plain(row.error)}" for row in missed]
    return said


def address(run: Run, row: Delivery) -> str:
    """Return to whom a delivery went: the address, or the path in the folder; of a redirected mail instead of whom."""
    path = (row.receipt or {}).get("path")
    return plain(path or shown(run, row))


def as_data(done: Done) -> dict[str, Any]:
    """Return a run for machines."""
    run = done.run
    return {
        "run": run.id,
        "schedule": run.schedule_id,
        "report": run.name,
        "shop": run.shop,
        "status": run.status.value,
        "reason": run.reason,
        "due_at": iso(run.due_at),
        "not_before": iso(run.not_before) if run.status is RunStatus.QUEUED else None,
        "attempt": run.attempt,
        "seconds": round(done.seconds, 3),
        "rows": run.record_count,
        "file": run.file_name,
        "error_code": run.error_code,
        "error": run.error,
        "deliveries": [delivery_as_data(row) for row in done.deliveries],
    }


def delivery_as_data(row: Delivery) -> dict[str, Any]:
    """Return a delivery for machines."""
    return {
        "channel": row.recipient.channel,
        "recipient": row.recipient.address,
        "role": row.recipient.role,
        "copy": row.copy,
        "state": row.state.value,
        "attempts": row.attempts,
        "receipt": dict(row.receipt) if row.receipt else None,
        "error_code": row.error_code,
        "error": row.error,
    }
