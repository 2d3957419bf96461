"""A front that asks several servers in turn, as a load balancer does: each request goes to the next one."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import cycle
from urllib.parse import urlsplit


@contextmanager
def round_robin(urls: Sequence[str]) -> Iterator[tuple[str, list[int]]]:
    """The front's URL, and how many requests each server was sent."""
    servers = cycle(enumerate(urlsplit(url).netloc for url in urls))
    counts = [0] * len(urls)
    lock = threading.Lock()

    class Front(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            with lock:
                index, server = next(servers)
                counts[index] += 1
            connection = HTTPConnection(server, timeout=60)
            try:
                connection.request("GET", self.path, headers=dict(self.headers))  # with the front's own name as Host
                answer = connection.getresponse()
                body = answer.read()
            finally:
                connection.close()
            self.send_response_only(answer.status, answer.reason)
            for name, value in answer.getheaders():
                if name.lower() not in ("connection", "transfer-encoding", "content-length"):
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def handle(self) -> None:
            try:
                super().handle()
            except (ConnectionError, TimeoutError):  # the browser has left
                self.close_connection = True

        def log_message(self, *_: object) -> None:
            pass

    front = ThreadingHTTPServer(("127.0.0.1", 0), Front)
    front.daemon_threads = True
    thread = threading.Thread(target=front.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{front.server_port}", counts
    finally:
        front.shutdown()
        front.server_close()
        thread.join(60)
