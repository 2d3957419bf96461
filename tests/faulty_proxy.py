"""An HTTP proxy in front of the storage emulator that misbehaves on demand: real faults over real sockets.

with FaultyProxy(emulator) as proxy:
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", proxy.url)
    proxy.fail("503", match="00003.jpg", times=2)
    proxy.slow(0.03)
    proxy.die()
    proxy.revive()
"""

from __future__ import annotations

import http.client
import re
import socket
import struct
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal
from urllib.parse import unquote, urlsplit

from tests.conftest import free_port

Kind = Literal["503", "403", "reset", "truncate", "corrupt", "spoil", "drop_reply", "portal", "empty", "refusal", "raw"]
HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length", "date", "server"}


@dataclass
class Fault:
    """What happens to the next `times` requests whose description contains `match`."""

    kind: Kind
    match: str
    times: int


class FaultyProxy:
    """Passes requests on to `target` (http://host:port) until told otherwise.

    Kinds of fault: `503`, `403` and `reset` (in the middle of the request's body) don't ask the target, nor do `portal`
    (status 200 and somebody's HTML, as from a captive portal) and `empty` (status 200 and nothing);
    `drop_reply` asks it, then resets the connection; `truncate` sends half of the answer and closes; `corrupt` changes a byte of the answer and keeps its checksum,
    `spoil` a byte of the request on its way.
    A request's description is "METHOD /decoded/path?query", and for an upload the object's name after it.
    """

    def __init__(self, target: str) -> None:
        self.target = target
        self._delay_s = 0.0
        self.refusal = 0, "", b""  # status, content type and body of the fault `refusal`
        self.raw = b"", b""  # what the fault `raw` sends, and what it goes on with until nobody listens any more
        self.requests: list[str] = []  # descriptions, in order of arrival
        self._faults: list[Fault] = []
        self._lock = threading.Lock()
        self._connections: set[socket.socket] = set()
        self._healed = threading.Event()
        self._port = free_port()  # ours while nobody listens, too
        self._start()

    @property
    def url(self) -> str:
        """What clients use; the same after `die` and `revive`."""
        return f"http://127.0.0.1:{self._port}"

    def refuse(self, status: int, body: str, type: str = "application/json", match: str = "") -> None:
        """From now on answer with that status and body."""
        self.refusal = status, type, body.encode()
        self.fail("refusal", match)

    def say(self, answer: bytes, drip: bytes = b"", match: str = "") -> None:
        """From now on answer with these bytes, then with `drip` every tenth of a second; without it hang up.

        Let whole answers say `Connection: close`: a client that takes the connection for kept alive is reset, or not.
        """
        self.raw = answer, drip
        self.fail("raw", match)

    def fail(self, kind: Kind, match: str = "", times: int = 1_000_000_000) -> None:
        """From now on, until it has happened `times` times."""
        with self._lock:
            self._faults.append(Fault(kind, match, times))

    def slow(self, seconds: float) -> None:
        """From now on wait so long before every answer, or until `heal`."""
        self._healed.clear()
        self._delay_s = seconds

    def heal(self) -> None:
        """No more faults and no delay."""
        with self._lock:
            self._faults.clear()
        self._delay_s = 0.0
        self._healed.set()

    def die(self) -> None:
        """Nobody listens any more, and open connections are reset."""
        self._server.shutdown()
        with self._lock:
            connections = list(self._connections)
        for connection in connections:
            with suppress(OSError):  # it may have ended by itself
                _reset_on_close(connection)
                connection.shutdown(socket.SHUT_RD)  # wakes the thread that waits for a request
        self._server.server_close()  # waits for those threads
        self._thread.join()

    def revive(self) -> None:
        """Listen again, at the same URL."""
        self._start()

    def __enter__(self) -> FaultyProxy:
        return self

    def __exit__(self, *exception: object) -> None:
        self.heal()
        if self._thread.is_alive():
            self.die()

    def _start(self) -> None:
        self._server = _Server(("127.0.0.1", self._port), type("Handler", (_Handler,), {"proxy": self}))
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def _take_fault(self, description: str) -> Kind | None:
        with self._lock:
            self.requests.append(description)
            for fault in self._faults:
                if fault.times > 0 and fault.match in description:
                    fault.times -= 1
                    return fault.kind
        return None


