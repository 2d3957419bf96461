"""web/lookup.py: reads for requests, bounded in number and in time."""

from __future__ import annotations

import runpy
import threading
import time
from concurrent.futures import ThreadPoolExecutor

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
    lookup = Lookup(2)
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda number: lookup.run(lambda: number, 60), range(100))) == list(range(100))


def test_while_reads_are_fast_and_slow_in_turn_no_request_waits_for_a_reader(monkeypatch):
    monkeypatch.setattr("web.lookup.WAIT_S", 60)
    monkeypatch.setattr("web.lookup.SLOW_S", 60)
    lookup, reading, let_go = Lookup(1), threading.Event(), threading.Event()
    lookup.run(lambda: time.sleep(FAST_S), 60)
    lookup.run(lambda: b"fast", 60)
    with ThreadPoolExecutor(1) as pool:
        busy = pool.submit(lookup.run, lambda: reading.set() or let_go.wait(), 60)
        assert reading.wait(60)
        later = threading.Timer(0.5, let_go.set)
        later.start()
        with pytest.raises(Busy):
            lookup.run(lambda: b"waited", 60)
        assert busy.result()
        later.join()


def test_some_of_gunicorns_threads_are_never_looking_up():
    assert runpy.run_path(str(ROOT / "gunicorn.conf.py"))["threads"] - 1 > READERS
