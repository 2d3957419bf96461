"""collect: how it asks a server, and what it never asks: addresses inside the owner's own network."""

from __future__ import annotations

import http.client
import socket

import pytest
import trustme

from generate.collecting.polite import Manners, Refused, build_opener, check_public
from tests.collecting import QUICK
from tests.picture_server import picture, serve


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "169.254.169.254", "2130706433"])
def test_hosts_with_a_private_address_are_refused(host):
    with pytest.raises(Refused, match="private address"):
        check_public(host, 80)


def test_a_name_that_changes_its_address_is_caught_once_connected(server, monkeypatch):
    answers = iter(["8.8.8.8"])
    real = socket.getaddrinfo
    monkeypatch.setattr(socket, "getaddrinfo", lambda host, *a, **k: real(next(answers, "127.0.0.1"), *a, **k))
    before = sum(server.seen.values())

    with pytest.raises(OSError, match=r"private address: 127\.0\.0\.1"):
        build_opener(Manners()).open(f"http://rebinding.example:{server.server_port}/good/x.jpg", timeout=60)

    assert sum(server.seen.values()) == before


@pytest.mark.parametrize("kind", ["line", "headers", "continue", "chunks", "size", "trailers"])
def test_an_answer_without_end_ends(server, monkeypatch, kind):
    monkeypatch.setattr("gallery.bounded.MAX_TIMEOUTS", 1)
    manners = Manners(**QUICK | {"timeout_s": 0.5, "total_s": 0.5})

    with pytest.raises((OSError, http.client.HTTPException), match=r"not whole after 0\.5 s|did not end|timed out"):
        build_opener(manners).open(f"{server.url}/forever/{kind}.jpg", timeout=0.5)


@pytest.fixture(scope="module")
def authority():
    return trustme.CA()


@pytest.fixture
def trusted(authority, tmp_path, monkeypatch):
    authority.cert_pem.write_to_path(tmp_path / "authority.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authority.pem"))


@pytest.fixture(scope="module")
def secure(authority):
    """The server of pictures over https, with a certificate for localhost."""
    with serve(authority.issue_cert("localhost")) as running:
        yield running


def test_pictures_are_fetched_over_https(secure, server, trusted):
    opener = build_opener(Manners(**QUICK))

    for url in (f"{secure.url}/good/x.jpg", f"{server.url}/elsewhere/x.jpg?{secure.url}/good/x.jpg"):
        with opener.open(url, timeout=60) as response:
            assert response.read() == picture()
            assert response.url.startswith("https://")


def test_https_needs_a_certificate_that_is_trusted_and_names_the_host(authority, secure, trusted, monkeypatch):
    with (
        serve(authority.issue_cert("other.example")) as wrong,
        pytest.raises(OSError, match="not valid for 'localhost'"),
    ):
        build_opener(Manners(**QUICK)).open(f"{wrong.url}/good/x.jpg", timeout=60)

    monkeypatch.delenv("SSL_CERT_FILE")  # as if nobody trusted the authority
    with pytest.raises(OSError, match="certificate verify failed"):
        build_opener(Manners(**QUICK)).open(f"{secure.url}/good/x.jpg", timeout=60)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_https_does_not_reach_private_addresses(secure, trusted, host):
    before = sum(secure.seen.values())

    with pytest.raises(OSError, match="private address"):
        build_opener(Manners()).open(f"https://{host}:{secure.server_port}/good/x.jpg", timeout=60)

    assert sum(secure.seen.values()) == before
