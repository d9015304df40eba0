"""The address of a client, and bounded resources of which no single client takes everything."""

from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

Address = IPv4Address | IPv6Address


class PeerUnknown(Exception):
    """The request passed through fewer proxies than stated, or its proxy reports no address."""


def peer_address(*, socket_peer: str, forwarded: str, proxies: int) -> str:
    """The address of the client behind `proxies` trusted proxies. Each of them appends the address of its own peer to
    `X-Forwarded-For`. Entries further left come from the client, and may be forged.

    `forwarded` are the values of all X-Forwarded-For headers, joined by commas. Raises PeerUnknown.
    """
    if proxies == 0:
        return socket_peer
    entries = forwarded.split(",")
    if len(entries) < proxies or (address := _parsed(entries[-proxies])) is None:
        raise PeerUnknown
    return str(address)


@lru_cache(maxsize=4096)
def peer_network(address: str) -> str:
    """The network that counts as one client: an IPv4 address, or the /64 of an IPv6 address, because a customer has at
    least that (RFC 6177). Text that is not an address, of a Unix socket for example, counts as it is."""
    parsed = _parsed(address)
    if parsed is None or parsed.version == 4:
        return str(parsed or address)
    return str(ip_network((parsed, 64), strict=False))


def _parsed(text: str) -> Address | None:
    """Some proxies append the port: `192.0.2.1:4711`, `[2001:db8::1]:4711`."""
    text = text.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ip_address(text)
    except ValueError:
        return None
    return (address.version == 6 and address.ipv4_mapped) or address


class Share:
    """A bounded number of places or bytes. One client takes at most `per_peer` of them. Only the event loop calls it,
    so it needs no lock."""

    def __init__(self, limit: int, *, per_peer: int) -> None:
        self._limit = limit
        self._per_peer = per_peer
        self._used = 0
        self._by_peer: dict[str, int] = {}

    def take(self, peer: str, count: int = 1) -> bool:
        """Whether `count` were free; then they are taken."""
        own = self._by_peer.get(peer, 0) + count
        if own > self._per_peer or self._used + count > self._limit:
            return False
        self._used += count
        self._by_peer[peer] = own
        return True

    def release(self, peer: str, count: int = 1) -> None:
        self._used -= count
        if left := self._by_peer[peer] - count:
            self._by_peer[peer] = left
        else:
            del self._by_peer[peer]
