"""A variant of gunicorn's threaded worker in which no thread waits for a client.

    gunicorn --worker-class web.worker.Worker main:app

gunicorn's own worker occupies a thread from the first byte of a request to the last byte of its response, so four slow
clients stop a site with four threads. Here, an event loop reads the request's head without blocking, a thread computes the
response, and the loop sends what the client doesn't accept at once. Slow clients only occupy connections. If all are in use,
the one nearest its deadline is closed for a new one.

Connections are plain HTTP: a proxy in front terminates TLS.
"""

from __future__ import annotations

import errno
import resource
import socket
import time
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from selectors import EVENT_READ, EVENT_WRITE
from typing import Any

from gunicorn import util
from gunicorn.http.errors import ConfigurationProblem
from gunicorn.workers.gthread import TConn, ThreadWorker

from web.client import Client

HEAD_S = 10.0  # deadlines: for the client to send a request's head,
SEND_S = 30.0  # to accept part of a response that exceeds the socket buffer,
LINGER_S = 2.0  # and to close its side after the last response
HEAD_BYTES = 32_768  # maximum size of a request's head
HELD_BYTES = 32_000_000  # maximum of unsent response data, over all connections
SPARE_FILES = 64  # files kept free for the site; a connection may need two: its socket and a file to send
END = b"\r\n\r\n"
TLS = b"\x16\x03"  # the first bytes of a TLS handshake, from an https:// URL
FULL = (errno.EMFILE, errno.ENFILE)  # the limit of open files is reached
NOBODY = (
    errno.EAGAIN,
    errno.EWOULDBLOCK,
    errno.ECONNABORTED,
)  # the client is gone, or another worker accepted it
REFUSAL = b"HTTP/1.1 %s\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"


class Connection(TConn):  # type: ignore[misc]
    """gunicorn's connection, with the state of the next request and the last response."""

    sock: Client

    def __init__(self, cfg: Any, sock: Client, client: Any, server: Any) -> None:
        super().__init__(cfg, sock, client, server)
        self.data_ready = True  # threads get complete heads: no need to wait
        self.head = bytearray()  # of the next request, so far
        self.until = time.monotonic() + HEAD_S  # deadline: dropped if still waiting for the client
        self.keep = False  # keep open for another request