class _Server(ThreadingHTTPServer):
    daemon_threads = False  # so that closing the server waits for its threads
    request_queue_size = 128

    def shutdown_request(self, request: Any) -> None:
        self.close_request(request)  # without the farewell that the parent says first

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A connection that breaks is the point of it."""


class _Handler(BaseHTTPRequestHandler):
    proxy: FaultyProxy
    protocol_version = "HTTP/1.1"
    wbufsize = 65536
    disable_nagle_algorithm = True

    def setup(self) -> None:
        super().setup()
        self.upstream = http.client.HTTPConnection(urlsplit(self.proxy.target).netloc, timeout=60)
        with self.proxy._lock:
            self.proxy._connections.add(self.connection)

    def finish(self) -> None:
        with self.proxy._lock:
            self.proxy._connections.discard(self.connection)
        self.upstream.close()
        super().finish()

    def _handle(self) -> None:
        length = int(self.headers.get("Content-Length", 0))
        body = self.rfile.read(min(length, max(length // 2, 300)))  # a name is in the first 300 bytes
        fault = self.proxy._take_fault(self._description(body))
        if delay_s := self.proxy._delay_s:
            self.proxy._healed.wait(delay_s)
        if fault == "reset":
            return self._hang_up()
        body += self.rfile.read(length - len(body))
        if fault in ("503", "403"):
            return self._answer(int(fault), {"Content-Type": "text/plain"}, b"refused")
        if fault == "refusal":
            status, kind, answer = self.proxy.refusal
            return self._answer(status, {"Content-Type": kind}, answer)
        if fault == "raw":
            return self._say(*self.proxy.raw)
        if fault in ("portal", "empty"):
            return self._answer(
                200, {"Content-Type": "text/html"}, b"<html>Log in</html>" if fault == "portal" else b""
            )
        if fault == "spoil":
            body = _flip(body)
        headers = {name: value for name, value in self.headers.items() if name.lower() not in HOP_BY_HOP}
        self.upstream.request(self.command, self.path, body, headers)
        response = self.upstream.getresponse()
        data = response.read()
        if fault == "drop_reply":
            return self._hang_up()
        if fault == "corrupt" and data:
            data = _flip(data)
        kept = {name: value for name, value in response.getheaders() if name.lower() not in HOP_BY_HOP}
        # the emulator writes its own address into answers; a client has to come back through here
        kept = {name: value.replace(self.proxy.target, self.proxy.url) for name, value in kept.items()}
        return self._answer(response.status, kept, data, truncate=fault == "truncate")

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = _handle

    def _description(self, body: bytes) -> str:
        name = re.search(rb'"name": ?"([^"]*)"', body[:4096]) if self.command in ("POST", "PUT") else None
        return f"{self.command} {unquote(self.path)}" + (f" {name[1].decode()}" if name else "")

    def _answer(self, status: int, headers: dict[str, str], data: bytes, truncate: bool = False) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if status != 204:
            self.send_header("Content-Length", str(len(data)))
        if truncate:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(data[: len(data) // 2] if truncate else data)
        self.wfile.flush()

    def _say(self, answer: bytes, drip: bytes) -> None:
        self.close_connection = True
        with suppress(OSError):
            self.connection.sendall(answer)
            while drip and any(fault.kind == "raw" for fault in self.proxy._faults):
                self.connection.sendall(drip)
                time.sleep(0.1)

    def _hang_up(self) -> None:
        self.close_connection = True
        _reset_on_close(self.connection)

    def log_message(self, format: str, *args: object) -> None:
        """Silence: the tests' own output is enough."""


def _flip(data: bytes) -> bytes:
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 0xFF]) + data[middle + 1 :]


def _reset_on_close(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
