"""Which addresses of the internet are public: a stranger's server or list of URLs must not reach into our own network.

is_public("169.254.169.254")  # False: the metadata of a cloud's machine
"""

from __future__ import annotations

import socket
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

NAT64 = ip_network("64:ff9b::/96")  # IPv4 addresses are the last four bytes


def is_public(text: str) -> bool:
    """False for private, loopback, link-local, reserved and multicast addresses, also for IPv4 ones within IPv6."""
    address = _unwrapped(ip_address(text.partition("%")[0]))
    site_local = isinstance(address, IPv6Address) and address.is_site_local  # deprecated, and global to Python
    return address.is_global and not address.is_multicast and not site_local


def addresses_of(host: str, port: int) -> list[str]:
    """What a host's name stands for, in every spelling that connecting accepts: 2130706433 is 127.0.0.1. Raises OSError."""
    return [str(place[0]) for *_, place in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]


def _unwrapped(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    if isinstance(address, IPv4Address):
        return address
    if address in NAT64:
        return IPv4Address(address.packed[-4:])
    return address.ipv4_mapped or address.sixtofour or address
