"""Metrics for Prometheus at /metrics, if the setting METRICS is 1.

    METRICS=1 gunicorn main:app

prometheus-client aggregates the metrics of all workers through files in PROMETHEUS_MULTIPROC_DIR, which gunicorn.conf.py
creates. Without that variable, the metrics cover this process only. Without METRICS, this module is not imported.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterable
from functools import cache
from typing import TYPE_CHECKING, Any

from flask import Blueprint, Flask, Response, request
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

from web.deck import Deck

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

ROUTE = "site.route"  # in a request's environ
SHARED = "PROMETHEUS_MULTIPROC_DIR"
SAMPLE_S = 2.0  # interval between samples of the deck's state
BUCKETS_S = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)


class Metrics:
    """Counts requests and samples the state of the deck."""

    def __init__(self, app: Flask, deck: Deck) -> None:
        self._app = app.wsgi_app
        self._deck = deck
        self._operations = {"A": 0, "B": 0}
        self._registry = registry = CollectorRegistry()
        seconds = Histogram("site_request_seconds", "Time until a response was ready", ["route", "status"], buckets=BUCKETS_S, registry=registry)  # fmt: skip
        self._observe: Callable[[str, str], Callable[[float], None]] = cache(
            lambda route, status: seconds.labels(route, status).observe
        )
        operations = Counter("site_storage_operations", "Billed requests to Cloud Storage, B are reads", ["class"], registry=registry)  # fmt: skip
        self._billed = {kind: operations.labels(kind) for kind in self._operations}
        self._pictures = self._gauge("site_pictures", "Pictures of the live release")
        self._cards = self._gauge("site_cards", "Pages in memory")
        self._bytes = self._gauge("site_cache_bytes", "Memory that they take")
        self._refreshed = self._gauge("site_refresh_timestamp_seconds", "When storage last answered what is live")
        self._up = self._gauge("site_storage_up", "1 unless storage or the release in it is in trouble")
        self._alive = self._gauge("site_deck_alive", "1 while the thread lives that fetches pictures")
        pages = Blueprint("metrics", __name__)
        pages.add_url_rule("/metrics", "show", self.show)
        app.register_blueprint(pages)
        app.url_value_preprocessor(remember_route)
        threading.Thread(target=self._sample_for_ever, name="metrics", daemon=True).start()

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """The WSGI entry point."""
        started = time.perf_counter()
        status = "500"

        def start(said: str, headers: list[tuple[str, str]], *exception: Any) -> Callable[[bytes], object]:
            nonlocal status
            status = said[:3]
            return start_response(said, headers, *exception)

        try:
            return self._app(environ, start)
        finally:
            self._observe(route_of(environ), status)(time.perf_counter() - started)

    def show(self) -> Response:
        """All metrics in Prometheus' text format."""
        self._sample()
        registry = self._registry
        if SHARED in os.environ:
            registry = CollectorRegistry()
            MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        headers = {"Content-Type": CONTENT_TYPE_LATEST, "Cache-Control": "no-store"}
        return Response(generate_latest(registry), headers=headers)

    def _gauge(self, name: str, meaning: str) -> Gauge:
        return Gauge(name, f"{meaning}, of each process", multiprocess_mode="liveall", registry=self._registry)

    def _sample_for_ever(self) -> None:
        while True:
            self._sample()
            time.sleep(SAMPLE_S)

    def _sample(self) -> None:
        deck = self._deck
        cards, size = deck.fill
        self._cards.set(cards)
        self._bytes.set(size)
        self._pictures.set(deck.catalog.count if deck.catalog else 0)
        self._refreshed.set(0 if deck.refresh_age_s is None else time.time() - deck.refresh_age_s)
        self._up.set(not deck.trouble)
        self._alive.set(deck.is_alive)
        for kind, before in self._operations.items():
            now = deck.bucket.operations[kind] if deck.bucket else 0
            self._billed[kind].inc(now - before)
            self._operations[kind] = now


def route_of(environ: WSGIEnvironment) -> str:
    """Return the URL rule of a request, such as /i/<release>/<slug>/<name>, to bound the number of labels."""
    if route := environ.get(ROUTE):
        return str(route)
    return "/c/<slug>" if len(environ["PATH_INFO"]) > 1 else "/"  # answered by web/front.py


def remember_route(endpoint: str | None, values: dict[str, Any] | None) -> None:
    """Store the rule where `route_of` finds it. Flask calls this before the view."""
    request.environ[ROUTE] = str(request.url_rule or "none")


def forget(process: int) -> None:
    """Remove the gauges of a worker that has ended; its counters stay."""
    mark_process_dead(process)  # type: ignore[no-untyped-call]
