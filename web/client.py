"""A non-blocking socket that buffers what a slow client has not taken, for the worker's loop to send later."""

from __future__ import annotations

import os
import select
import socket
from collections import deque
from contextlib import suppress
from typing import Any

BODY_S = 5.0  # how long a thread waits for part of a request's body; no route reads bodies


class FilePart:
    """A part of a file to send, with a file descriptor of its own."""

    def __init__(self, number: int, offset: int, count: int) -> None:
        self.number, self.offset, self.count = os.dup(number), offset, count

    def close(self) -> None:
        os.close(self.number)


class Client(socket.socket):
    """A connected non-blocking socket that holds what it can't send at once until `send_held`."""

    def __init__(self, accepted: socket.socket) -> None:
        super().__init__(accepted.family, accepted.type, accepted.proto, accepted.detach())
        super().setblocking(False)
        self._held: deque[memoryview | FilePart] = deque()

    def setblocking(self, flag: bool, /) -> None:
        """Do nothing: gunicorn's threads would make the socket blocking."""

    def settimeout(self, value: float | None, /) -> None:
        """Do nothing, for the same reason."""

    @property
    def held_bytes(self) -> int:
        """The number of bytes held in memory."""
        return sum(len(part) for part in self._held if isinstance(part, memoryview))

    def receive(self) -> bytes | None:
        """Return what has arrived: b"" at the end or after an error, None if nothing has arrived yet."""
        try:
            return super().recv(8192)
        except BlockingIOError:
            return None
        except OSError:
            return b""

    def recv(self, bufsize: int, flags: int = 0, /) -> bytes:
        """Read a part of a request's body, in a thread. Raises TimeoutError after BODY_S."""
        waiting = select.poll()
        waiting.register(self, select.POLLIN)
        if not waiting.poll(1000 * BODY_S):
            raise TimeoutError(f"No part of the request's body came within {BODY_S:g} s.")
        return super().recv(bufsize, flags)

    def sendall(self, data: Any, flags: int = 0, /) -> None:
        """Send what the system accepts and hold the rest."""
        sent = 0
        if not self._held:
            with suppress(BlockingIOError):
                sent = self.send(data, flags)
        if sent < len(data):
            self._held.append(memoryview(data)[sent:])

    def sendfile(self, file: Any, offset: int = 0, count: int | None = None) -> int:
        """Hold a part of a file."""
        count = os.fstat(file.fileno()).st_size - offset if count is None else count
        self._held.append(FilePart(file.fileno(), offset, count))
        return count

    def send_held(self) -> tuple[bool, bool]:
        """Send what the system accepts. Return whether anything is left and whether anything was sent. Raises OSError."""
        progress = False
        with suppress(BlockingIOError):
            while self._held:
                part = self._held[0]
                if isinstance(part, memoryview):
                    sent = self.send(part)
                    self._held[0] = part[sent:]
                    done = sent == len(part)
                else:
                    sent = os.sendfile(self.fileno(), part.number, part.offset, part.count)
                    part.offset, part.count = part.offset + sent, part.count - sent
                    done = not part.count or not sent  # nothing sent: the file was truncated
                progress = True
                if done:
                    self._drop_part()
        return bool(self._held), progress

    def _drop_part(self) -> None:
        part = self._held.popleft()
        if isinstance(part, FilePart):
            part.close()

    def close(self) -> None:
        """Close the socket and discard what is held."""
        while self._held:
            self._drop_part()
        super().close()
