"""Slow clients under gunicorn as deployed: they wait for themselves, everybody else gets pages at once."""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests

from tests.conftest import PATIENCE_S, ROOT, sites

GET = b"GET %s HTTP/1.1\r\nHost: a\r\n\r\n"
LARGE = 6_000_000  # bytes: more than the system buffers of a connection
SETTINGS = """
from runpy import run_path
import web.client, web.worker

globals().update(run_path("gunicorn.conf.py"))
keepalive = web.worker.HEAD_S = web.worker.SEND_S = web.client.BODY_S = {seconds}
"""


@pytest.fixture(scope="module")
def bucket(tmp_path_factory) -> Path:
    """A folder of one large picture, of noise that starts as a JPEG does."""
    folder = tmp_path_factory.mktemp("large")
    (folder / "0000.jpg").write_bytes(b"\xff\xd8\xff" + os.urandom(LARGE))
    return folder


@pytest.fixture(scope="module")
def url(bucket, tmp_path_factory) -> Iterator[str]:
    with sites(tmp_path_factory.mktemp("logs")) as start:
        yield start(str(bucket))


def waiting(folder: Path, seconds: int) -> str:
    """The arguments of a gunicorn that waits so long for a slow client."""
    (folder / "settings.py").write_text(SETTINGS.format(seconds=seconds))
    return f"--config {folder / 'settings.py'}"


@pytest.fixture(scope="module")
def patient(bucket, tmp_path_factory) -> Iterator[str]:
    """A server that waits an hour for a slow client: what doesn't wait for that client comes before, on any machine."""
    folder = tmp_path_factory.mktemp("patient")
    with sites(folder) as start:
        yield start(str(bucket), GUNICORN_CMD_ARGS=waiting(folder, 3600))


@contextmanager
def connected(url: str, *parts: bytes) -> Iterator[socket.socket]:
    """A connection that has sent these bytes."""
    place = urlsplit(url)
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.settimeout(PATIENCE_S)
        client.connect((place.hostname, place.port))
        for part in parts:
            client.sendall(part)
        yield client


def everything(client: socket.socket) -> bytes:
    """Until the server closes the connection."""
    return b"".join(iter(lambda: client.recv(1 << 20), b""))


def read_response(client: socket.socket) -> bytes:
    """One response of a connection that stays open: its body."""
    stream = client.makefile("rb")
    length = 0
    while (line := stream.readline()) != b"\r\n":
        if line.lower().startswith(b"content-length:"):
            length = int(line.split(b":")[1])
    return stream.read(length)


def picture_path(url: str) -> bytes:
    return re.search(r'/i/[^"]+\.jpg', requests.get(url, timeout=PATIENCE_S).text)[0].encode()


