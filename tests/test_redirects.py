"""redirects: a server may send us to others, but not into the network that we are in."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socket import AF_INET6
from threading import Thread
from typing import Any
from urllib.parse import unquote

import click
import pytest
import requests
import trustme

from generate.model.redirects import MOST_REDIRECTS, answer_to
from tests.conftest import free_port


class Server(BaseHTTPRequestHandler):
    """/to?URL redirects there with PORT replaced, /loop to itself, all else is a model."""

    server: Any

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        path, _, there = self.path.partition("?")
        if path in ("/to", "/loop"):
            self.send_response(302)
            self.send_header("Location", unquote(there).replace("PORT", str(self.server.server_port)) or "/loop")
            self.end_headers()
        else:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"a model")

    def log_message(self, *_: object) -> None:
        pass


class Everywhere(ThreadingHTTPServer):
    """Listens on every address of this machine, IPv4 and IPv6."""

    address_family = AF_INET6


@pytest.fixture(scope="module")
def secure(tmp_path_factory) -> Iterator[Any]:
    """The server over TLS, with a certificate for every name that the tests give it."""
    authority, certificate = trustme.CA(), tmp_path_factory.mktemp("ca") / "ca.pem"
    authority.cert_pem.write_to_path(certificate)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost", "127.0.0.1", "0.0.0.0", "::1", "*.example").configure_cert(context)
    server: Any = Everywhere(("::", 0), Server)
    server.asked, server.url = [], f"https://localhost:{server.server_port}"
    server.socket = context.wrap_socket(server.socket, server_side=True)
    Thread(target=server.serve_forever, daemon=True).start()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
        yield server
    server.shutdown()
    server.server_close()


HOSTS = (
    "127.0.0.1 127.0.0.2 0.0.0.0 2130706433 017700000001 0x7f.1 [::1] [::ffff:127.0.0.1] [::] 169.254.169.254 10.0.0.1"
)


@pytest.mark.parametrize("host", HOSTS.split())
def test_a_redirect_to_a_private_address_in_any_spelling_is_a_sentence(secure, host):
    url, before = f"{secure.url}/to?https://{host}:PORT/model.pkl", len(secure.asked)

    with pytest.raises(click.ClickException, match=r"at the private address .*: nothing was fetched") as refused:
        answer_to(url)

    assert refused.value.message.startswith(f"{url} leads to https://{host}:")
    assert len(secure.asked) == before + 1  # of the redirect, and not where it leads


def test_your_own_server_may_have_a_private_address_and_redirect_to_itself(secure):
    for url in (secure.url, f"https://127.0.0.1:{secure.server_port}"):
        for path in ("/model.pkl", "/to?/to%3F/model.pkl", f"/to?{url}/model.pkl"):
            with answer_to(url + path) as answer:
                assert answer.content == b"a model"


@pytest.mark.parametrize("first", ["own", "other"])
def test_a_name_that_changes_its_address_is_caught_once_connected(secure, monkeypatch, first):
    real, asked = socket.getaddrinfo, []

    def resolve(host, *more, **options):
        """A name that is public when it is looked at, and this machine when it is connected to."""
        if not str(host).endswith(".example"):
            return real(host, *more, **options)
        asked.append(host)
        return real("8.8.8.8" if len(asked) <= (2 if first == "own" else 1) else "127.0.0.1", *more, **options)

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    there = f"https://rebinding.example:{secure.server_port}/model.pkl"
    url, before = there if first == "own" else f"{secure.url}/to?{there}", len(secure.asked)

    with pytest.raises(click.ClickException, match=r"at the private address 127\.0\.0\.1"):
        answer_to(url)

    assert secure.asked[before:] == ([] if first == "own" else [f"/to?{there}"])


@pytest.mark.parametrize(
    "there", ["http://localhost:PORT/x", "HTTP://example.org", "file:///etc/passwd", "ftp://example.org/x"]
)
def test_a_redirect_to_another_scheme_is_a_sentence(secure, there):
    with pytest.raises(click.ClickException, match="which is not https: nothing was fetched"):
        answer_to(f"{secure.url}/to?{there}")


def test_redirects_without_end_are_a_sentence(secure):
    before = len(secure.asked)

    with pytest.raises(click.ClickException, match=f"redirects more than {MOST_REDIRECTS} times"):
        answer_to(f"{secure.url}/loop")

    assert len(secure.asked) == before + MOST_REDIRECTS


def test_a_name_that_does_not_exist_and_a_server_that_does_not_answer(secure):
    for url in (
        "https://nothing.invalid/x",
        f"https://localhost:{free_port()}/x",
        f"{secure.url}/to?https://nothing.invalid/x",
    ):
        with pytest.raises((requests.RequestException, OSError)):
            answer_to(url)
