"""web/lookup.py: reads for requests, bounded in number and in time."""

from __future__ import annotations

import runpy
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from gallery.bucket import NotFound, Unavailable
from tests.conftest import ROOT, wait_until
from web.lookup import FAST_S, Busy, Lookup
from web.site import READERS


def test_results_and_errors_come_through():
    lookup = Lookup(2)
    assert lookup.run(lambda: b"picture", 60) == b"picture"
    with pytest.raises(NotFound, match="nothing"):
        lookup.run(lambda: (_ for _ in ()).throw(NotFound("nothing")), 60)


def test_reads_that_hang_keep_their_readers_and_nobody_else():
    lookup, let_go = Lookup(2), threading.Event()
    for _ in range(2):
        with pytest.raises(Unavailable, match=r"within 0\.05 s"):
            lookup.run(let_go.wait, 0.05)
    for _ in range(10):
        with pytest.raises(Busy):
            lookup.run(let_go.wait, 0.05)
    let_go.set()

    def works() -> bool:
        try:
            return lookup.run(lambda: True, 60)
        except Busy:
            return False

    wait_until(works)


def test_while_storage_is_fast_a_burst_is_served(monkeypatch):
    monkeypatch.setattr("web.lookup.WAIT_S", 60)
    monkeypatch.setattr("web.lookup.FAST_S", 60)  # as reads are, however slow the machine is
    lookup = Lookup(2)
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda number: lookup.run(lambda: number, 60), range(100))) == list(range(100))


def test_whoever_got_a_result_finds_a_free_reader_while_storage_is_slow(monkeypatch):
    monkeypatch.setattr("web.lookup.FAST_S", 0)
    lookup, waited_for, asked_again = Lookup(1), threading.Event(), threading.Event()
    wait, go_on = Future.result, Future._invoke_callbacks

    def result(future: Future, timeout: float | None = None) -> object:
        waited_for.set()
        return wait(future, timeout)

    def pause(future: Future) -> None:
        """The result is out; its thread gets no further until somebody has asked again."""
        assert asked_again.wait(60)
        go_on(future)

    monkeypatch.setattr(Future, "result", result)
    monkeypatch.setattr(Future, "_invoke_callbacks", pause)
    with ThreadPoolExecutor(1) as pool:
        assert lookup.run(lambda: waited_for.wait(60), 60)
        again = pool.submit(lookup.run, lambda: 2, 60)
        wait_until(lambda: lookup._threads._work_queue.qsize() or again.done())
        asked_again.set()
        assert again.result() == 2


class Obliging(threading.Semaphore):
    """As soon as somebody waits for it, it is free."""

    def __init__(self, let_go: threading.Event) -> None:
        super().__init__(1)
        self._let_go = let_go

    def acquire(self, timeout: float) -> bool:
        if timeout:
            self._let_go.set()
        return super().acquire(timeout=timeout)


def test_while_reads_are_fast_and_slow_in_turn_no_request_waits_for_a_reader(monkeypatch):
    monkeypatch.setattr("web.lookup.WAIT_S", 60)
    monkeypatch.setattr("web.lookup.SLOW_S", 3600)
    lookup, reading, let_go = Lookup(1), threading.Event(), threading.Event()
    lookup._free = Obliging(let_go)
    lookup.run(lambda: time.sleep(FAST_S), 60)
    lookup.run(lambda: b"fast", 60)
    let_go.clear()
    with ThreadPoolExecutor(1) as pool:
        busy = pool.submit(lookup.run, lambda: reading.set() or let_go.wait(), 60)
        assert reading.wait(60)
        try:
            with pytest.raises(Busy):
                lookup.run(lambda: b"waited", 60)
        finally:
            let_go.set()
        assert busy.result()


def test_some_of_gunicorns_threads_are_never_looking_up():
    assert runpy.run_path(str(ROOT / "gunicorn.conf.py"))["threads"] - 1 > READERS
