"""Which hosts may be called. Names are checked when a URL is registered, addresses when a socket is opened.

No DNS here: a name that passes `url_check` may still resolve to a private address, at a time that an attacker chooses.
Only `NetworkPolicy.address_allowed`, called with the peer address itself, decides.
"""

import re
import socket
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from urllib.parse import SplitResult, urlsplit

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

# The push services of the browsers' vendors (each vendor's own endpoints). `*.` stands for one or more labels.
VENDOR_PUSH_HOSTS = (
    "fcm.googleapis.com",
    "android.googleapis.com",
    "jmt17.google.com",
    "updates.push.services.mozilla.com",
    "*.push.apple.com",
    "*.notify.windows.com",
)
ANY_PUBLIC_HOST = "*"

MAX_URL = 2048
MAX_ORIGIN = 255  # stored separately from the URL; a name alone may have 253
_LOCAL_SUFFIXES = (".localhost", ".local", ".internal", ".localdomain", ".home.arpa", ".lan", ".intranet", ".corp")
_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
# RFC 3986 characters; the host may also be Unicode. Backslashes, quotes, spaces and controls are not allowed.
_URL = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://(?P<rest>[^\s\\\"<>^`{|}\x00-\x20\x7f]+)")
_ASCII_PATH = re.compile(r"(?:[!$&-;=?-Z_a-z~\[\]]|%[0-9A-Fa-f]{2})*")
# How nearly every push URL is written: what follows the origin is in normal form already.
_PLAIN = re.compile(
    r"(?P<origin>https://[a-z0-9.-]+/)(?:[!$&-;=@-Z_a-z~\[\]]|%[0-9A-Fa-f]{2})*"
    r"(?:\?(?:[!$&-;=?-Z_a-z~\[\]]|%[0-9A-Fa-f]{2})+)?"
)
# No push service has an address outside of it: IANA allocates all global unicast addresses from this block. So NAT64,
# mapped IPv4, unique local, link-local, multicast and SRv6 addresses are refused.
GLOBAL_UNICAST = IPv6Network("2000::/3")
# The IANA registries of special-purpose addresses (RFC 6890, RFC 8190) of 2023-03-15, with RFC 9637 of 2024, and IPv4
# multicast. Python's `ipaddress` has the registries of its release: 3.11 does not know 3fff::/20. A block is refused
# with all its parts, also with those that are globally reachable (anycast of AS112, AMT, PCP, TURN; ORCHIDv2, drones):
# they are not addresses of push services, and some of them embed an IPv4 address (Teredo, 6to4).
RESERVED_IPV4 = tuple(
    map(
        IPv4Network,
        (
            "0.0.0.0/8",  # this network
            "10.0.0.0/8",  # private use
            "100.64.0.0/10",  # shared address space
            "127.0.0.0/8",  # loopback
            "169.254.0.0/16",  # link local, and the metadata of clouds
            "172.16.0.0/12",  # private use
            "192.0.0.0/24",  # IETF protocol assignments
            "192.0.2.0/24",  # documentation
            "192.31.196.0/24",  # AS112
            "192.52.193.0/24",  # AMT
            "192.88.99.0/24",  # 6to4 relays, deprecated
            "192.168.0.0/16",  # private use
            "192.175.48.0/24",  # AS112
            "198.18.0.0/15",  # benchmarking
            "198.51.100.0/24",  # documentation
            "203.0.113.0/24",  # documentation
            "224.0.0.0/4",  # multicast
            "240.0.0.0/4",  # reserved, and the limited broadcast
        ),
    )
)
RESERVED_IPV6 = tuple(
    map(
        IPv6Network,
        (
            "2001::/23",  # IETF protocol assignments: Teredo, benchmarking, ORCHID and others
            "2001:db8::/32",  # documentation
            "2002::/16",  # 6to4
            "2620:4f:8000::/48",  # AS112
            "3fff::/20",  # documentation (RFC 9637)
        ),
    )
)


class UrlRefusal(StrEnum):
    """Why a URL may not be registered."""

    SYNTAX = "syntax"
    TOO_LONG = "too_long"
    SCHEME = "scheme"
    USERINFO = "userinfo"
    FRAGMENT = "fragment"
    PORT = "port"
    LOCAL_NAME = "local_name"
    PRIVATE_ADDRESS = "private_address"
    HOST_NOT_ALLOWED = "host_not_allowed"


class UrlRefused(ValueError):
    """`url_check` refused the URL. The text names the reason, never the URL."""

    def __init__(self, reason: UrlRefusal) -> None:
        super().__init__(reason.value)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class NetworkPolicy:
    """What an operator allows in addition to the public internet. Plain http is allowed there only."""

    allowed_private_networks: tuple[Network, ...] = ()

    def private_allowed(self, address: Address) -> bool:
        return any(address.version == net.version and address in net for net in self.allowed_private_networks)

    def address_allowed(self, address: Address, *, tls: bool) -> bool:
        """Whether a socket may be opened to this address. Without TLS only inside an allowed private network."""
        return self.private_allowed(address) or (tls and is_public(address))


@lru_cache(maxsize=4096)
def peer_allowed(policy: NetworkPolicy, text: str, tls: bool) -> bool:
    """`address_allowed` for an address as the socket layer writes it; what cannot be read is refused."""
    try:
        return policy.address_allowed(ip_address(text), tls=tls)
    except ValueError:
        return False


def is_public(address: Address) -> bool:
    """Globally routable unicast without a special purpose: by the table above, and by Python's."""
    if isinstance(address, IPv6Address):
        special = address not in GLOBAL_UNICAST or any(address in net for net in RESERVED_IPV6)
    else:
        special = any(address in net for net in RESERVED_IPV4)
    return address.is_global and not (special or address.is_multicast or address.is_reserved)


