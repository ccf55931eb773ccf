"""For whom a share of this server is counted: a login where there is one, else an address."""

from __future__ import annotations

import hashlib
import ipaddress

# Whoever has one IPv6 address has as many as they like in its network.
_NETWORK_BITS = 64
# Two callers that meet by chance share a share, which harms nobody.
_MARK_DIGITS = 12


def mark_of(name: str, peer: str) -> str:
    """12 hexadecimal digits that stand for a caller, the same in every process.

    `name` is that of a login that was checked, "" for none; `peer` the address that the request came from.
    """
    who = f"login {name}" if name else f"address {_network(peer)}"
    return hashlib.sha256(who.encode()).hexdigest()[:_MARK_DIGITS]


def _network(peer: str) -> str:
    try:
        address = ipaddress.ip_address(peer.partition("%")[0])
    except ValueError:
        # A socket of this machine has no address.
        return ""
    if isinstance(address, ipaddress.IPv4Address):
        return str(address)
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ipaddress.ip_network((address, _NETWORK_BITS), strict=False))