class Worker(ThreadWorker):  # type: ignore[misc]
    """See the module's docstring. All methods run in the event loop, except `handle` and what it calls."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        if files != resource.RLIM_INFINITY:
            self.worker_connections: int = min(self.cfg.worker_connections, max(1, (files - SPARE_FILES) // 2))
        self._waiting: dict[
            Connection, Callable[[Connection], None]
        ] = {}  # connections waiting for their clients, and the next step
        self._swept = 0.0

    @classmethod
    def check_config(cls, cfg: Any, log: Any) -> None:
        """Warn about settings that make this worker behave like gunicorn's own."""
        if cfg.is_ssl:
            log.warning("With --certfile slow clients can stop the site: end TLS in a proxy in front instead.")

    def accept(self, listener: Any) -> None:
        """Take a new connection."""
        if self.cfg.is_ssl:
            super().accept(listener)
            return
        try:
            accepted, client = listener.accept()
        except OSError as error:
            if error.errno in FULL:
                self._make_room()
            elif error.errno not in NOBODY:
                raise
            return
        self.nr_conns += 1
        connection = Connection(self.cfg, Client(accepted), client, listener.getsockname())
        if self.nr_conns >= self.worker_connections:
            self._make_room()
        self._receive(connection)

    def handle(self, conn: TConn) -> Any:
        """Answer a request whose head is complete; in a thread."""
        if isinstance(conn, Connection) and conn.head:
            conn.init()
            conn.parser.unreader.unread(bytes(conn.head))
            conn.head.clear()
        return super().handle(conn)

    def handle_error(self, req: Any, client: Any, addr: Any, exc: BaseException) -> None:
        """Answer 404 outside the prefix in SCRIPT_NAME; gunicorn would answer 500."""
        if isinstance(exc, ConfigurationProblem):
            util.write_error(client, 404, "Not Found", "The site is at another path.")
        else:
            super().handle_error(req, client, addr, exc)

    def finish_request(self, conn: TConn, fs: Future[Any]) -> None:
        """Continue with a connection that a thread has finished."""
        if not isinstance(conn, Connection):
            super().finish_request(conn, fs)
            return
        conn.keep = not fs.cancelled() and not fs.exception() and bool(fs.result())
        conn.until = time.monotonic() + SEND_S
        self._send(conn)

    def murder_keepalived(self, force: bool = False) -> None:
        """Drop the connections whose clients took too long. gunicorn calls this after every event."""
        super().murder_keepalived(force)
        now = time.monotonic()
        if force or now - self._swept >= 1:
            self._swept = now
            for connection in [waiting for waiting in self._waiting if force or waiting.until <= now]:
                self._drop(connection)

    def _cap_keepalive(self, deadline: float) -> None:
        super()._cap_keepalive(deadline)
        for connection, then in self._waiting.items():
            if then == self._receive:
                connection.until = min(connection.until, deadline)

    def _keepalive_after(self, conn: TConn, keepalive: bool) -> bool:
        """False also after a request with a body: it was not read, and no thread may wait for it."""
        if not isinstance(conn, Connection):
            return bool(super()._keepalive_after(conn, keepalive))
        return keepalive and not any(
            name == "TRANSFER-ENCODING" or (name == "CONTENT-LENGTH" and value.strip() != "0")
            for name, value in conn.parser.mesg.headers
        )

    def _make_room(self) -> None:
        """Drop the connection whose client has the least time left."""
        if self._waiting:
            self._drop(min(self._waiting, key=lambda waiting: waiting.until))

    def _wait(self, connection: Connection, event: int, then: Callable[[Connection], None]) -> None:
        self._waiting[connection] = then
        self.poller.register(connection.sock, event, partial(self._woken, connection))

    def _woken(self, connection: Connection, _: Client) -> None:
        self.poller.unregister(connection.sock)
        self._waiting.pop(connection)(connection)

    def _receive(self, connection: Connection) -> None:
        """Collect the head of a request; give it to a thread when it is complete."""
        data = connection.sock.receive()
        if data == b"":
            self._drop(connection)
            return
        if data:
            if not connection.head:
                connection.until = time.monotonic() + HEAD_S
            connection.head += data
        self._start_or_wait(connection)

    def _start_or_wait(self, connection: Connection) -> None:
        if END in connection.head:
            self.enqueue_req(connection)
        elif connection.head.startswith(TLS):
            self._drop(connection)
        elif b"\n\n" in connection.head:
            self._refuse(connection, b"400 Bad Request")  # lines end without a carriage return
        elif len(connection.head) > HEAD_BYTES:
            self._refuse(connection, b"431 Request Header Fields Too Large")
        else:
            self._wait(connection, EVENT_READ, self._receive)

    def _refuse(self, connection: Connection, status: bytes) -> None:
        connection.sock.sendall(REFUSAL % status)
        connection.keep = False
        self._send(connection)

    def _send(self, connection: Connection) -> None:
        """Send the unsent part of the response, then wait for the next request or close."""
        try:
            left, progress = connection.sock.send_held()
        except OSError:
            self._drop(connection)
            return
        now = time.monotonic()
        if left:
            connection.until = now + SEND_S if progress else connection.until
            self._wait(connection, EVENT_WRITE, self._send)
            self._limit_memory()
        elif connection.keep:
            connection.head += connection.parser.unreader.take_buffered()  # of a pipelined request
            connection.until = now + (self.cfg.keepalive if self.alive else LINGER_S)
            self._start_or_wait(connection)
        else:
            self._linger(connection, now)

    def _limit_memory(self) -> None:
        """Drop the slowest clients if unsent responses exceed HELD_BYTES."""
        sizes = {waiting: size for waiting in self._waiting if (size := waiting.sock.held_bytes)}
        total = sum(sizes.values())
        for connection in sorted(sizes, key=lambda waiting: waiting.until):
            if total <= HELD_BYTES:
                return
            total -= sizes[connection]
            self._drop(connection)

    def _linger(self, connection: Connection, now: float) -> None:
        """Close our side and wait for the client's; data arriving after a full close would reset the connection."""
        try:
            connection.sock.shutdown(socket.SHUT_WR)
        except OSError:
            self._drop(connection)
            return
        connection.until = now + LINGER_S
        self._wait(connection, EVENT_READ, self._discard)

    def _discard(self, connection: Connection) -> None:
        if connection.sock.receive() == b"":
            self._drop(connection)
        else:
            self._wait(connection, EVENT_READ, self._discard)

    def _drop(self, connection: Connection) -> None:
        if self._waiting.pop(connection, None):
            self.poller.unregister(connection.sock)
        connection.sock.close()
        self.nr_conns -= 1
