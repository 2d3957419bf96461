"""collect: what is never asked: addresses inside the owner's own network."""

from __future__ import annotations

import socket

import pytest

from generate.collecting.polite import Manners, Refused, build_opener, check_public


@pytest.mark.parametrize(
    "host",
    "127.0.0.1 localhost 10.1.2.3 192.168.0.1 169.254.169.254 0.0.0.0 100.64.0.1 224.0.0.1 2130706433 0x7f.1 "
    "::1 fe80::1 fc00::1 ::ffff:127.0.0.1 64:ff9b::7f00:1 2002:7f00:1::1".split(),
)
def test_private_addresses_are_refused_in_every_spelling(host):
    with pytest.raises(Refused, match="private address"):
        check_public(host, 80)


@pytest.mark.parametrize("host", ["8.8.8.8", "2606:4700:4700::1111", "64:ff9b::808:808"])
def test_public_addresses_are_not(host):
    check_public(host, 443)


def test_a_name_that_changes_its_address_is_caught_once_connected(server, monkeypatch):
    answers = iter(["8.8.8.8"])
    real = socket.getaddrinfo
    monkeypatch.setattr(socket, "getaddrinfo", lambda host, *a, **k: real(next(answers, "127.0.0.1"), *a, **k))
    before = sum(server.seen.values())

    with pytest.raises(OSError, match=r"private address 127\.0\.0\.1"):
        build_opener(Manners()).open(f"http://rebinding.example:{server.server_port}/good/x.jpg", timeout=5)

    assert sum(server.seen.values()) == before