def test_slow_senders_and_slow_readers_stop_nobody(patient):
    path = picture_path(patient)
    with ExitStack() as clients:
        posters = [clients.enter_context(connected(patient, b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nx")) for _ in range(8)]  # fmt: skip
        for _ in range(8):
            clients.enter_context(connected(patient, b"GET / HT"))
            clients.enter_context(connected(patient, GET % path))  # and never reads

        for _ in range(8):
            assert requests.get(patient, timeout=PATIENCE_S).status_code == 200

        assert all(b" 405 " in everything(client) for client in posters)


def test_a_sender_is_not_waited_for_for_ever(site, bucket, tmp_path):
    url = site(str(bucket), GUNICORN_CMD_ARGS=waiting(tmp_path, 1))
    with connected(url, b"GET / HT") as client:
        assert everything(client) == b""


def test_a_slow_reader_gets_everything(patient, bucket):
    data = (bucket / "0000.jpg").read_bytes()
    with ExitStack() as clients:
        slow = [clients.enter_context(connected(patient, GET % picture_path(patient))) for _ in range(3)]
        requests.get(patient, timeout=PATIENCE_S)
        assert [read_response(client) for client in slow] == [data] * 3


def test_a_file_is_sent_as_it_is_and_the_connection_goes_on(url):
    with connected(url, GET % b"/static/favicon.ico") as client:
        assert read_response(client) == (ROOT / "static" / "favicon.ico").read_bytes()
        client.sendall(GET % b"/robots.txt")
        assert b"Disallow" in read_response(client)


def test_a_head_may_come_in_parts(url):
    with connected(url, *(bytes([byte]) for byte in GET % b"/robots.txt")) as client:
        assert b"Disallow" in read_response(client)


def test_requests_sent_ahead_are_answered_in_order(url):
    ahead = GET % b"/robots.txt" + GET % b"/random.json" + b"GET /robots.txt HTTP/1.1\r\nHost: a\r\nConnec"
    with connected(url, ahead) as client:
        client.sendall(b"tion: close\r\n\r\n")
        answers = everything(client)
    assert [b"Disallow" in answer for answer in answers.split(b"HTTP/1.1 200 OK")[1:]] == [True, False, True]


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"\r\n\r\nGET / HT", b"400"),
        (b"GET / HTTP/1.1\r\nX: " + b"x" * 40_000, b"431"),
        (b"GET /" + b"x" * 3000 + b" HTTP/1.1\r\nHost: a\r\n\r\n", b"414"),
        (b"\x16\x03\x01 hello\r\n\r\n", b"400"),
        (b"GET /about HTTP/1.0\r\n\r\n", b"200"),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"400"),
        (b"GET /about HTTP/1.1\nHost: a\n\n", b"400"),
        (b"GET /about HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", b"400"),
        (b"GET /c/%00 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", b"404"),
        (b"GET http://b/about HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", b"200"),
        (b"GET /about HTTP/1.1\r\nHost: a\r\nSCRIPT_NAME: /a\r\nPATH_INFO: /b\r\nConnection: close\r\n\r\n", b"200"),
    ],
    ids=[
        "no first line",
        "a head without end",
        "a long address",
        "not HTTP",
        "HTTP/1.0",
        "HTTP/2",
        "bare line ends",
        "two hosts",
        "a null byte",
        "an absolute address",
        "headers of a server",
    ],
)
def test_every_request_gets_its_answer_and_its_end(patient, request_, status):
    with connected(patient, request_) as client:
        assert everything(client).split()[1] == status


def test_a_tls_hello_is_not_kept_waiting(patient):
    with connected(patient, bytes.fromhex("16030100f1010000ed0303") + bytes(60)) as client:
        assert everything(client) == b""


def test_a_client_that_closes_its_side_first_gets_its_answer(url):
    with connected(url, GET % b"/robots.txt") as client:
        client.shutdown(socket.SHUT_WR)
        assert b"Disallow" in everything(client)


def test_requests_for_another_path_than_the_sites_are_not_found(site, bucket):
    place = urlsplit(site(str(bucket), SCRIPT_NAME="/emoji"))
    for path in ("/", "/emo", "/health", "//emoji"):
        assert requests.get(f"{place.scheme}://{place.netloc}{path}", timeout=PATIENCE_S).status_code == 404
    assert requests.get(place.geturl() + "/about", timeout=PATIENCE_S).status_code == 200


def test_the_connections_of_others_make_room(patient):
    with ExitStack() as clients:
        for _ in range(400):  # gunicorn.conf.py allows 256
            clients.enter_context(connected(patient))
        assert requests.get(patient, timeout=PATIENCE_S).status_code == 200


def test_a_limit_on_open_files_is_no_end(site, bucket, tmp_path):
    url = site(str(bucket), open_files=120)
    with ExitStack() as clients:
        for _ in range(200):
            clients.enter_context(connected(url))
        page = requests.get(url, timeout=PATIENCE_S)
        files = [url + path for path in re.findall(r'"(/static/[^"]+)"', page.text)]
        assert {requests.get(file, timeout=PATIENCE_S).status_code for file in [url, f"{url}/about", *files]} == {200}
    (log,) = tmp_path.glob("gunicorn-*.log")
    assert log.read_text().count("Booting worker") == 1
