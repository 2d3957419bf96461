"""A local web server with every kind of picture a stranger's may have, and both search APIs' documented answers."""

from __future__ import annotations

import gzip
import io
import json
import socket
import ssl
import struct
import threading
import time
import zlib
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from email.utils import formatdate
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from PIL import Image

from tests.conftest import EMOJI


@cache
def picture(format: str = "JPEG", size: int = 64, name: str = "food/pineapple") -> bytes:
    """A real picture's bytes."""
    data = io.BytesIO()
    with Image.open(EMOJI / f"{name}.webp") as image:
        image.convert("RGB").resize((size, size)).save(data, format)
    return data.getvalue()


def openverse(origin: str, number: int, **changes: object) -> dict[str, object]:
    """A result as in the documentation of the API, its picture on this server."""
    return {
        "id": f"4bc43a04-ef46-4544-a0c1-{number:012}",
        "title": "Tree Bark Photo",
        "indexed_on": "2022-08-27T17:39:48Z",
        "foreign_landing_url": f"https://stocksnap.io/photo/{number}",
        "url": f"{origin}/good/openverse-{number}.jpg",
        "creator": "Tim Sullivan",
        "creator_url": "https://www.secretagencygroup.com",
        "license": "cc0",
        "license_version": "1.0",
        "license_url": "https://creativecommons.org/publicdomain/zero/1.0/",
        "provider": "stocksnap",
        "source": "stocksnap",
        "category": "photograph",
        "filesize": 896128,
        "filetype": "jpg",
        "tags": [{"accuracy": None, "name": "tree", "unstable__provider": "stocksnap"}],
        "fields_matched": ["title"],
        "mature": False,
        "height": 4016,
        "width": 6016,
        "unstable__sensitivity": [],
    } | changes


def commons(origin: str, number: int, licence: str = "cc-by-sa-4.0", width: int = 3746) -> dict[str, object]:
    """A page as `generator=search` and `prop=imageinfo` give it with `formatversion=2`."""
    return {
        "pageid": 83547663 + number,
        "ns": 6,
        "title": f"File:Pineapple {number}.jpg",
        "index": number,
        "imagerepository": "local",
        "imageinfo": [
            {
                "size": 1353326,
                "width": width,
                "height": 2400,
                "thumburl": f"{origin}/good/commons-{number}.jpg",
                "thumbwidth": 1280,
                "thumbheight": 820,
                "url": f"{origin}/original/{number}.jpg",
                "descriptionurl": f"https://commons.wikimedia.org/wiki/File:Pineapple_{number}.jpg",
                "descriptionshorturl": "https://commons.wikimedia.org/w/index.php?curid=83547663",
                "extmetadata": {
                    "License": {"value": licence, "source": "commons-templates", "hidden": ""},
                    "LicenseShortName": {"value": licence.upper().replace("-", " ", 1), "source": "commons-desc-page"},
                    "LicenseUrl": {"value": "https://creativecommons.org/licenses/by-sa/4.0", "source": "x"},
                    "Artist": {
                        "value": '<a href="//commons.wikimedia.org/wiki/User:Ann" title="User:Ann">Ann &amp; Co</a>'
                    },
                },
            }
        ],
    }


