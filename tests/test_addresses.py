"""addresses: the private ones in every spelling that a connection accepts."""

from __future__ import annotations

import pytest

from generate.addresses import addresses_of, is_public


@pytest.mark.parametrize(
    "host",
    "127.0.0.1 localhost 10.1.2.3 172.16.0.1 192.168.0.1 169.254.169.254 0.0.0.0 0 100.64.0.1 224.0.0.1 255.255.255.255 "
    "2130706433 017700000001 0x7f.1 127.1 2852039166 :: ::1 fe80::1 fe80::1%lo fec0::1 fc00::1 fd00:ec2::254 ff02::1 "
    "::ffff:127.0.0.1 ::ffff:a9fe:a9fe 64:ff9b::7f00:1 2002:7f00:1::1".split(),
)
def test_private_in_every_spelling(host):
    assert not any(map(is_public, addresses_of(host, 80)))


@pytest.mark.parametrize("host", ["8.8.8.8", "134744072", "2606:4700:4700::1111", "64:ff9b::808:808", "::ffff:8.8.8.8"])
def test_public_in_every_spelling(host):
    assert all(map(is_public, addresses_of(host, 443)))
