"""A thread beside the others: woken, by the clock, after a defect, and to its end."""

import threading

from scheduler_daemon.background import Background


def test_it_works_when_it_is_woken_and_says_when_it_ends() -> None:
    worked, ended = threading.Semaphore(0), threading.Event()
    thread = Background("beside", worked.release, ended.set)
    assert thread.has_ended(0)
    thread.start()
    for _ in range(2):
        thread.wake()
        assert worked.acquire(timeout=10)
    assert not ended.is_set()
    thread.stop()
    assert thread.has_ended(10)
    assert ended.is_set()
    assert not worked.acquire(blocking=False)


def test_it_works_by_the_clock_and_a_defect_does_not_end_it() -> None:
    worked = threading.Semaphore(0)

    def work() -> None:
        worked.release()
        raise ValueError("a defect")

    thread = Background("beside", work, lambda: None, every=0.01)
    thread.start()
    assert all(worked.acquire(timeout=10) for _ in range(3))
    thread.stop()
    assert thread.has_ended(10)


def test_what_is_at_work_is_finished_and_whoever_waits_hears_that_it_lasts() -> None:
    begun, go_on = threading.Event(), threading.Event()

    def work() -> None:
        begun.set()
        go_on.wait(30)

    thread = Background("beside", work, lambda: None)
    thread.start()
    thread.wake()
    assert begun.wait(10)
    thread.stop()
    assert not thread.has_ended(0.01)
    go_on.set()
    assert thread.has_ended(10)