class Handler(BaseHTTPRequestHandler):
    """Paths say what is wrong with a picture; the server counts who asked for what."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        path, query = urlsplit(self.path).path, parse_qs(urlsplit(self.path).query)
        with self.server.lock:
            self.server.seen[path] += 1
            self.server.agents.add(self.headers["User-Agent"])
        kind, _, name = path[1:].partition("/")
        getattr(self, f"get_{kind}", self.get_missing)(name, query)

    def send(self, body: bytes, code: int = 200, type: str = "image/jpeg", **headers: str) -> None:
        self.send_response(code)
        headers = {"Content_Type": type, "Content_Length": str(len(body))} | headers
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def get_good(self, name, query):
        format = {"png": "PNG", "webp": "WEBP", "gif": "GIF"}.get(name.rpartition(".")[2], "JPEG")
        self.send(picture(format))

    def get_various(self, name, query):
        """Another picture for each number: /various/7.jpg"""
        paths = sorted(EMOJI.rglob("*.webp"))
        path = paths[int(name.partition(".")[0]) % len(paths)]
        self.send(picture(name=path.relative_to(EMOJI).with_suffix("").as_posix()))

    def get_small(self, name, query):
        self.send(picture(size=16))

    def get_missing(self, name, query):
        self.send(b"not here", 404, "text/plain")

    def get_reset(self, name, query):
        """No answer, as of a server that restarts."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True
        self.connection.close()

    def get_error(self, name, query):
        self.send(b"sorry", 500, "text/plain")

    def get_busy(self, name, query):
        if self.server.seen[urlsplit(self.path).path] == 1:
            self.send(b"later", 503, "text/plain", Retry_After="1")
        else:
            self.get_good(name, query)

    def get_later(self, name, query):
        """An error until the server is told otherwise."""
        if self.server.later:
            self.get_good(name, query)
        else:
            self.get_error(name, query)

    def get_toomany(self, name, query):
        self.send(b"later", 429, "text/plain", Retry_After="0")

    def get_limited(self, name, query):
        """A picture for the first five requests, then 429 until the server is told otherwise; ?wait= is its Retry-After."""
        with self.server.lock:
            many = sum(count for path, count in self.server.seen.items() if path.startswith("/limited/")) > 5
        if self.server.later or not many:
            self.get_good(name, query)
        else:
            wait = {"Retry_After": query["wait"][0]} if query else {}
            self.send(b"later", 429, "text/plain", **wait)

    def get_down(self, name, query):
        self.send(b"later", 503, "text/plain", Retry_After="3600")

    def get_spoilt(self, name, query):
        """An AVIF in which bytes of the picture are inverted."""
        data = picture("AVIF")
        at = data.index(b"mdat") + 4
        self.send(data[:at] + bytes(255 - byte for byte in data[at : at + 60]) + data[at + 60 :])

    def get_format(self, name, query):
        """A picture of the format that the name says: /format/AVIF.jpg"""
        self.send(picture(name.partition(".")[0]))

    def get_page(self, name, query):
        self.send(b"<html>a page</html>", 200, "text/html")

    def get_lie(self, name, query):
        self.send(b"<html>a page that says it is a picture</html>")

    def get_broken(self, name, query):
        self.send(picture()[:700])

    def get_short(self, name, query):
        self.send(picture()[:700], Content_Length="5000")
        self.close_connection = True

    def get_huge(self, name, query):
        self.send(picture() + bytes(300_000))

    def get_away(self, name, query):
        self.get_endless(name, query, 302, f"/good/{name}")

    def get_endless(self, name, query, code=200, location=""):
        self.send_response(code)
        self.send_header("Content-Type", "image/jpeg")
        self.send_header("Location", location)
        self.send_header("Connection", "close")
        self.end_headers()
        try:
            while True:
                self.wfile.write(bytes(10_000))
        except OSError:  # whoever asked has had enough
            self.close_connection = True

    def get_silent(self, name, query):
        self.server.stopping.wait(30)
        self.close_connection = True

    def get_drip(self, name, query):
        self.send_response(200)
        self.send_header("Content-Type", "image/jpeg")
        self.send_header("Content-Length", "100000")
        self.end_headers()
        try:
            while not self.server.stopping.wait(0.2):
                self.wfile.write(b"x")
        except OSError:
            self.close_connection = True

    def get_noai(self, name, query):
        self.send(picture(), X_Robots_Tag="noai")

    def get_noindex(self, name, query):
        self.send(picture(), X_Robots_Tag="this-stuff-does-not-exist: noimageai")

    def get_otherbot(self, name, query):
        self.send(picture(), X_Robots_Tag="otherbot: noai")

    def get_tdm(self, name, query):
        self.send(picture(), TDM_Reservation="1")

    def get_redirect(self, name, query):
        self.send(b"", 302, Location=f"/good/{name}")

    def get_packed(self, name, query):
        """Compressed, although nobody asked for it: /packed/gzip.jpg"""
        encoding = name.partition(".")[0]
        pack = {"gzip": gzip.compress, "deflate": zlib.compress, "bomb": lambda _: gzip.compress(bytes(10**7))}
        body = pack.get(encoding, lambda data: data)(picture())
        self.send(body, Content_Encoding={"bomb": "gzip", "torn": "gzip"}.get(encoding, encoding))

    def get_more(self, name, query):
        """More than its length says."""
        self.send(picture() + bytes(1000), Content_Length=str(len(picture())))
        self.close_connection = True

    def get_forever(self, name, query):
        """An answer without end: of headers, say, for /forever/headers.jpg."""
        head = b"HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\nTransfer-Encoding: chunked\r\n\r\n"
        start, more = {
            "line": (b"HTTP/1.1 200 O", b"K"),
            "headers": (b"HTTP/1.1 200 OK\r\n", b"X-Y: z\r\n"),
            "continue": (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
            "chunks": (head, b"1\r\nx\r\n"),
            "size": (head, b"0"),
            "trailers": (head + b"0\r\n", b"X-Y: z\r\n"),
        }[name.partition(".")[0]]
        try:
            self.wfile.write(start)
            while not self.server.stopping.wait(0.1):
                self.wfile.write(more)
        except OSError:
            self.close_connection = True

    def get_nolength(self, name, query):
        self.send(picture(), Content_Length={"word": "long", "minus": "-5", "none": ""}[name.partition(".")[0]])
        self.close_connection = True

    def get_empty(self, name, query):
        self.send(b"")

    def get_date(self, name, query):
        """Busy until a second from now, as a date."""
        if self.server.seen[urlsplit(self.path).path] == 1:
            self.send(b"later", 429, "text/plain", Retry_After=formatdate(time.time() + 1, usegmt=True))
        else:
            self.get_good(name, query)

    def get_never(self, name, query):
        self.send(b"later", 503, "text/plain", Retry_After="Wed, 99 Foo 2026")

    def get_elsewhere(self, name, query):
        self.send(b"", 302, Location=urlsplit(self.path).query)

    def get_loop(self, name, query):
        self.send(b"", 302, Location=f"/loop/{int(name) + 1}")

    def get_inwards(self, name, query):
        self.send(b"", 302, Location=f"http://127.0.0.1:{self.server.server_port}/good/secret.jpg")

    def get_file(self, name, query):
        self.send(b"", 302, Location="file:///etc/passwd")

    def get_openverse(self, name, query):
        with self.server.lock:
            self.server.queries.append(query)
        self.json(self.server.openverse(int(query["page"][0])))

    def get_commons(self, name, query):
        with self.server.lock:
            self.server.queries.append(query)
        self.json(self.server.commons(int(query.get("gsroffset", ["0"])[0])))

    def get_refusing(self, name, query):
        self.json({"detail": "page_size may not exceed 20 for anonymous requests"}, 401)

    def json(self, answer: object, code: int = 200) -> None:
        self.send(json.dumps(answer).encode(), code, "application/json; charset=utf-8")

    def log_message(self, *args):
        pass


class Server(ThreadingHTTPServer):
    """Pages of both APIs: Openverse 2 of 2 results each, Commons 2 of 2 pages each."""

    daemon_threads = True

    def __init__(self, certificate: Any = None) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.lock, self.stopping = threading.Lock(), threading.Event()
        self.later = False
        self.seen: Counter[str] = Counter()
        self.agents: set[str] = set()
        self.queries: list[dict[str, list[str]]] = []
        self.url = f"http{'s' if certificate else ''}://localhost:{self.server_port}"
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            certificate.configure_cert(context)
            self.socket = context.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)

    def handle_error(self, request: Any, address: Any) -> None:
        """A client that hangs up, or refuses the certificate, is no news."""

    def openverse(self, page: int) -> dict[str, object]:
        small = openverse(self.url, 9, width=100, height=100)
        results = [[openverse(self.url, 1), small], [openverse(self.url, 2, license="by", creator=None)]][page - 1]
        return {"result_count": 3, "page_count": 2, "page_size": 20, "page": page, "results": results}

    def commons(self, offset: int) -> dict[str, object]:
        if offset:
            return {"batchcomplete": True, "query": {"pages": [commons(self.url, 3, "pd-old")]}}
        pages = [commons(self.url, 2, "gfdl"), commons(self.url, 1), commons(self.url, 4, "cc-by-nc-2.0")]
        return {"continue": {"gsroffset": 50, "continue": "gsroffset||"}, "query": {"pages": pages}}


@contextmanager
def serve(certificate: Any = None) -> Iterator[Server]:
    """The server in a thread, until the block ends; over https with a certificate of trustme."""
    server = Server(certificate)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.stopping.set()
        server.shutdown()
        server.server_close()
        thread.join()


if __name__ == "__main__":
    with serve() as running:
        print(running.url, flush=True)  # noqa: T201
        time.sleep(3600)
