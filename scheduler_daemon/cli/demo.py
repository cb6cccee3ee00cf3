"""`scheduler demo`: the whole product on invented shops, in a folder of its own."""

import shutil
import sys
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..lib.clock import monotonic
from .groups import example

if TYPE_CHECKING:
    from ..app import App

FOLDER = Path("scheduler-demo")


@dataclass(frozen=True)
class Wanted:
    """One schedule of the demo."""

    shop: str
    name: str
    type: str
    period: str
    format: str
    to: tuple[str, ...]


SCHEDULES = (
    Wanted(
        "acme-tea", "Weekly Sales", "sales-by-product", "last_week", "xlsx", ("owner@acme.example", "cfo@acme.example")
    ),
    Wanted("acme-tea", "Orders yesterday", "orders", "yesterday", "csv", ("desk@acme.example",)),
    Wanted("lune-paris", "Weekly Sales", "sales-by-product", "last_week", "html", ("lune@paris.example",)),
    Wanted("lune-paris", "Orders last week", "orders", "last_week", "csv", ()),
    Wanted("nord-bikes", "Orders yesterday", "orders", "yesterday", "csv", ("nord@bikes.example",)),
)


@click.command(epilog=example("demo"))
def demo() -> int:
    """
    Show the whole product on invented shops.

    No account is needed, and nothing leaves this machine.

    It reads no configuration and writes only ./scheduler-demo. One report fails on purpose; the exit status is 0.
    """
    started = monotonic()
    click.echo(f"Demo: invented shops; nothing leaves this machine. Folder: ./{FOLDER}")
    _fresh_folder()
    from ..simulator import SimShop, Simulator
    from ..simulator.mailbox import Mailbox

    shops = [
        SimShop(
            "acme-tea.myshopify.com", orders=1400, seed=1, name="Acme Tea", zone="America/New_York", currency="USD"
        ),
        SimShop("lune-paris.myshopify.com", orders=2600, seed=2, name="Lune", zone="Europe/Paris", taxes_included=True),
        SimShop("nord-bikes.myshopify.com", orders=300, seed=3, name="Nord Bikes", zone="Europe/Oslo", currency="NOK"),
    ]
    with Simulator(shops) as simulator, Mailbox(FOLDER / "mail") as mailbox:
        succeeded, failed = _check(shops, simulator.base_url, mailbox.port)
    click.echo(f"Done in {monotonic() - started:.0f} s: {succeeded} succeeded, {failed} failed (on purpose).")
    click.echo(f"Files  {FOLDER}/reports/     Mails  {FOLDER}/mail/")
    page = next(iter(sorted((FOLDER / "reports").rglob("*.html"))), None)
    if page:
        click.echo(f"Look   {page}")
    click.echo("Next   scheduler init")
    return 0


def _fresh_folder() -> None:
    if FOLDER.exists() and not (FOLDER / ".demo").exists():
        from ..errors import UsageError

        raise UsageError(f"The folder ./{FOLDER} is there and is not the demo's.", hint="Run the demo elsewhere.")
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir()
    (FOLDER / ".demo").write_text("made by: scheduler demo\n", encoding="utf-8")


def _check(shops: list[Any], base_url: str, port: int) -> tuple[int, int]:
    import threading

    from ..app import build, open_store
    from ..config import load_config
    from ..found import tell
    from ..logs import configure, say

    configure("error", "console")
    config = load_config(Path("/dev/null"), _overrides(base_url, port), {})
    with open_store(config, create=True, synchronous="NORMAL") as store:
        _fill(store, shops)
        wake = threading.Event()
        app = build(config, store, wake.set)
        configure("info", "console", sys.stdout)
        now = datetime.now(UTC)
        say("check_started")
        found = app.planner.queue_due(now)
        tell(found, app.mode)
        configure("error", "console")
        return _watch(app, wake)


def _overrides(base_url: str, port: int) -> dict[str, str]:
    root = FOLDER.resolve()
    return {
        "database.url": f"sqlite://{root / 'scheduler.db'}",
        "state.file": str(root / "state.json"),
        "spool.dir": str(root / "spool"),
        "shopify.base_url": base_url,
        "email.host": "127.0.0.1",
        "email.port": str(port),
        "email.security": "none",
        "email.from": "reports@scheduler.example",
        "folder.path": str(root / "reports"),
        "folder.name": "{shop}/{report}.{ext}",
        "retry.attempts": "1",
        "log.level": "error",
    }


def _fill(store: Any, shops: list[Any]) -> None:
    """Write sessions and due schedules; one shop's token is wrong, as after an uninstall."""
    from ..lib.secret import Secret
    from ..model import Recipient, Recurrence, Report, RuleKind, Schedule, Shop, StoredSession

    now = datetime.now(UTC)
    for shop in shops:
        token = "shpat_refused0000" if shop.domain.startswith("nord") else shop.token
        store.sessions.save(StoredSession(shop.domain, Secret(token), scopes=shop.scopes))
        facts = Shop(shop.domain, shop.name, shop.zone, shop.currency, "Basic", shop.scopes, checked_at=now)
        store.shops.learn(facts)
    for number, item in enumerate(SCHEDULES):
        mails = tuple(Recipient("email", address) for address in item.to)
        schedule = Schedule(
            id=f"demo-{number + 1}",
            shop=f"{item.shop}.myshopify.com",
            name=item.name,
            report=Report(item.type, item.name, item.format, item.period),
            recurrence=Recurrence(RuleKind.DAILY, time="08:00"),
            zone="",
            recipients=(*mails, Recipient("folder", "folder")),
            next_due_at=now - timedelta(seconds=1),
        )
        store.schedules.add(schedule, now)


def _watch(app: "App", wake: Any) -> tuple[int, int]:
    """Run everything, telling each report as it ends."""
    from ..slots import start_shops
    from .progress import Progress

    app.heartbeat.thread.start()
    told: set[str] = set()
    tally = [0, 0]
    with Progress(app.config, app.threads) as progress:
        while True:
            wake.clear()
            start_shops(app.store, app.threads)
            progress.show()
            fresh = [run_id for run_id in list(app.performer.ended) if run_id not in told]
            for run_id in fresh:
                told.add(run_id)
                tally[_tell(app, run_id)] += 1
            if not app.threads.busy() and not fresh:
                break
            wake.wait(0.1)
    app.close()
    return tally[0], tally[1]


def _tell(app: "App", run_id: str) -> int:
    from ..model import RunStatus
    from .output import pad
    from .run_lines import columns_of, done_of, line

    run = app.store.history.find(run_id)
    columns = columns_of([(item.shop, item.name) for item in SCHEDULES])
    done = done_of(app.store, run)
    if run.status is RunStatus.SUCCEEDED:
        click.echo(line(done, columns))
        return 0
    click.echo(f"{pad(done.shop, columns.shop)}  {pad(run.name, columns.name)}  FAILED {run.error_code}: {run.error}")
    click.echo(f"{' ' * columns.shop}  With a real shop: scheduler shops check {run.shop}")
    return 1
