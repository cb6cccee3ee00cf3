"""A zone that new zone data no longer knows: its reports are set aside and told, the others go on, on all databases."""

import os
import shutil
from datetime import timedelta
from pathlib import Path

import tzdata

from scheduler_daemon.model import RunStatus
from tests.end_to_end.desk import ROOT, THREE, Desk, bare, desk, shop
from tests.making import SHOP, make_schedule, now

__all__ = ["bare", "desk", "shop"]

#: A zone that vanished, or was renamed, as many have been.
ZONE = "Europe/Paris"


def without_zone(folder: Path) -> str:
    """Make a newer version of the zone data that lacks `ZONE`; return the PYTHONPATH that finds it first."""
    made = folder / "newer" / "tzdata"
    shutil.copytree(Path(tzdata.__file__).parent, made, copy_function=os.symlink)
    (made / "zoneinfo" / ZONE).unlink()
    names = (made / "zones").read_text().splitlines()
    (made / "zones").unlink()
    (made / "zones").write_text("\n".join(name for name in names if name != ZONE))
    (made / "__init__.py").unlink()
    (made / "__init__.py").write_text('IANA_VERSION = "2099z"\n')
    return f"{made.parent}:{ROOT}"


@THREE
def test_a_zone_that_vanished_is_told_and_keeps_nobody_else_from_running(desk: Desk) -> None:
    desk.set(notices__to="ops@acme.example", email__host="127.0.0.1", email__port="1", email__from="r@acme.example")
    with desk.store() as store:
        gone = make_schedule(store, name="Gone", zone=ZONE)
        of_shop = make_schedule(store, name="Of its shop", zone="")
        assert store.shops.find(SHOP).zone == ZONE
        queued = make_schedule(store, name="Queued before", zone=ZONE, next_due_at=now() + timedelta(hours=1))
        store.queueing.queue_by_hand(queued, "manual:x", now())
        good = make_schedule(store, name="Good", zone="Asia/Tokyo")
    done = desk.spawn("check-once", PYTHONPATH=without_zone(desk.root))
    assert (done.code, "Traceback" in done.err) == (1, False), done
    with desk.store() as store:
        runs = {item.name: store.history.last_of(item.id) for item in (gone, of_shop, queued, good)}
        notices = {item.name: item for item in store.notices.latest() if item.channel == "email"}
        cursors = [store.schedules.find(item.id).due_at for item in (gone, of_shop)]
    assert [run.status for run in runs["Good"]] == [RunStatus.SUCCEEDED]
    for name, code in (("Gone", "unknown_zone"), ("Of its shop", "bad_shop_row")):
        (failed,) = runs[name]
        assert (failed.status, failed.error_code, ZONE in str(failed.error)) == (RunStatus.FAILED, code, True)
        assert f"{name} of {SHOP} cannot be read: " in done.out
        assert (notices[name].error_code, notices[name].run_id) == (code, failed.id)
    # What was queued when the zone was there has no period any more; whoever asked by hand reads it at once.
    assert [(run.status, run.error_code) for run in runs["Queued before"]] == [(RunStatus.FAILED, "unknown_zone")]
    # Where it stands, no occurrence is lost: it runs when the zone is back.
    assert cursors == [gone.next_due_at, of_shop.next_due_at]
    assert desk.spawn("check-once").code == 0
    with desk.store() as store:
        for item in (gone, of_shop):
            back, _ = store.history.last_of(item.id)
            assert (back.status, back.due_at) == (RunStatus.SUCCEEDED, item.next_due_at)