def url_check(url: str, *, policy: NetworkPolicy, allowed_hosts: tuple[str, ...]) -> str:
    """The normalised URL to store and send to. Raises UrlRefused.

    `allowed_hosts` holds patterns: `push.example.org`, `*.example.org` (below it, not itself), `*` (any public host),
    each for port 443 unless it names a `:port`. A literal address in an allowed private network needs no pattern, and
    may use http and any port.
    """
    plain = _PLAIN.fullmatch(url)
    if plain is None or len(url) > MAX_URL:
        return _checked(url, policy, allowed_hosts)
    found = plain["origin"]
    return _origin_checked(found, policy, allowed_hosts) + url[len(found) :]


def _checked(url: str, policy: NetworkPolicy, allowed_hosts: tuple[str, ...]) -> str:
    parts, host, port = _parse(url)
    address = _literal(host)
    if address is not None and policy.private_allowed(address):
        return _rebuild(parts, host, port)
    if parts.scheme != "https":
        raise UrlRefused(UrlRefusal.SCHEME)
    if address is not None and not is_public(address):
        raise UrlRefused(UrlRefusal.PRIVATE_ADDRESS)
    if address is None and ("." not in host or f".{host}".endswith(_LOCAL_SUFFIXES)):
        raise UrlRefused(UrlRefusal.LOCAL_NAME)
    _require_pattern(host, port or 443, allowed_hosts)
    return _rebuild(parts, host, port)


# Millions of URLs have few origins. A refusal is raised and not cached: it is computed again.
_origin_checked = lru_cache(maxsize=1024)(_checked)


def origin(url: str) -> str:
    """Scheme, host and port (left out where default) of a URL `url_check` returned: RFC 6454, the JWT's `aud`."""
    return url[: url.find("/", 8)] if url.find("/", 8) > 0 else url


def host_matches(host: str, pattern: str) -> bool:
    """Equal, or below a `*.` suffix at the start of a label."""
    if pattern == ANY_PUBLIC_HOST:
        return True
    return host.endswith(pattern[1:]) if pattern.startswith("*.") else host == pattern


def _parse(url: str) -> tuple[SplitResult, str, int | None]:
    """Read the URL once, strictly. What two parsers could read differently is refused, not corrected."""
    if len(url) > MAX_URL:
        raise UrlRefused(UrlRefusal.TOO_LONG)
    match = _URL.fullmatch(url)
    if match is None:
        raise UrlRefused(UrlRefusal.SYNTAX)
    if match["scheme"].lower() not in ("http", "https"):
        raise UrlRefused(UrlRefusal.SCHEME)
    if "#" in url:
        raise UrlRefused(UrlRefusal.FRAGMENT)
    try:
        parts = urlsplit(url)
    except ValueError:
        raise UrlRefused(UrlRefusal.SYNTAX) from None
    if "@" in parts.netloc:
        raise UrlRefused(UrlRefusal.USERINFO)
    if not _ASCII_PATH.fullmatch(parts.path) or not _ASCII_PATH.fullmatch(parts.query):
        raise UrlRefused(UrlRefusal.SYNTAX)
    host, port = _split_port(parts.netloc)
    return parts, _normal_host(host), None if port == {"http": 80, "https": 443}[parts.scheme] else port


def _split_port(netloc: str) -> tuple[str, int | None]:
    host, colon, port = netloc.rpartition(":") if not netloc.endswith("]") else (netloc, "", "")
    if not colon:
        return netloc, None
    if not (port.isascii() and port.isdigit() and 1 <= int(port) <= 65535 and len(port) <= 5):
        raise UrlRefused(UrlRefusal.PORT)
    return host, int(port)


def _normal_host(host: str) -> str:
    if host.startswith("["):
        return host.lower()
    try:
        name = host.lower() if host.isascii() else host.encode("idna").decode("ascii").lower()
    except UnicodeError:
        raise UrlRefused(UrlRefusal.SYNTAX) from None
    name = name.removesuffix(".")
    if len(name) > 253 or not all(_LABEL.fullmatch(label) for label in name.split(".")):
        raise UrlRefused(UrlRefusal.SYNTAX)
    return name


def _literal(host: str) -> Address | None:
    """The address that a host is, in any notation that resolvers accept: `2130706433`, `0x7f.1`, `[::ffff:7f00:1]`."""
    try:
        if host.startswith("["):
            if "%" in host:
                raise UrlRefused(UrlRefusal.SYNTAX)
            address = IPv6Address(host[1:-1])
            return address.ipv4_mapped or address
        if _NUMBER.fullmatch(host.rpartition(".")[2]):
            return IPv4Address(socket.inet_aton(host))
    except (ValueError, OSError):
        raise UrlRefused(UrlRefusal.SYNTAX) from None
    return None


def _require_pattern(host: str, port: int, allowed_hosts: tuple[str, ...]) -> None:
    named = False
    for entry in allowed_hosts:
        pattern, _, pattern_port = entry.partition(":")
        if host_matches(host, pattern):
            named = True
            if port == int(pattern_port or 443):
                return
    raise UrlRefused(UrlRefusal.PORT if named else UrlRefusal.HOST_NOT_ALLOWED)


def _rebuild(parts: SplitResult, host: str, port: int | None) -> str:
    address = _literal(host)
    text = host if address is None else f"[{address}]" if address.version == 6 else str(address)
    start = f"{parts.scheme}://{text}" + ("" if port is None else f":{port}")
    if len(start) > MAX_ORIGIN:
        raise UrlRefused(UrlRefusal.TOO_LONG)
    return f"{start}{parts.path or '/'}" + (f"?{parts.query}" if parts.query else "")
