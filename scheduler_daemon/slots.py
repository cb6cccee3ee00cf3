"""Claim shops that have work, and hand them over to free slots."""

from .lib.clock import utc_now
from .store import Store
from .threads import ShopThreads


def start_shops(store: Store, threads: ShopThreads, only: str = "") -> int:
    """Claim as many shops with work as there are free slots and hand them over; return their number."""
    free = threads.free()
    if free <= 0:
        return 0
    leases = store.leases.claim(free, only, threads.busy())
    for lease in leases:
        if not threads.start(lease):
            store.leases.release(lease)  # its thread gave it back a moment ago and has still to end
    return len(leases)


def fill_slots(store: Store, threads: ShopThreads) -> tuple[int, bool]:
    """Start shops until no slot is free or no work is left; return how many, and whether others wait for a slot."""
    started = 0
    while threads.free() and (more := start_shops(store, threads)):
        started += more
    work = None if threads.free() else store.leases.next_work_at()
    return started, work is not None and work <= utc_now()
