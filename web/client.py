"""A connected socket that never blocks: what a slow client does not take is held, and sent later by the worker's loop."""

from __future__ import annotations

import os
import select
import socket
from collections import deque
from contextlib import suppress
from typing import Any

BODY_S = 5.0  # a thread waits so long for a part of a request's body; no route of the site reads one


class FilePart:
    """A part of a file that is still to be sent. The file stays open for it."""

    def __init__(self, number: int, offset: int, count: int) -> None:
        self.number, self.offset, self.count = os.dup(number), offset, count

    def close(self) -> None:
        os.close(self.number)


class Client(socket.socket):
    """A connected socket that never blocks: what it can't send at once it holds until `send_held`."""

    def __init__(self, accepted: socket.socket) -> None:
        super().__init__(accepted.family, accepted.type, accepted.proto, accepted.detach())
        super().setblocking(False)
        self._held: deque[memoryview | FilePart] = deque()

    def setblocking(self, flag: bool, /) -> None:
        """Ignored: gunicorn's threads would make it blocking."""

    def settimeout(self, value: float | None, /) -> None:
        """Ignored, as above."""

    @property
    def held_bytes(self) -> int:
        """Memory that a slow client costs."""
        return sum(len(part) for part in self._held if isinstance(part, memoryview))

    def receive(self) -> bytes | None:
        """What has arrived; b"" at the end or after an error, None if nothing has arrived yet."""
        try:
            return super().recv(8192)
        except BlockingIOError:
            return None
        except OSError:
            return b""

    def recv(self, bufsize: int, flags: int = 0, /) -> bytes:
        """For the body of a request, in a thread. Raises TimeoutError after BODY_S."""
        waiting = select.poll()
        waiting.register(self, select.POLLIN)
        if not waiting.poll(1000 * BODY_S):
            raise TimeoutError(f"No part of the request's body came within {BODY_S:g} s.")
        return super().recv(bufsize, flags)

    def sendall(self, data: Any, flags: int = 0, /) -> None:
        """Send what the system takes and hold the rest."""
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
        """Send what the system takes: is there anything left, was anything sent? Raises OSError."""
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
                    done = not part.count or not sent  # not sent: the file has become shorter
                progress = True
                if done:
                    self._drop_part()
        return bool(self._held), progress

    def _drop_part(self) -> None:
        part = self._held.popleft()
        if isinstance(part, FilePart):
            part.close()

    def close(self) -> None:
        """Forget what is held, too."""
        while self._held:
            self._drop_part()
        super().close()
