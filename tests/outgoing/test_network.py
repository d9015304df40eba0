"""Which URLs may be registered, and which addresses may be spoken to."""

from collections.abc import Callable
from functools import partial
from ipaddress import IPv4Address, ip_address, ip_network
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outgoing import network
from outgoing.network import (
    GLOBAL_UNICAST,
    RESERVED_IPV4,
    RESERVED_IPV6,
    VENDOR_PUSH_HOSTS,
    Address,
    Network,
    NetworkPolicy,
    UrlRefused,
    is_public,
    origin,
    url_check,
)

PUBLIC = NetworkPolicy()
LOOPBACK = NetworkPolicy((ip_network("127.0.0.1/32"), ip_network("fd00::/8")))


def refusal(url: str, hosts: tuple[str, ...] = ("*",), policy: NetworkPolicy = PUBLIC) -> str:
    with pytest.raises(UrlRefused) as caught:
        url_check(url, policy=policy, allowed_hosts=hosts)
    assert url not in str(caught.value) or not url
    return caught.value.reason.value


@pytest.mark.parametrize(
    ("url", "normal"),
    [
        ("https://fcm.googleapis.com/fcm/send/a:b-c", "https://fcm.googleapis.com/fcm/send/a:b-c"),
        ("https://updates.push.services.mozilla.com/wpush/v2/gAA", "https://updates.push.services.mozilla.com/wpush/v2/gAA"),
        ("https://web.push.apple.com/Q", "https://web.push.apple.com/Q"),
        ("https://wns2-par02p.notify.windows.com/w/?token=a%2b", "https://wns2-par02p.notify.windows.com/w/?token=a%2b"),
        ("HTTPS://FCM.GoogleAPIs.com:443/x", "https://fcm.googleapis.com/x"),
        ("https://fcm.googleapis.com./x", "https://fcm.googleapis.com/x"),
        ("https://fcm.googleapis.com", "https://fcm.googleapis.com/"),
    ],
)  # fmt: skip
def test_vendors_endpoints_pass_and_are_normalised(url: str, normal: str) -> None:
    assert url_check(url, policy=PUBLIC, allowed_hosts=VENDOR_PUSH_HOSTS) == normal


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("", "syntax"),
        ("push", "syntax"),
        ("https:///x", "syntax"),
        ("https://a b/", "syntax"),
        ("https://fcm.googleapis.com\\@evil.org/", "syntax"),
        ("https://fcm.googleapis.com/\n", "syntax"),
        ("https://fcm.googleapis.com/\x00", "syntax"),
        ("https://fcm.googleapis.com/é", "syntax"),
        ("https://fcm.googleapis.com/%zz", "syntax"),
        ("https://-a.org/", "syntax"),
        ("https://a..org/", "syntax"),
        ("https://%6cocalhost/", "syntax"),
        ("https://[::1/", "syntax"),
        ("https://[fe80::1%25eth0]/", "syntax"),
        ("https://999.1.1.1/", "syntax"),
        ("https://push.example.org/" + "x" * 2048, "too_long"),
        ("ftp://push.example.org/", "scheme"),
        ("javascript://push.example.org/", "scheme"),
        ("http://push.example.org/", "scheme"),
        ("http://8.8.8.8/", "scheme"),
        ("https://fcm.googleapis.com@evil.org/", "userinfo"),
        ("https://a:b@fcm.googleapis.com/", "userinfo"),
        ("https://push.example.org/#a", "fragment"),
        ("https://push.example.org#@fcm.googleapis.com/", "fragment"),
        ("https://push.example.org:8443/", "port"),
        ("https://push.example.org:0/", "port"),
        ("https://push.example.org:65536/", "port"),
        ("https://push.example.org:/", "port"),
        ("https://push.example.org:٤٤٣/", "port"),
        ("https://localhost/", "local_name"),
        ("https://LOCALHOST./", "local_name"),
        ("https://a.localhost/", "local_name"),
        ("https://printer.local/", "local_name"),
        ("https://metadata.google.internal/", "local_name"),
        ("https://intranet/", "local_name"),
    ],
)
def test_what_is_wrong_is_named(url: str, reason: str) -> None:
    assert refusal(url) == reason


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1", "127.1", "2130706433", "0x7f000001", "0x7f.1", "0177.0.0.1", "017700000001", "127.0.0.1.",
        "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "0", "224.0.0.1",
        "255.255.255.255", "192.0.2.1", "198.18.0.1", "[::]", "[::1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]",
        "[::127.0.0.1]", "[64:ff9b::7f00:1]", "[2002:7f00:1::]", "[2001:0:7f00:1::]", "[fe80::1]", "[fd00::1]",
        "[ff02::1]", "[2001:db8::1]", "１２７.0.0.1", "①②⑦.0.0.1",
    ],
)  # fmt: skip
def test_every_spelling_of_a_private_address_is_refused(host: str) -> None:
    assert refusal(f"https://{host}/") == "private_address"


def test_a_public_literal_needs_the_tenants_leave() -> None:
    assert url_check("https://8.8.8.8/x", policy=PUBLIC, allowed_hosts=("*",)) == "https://8.8.8.8/x"
    assert refusal("https://8.8.8.8/x", VENDOR_PUSH_HOSTS) == "host_not_allowed"


@pytest.mark.parametrize("url", ["http://127.0.0.1:9000/x", "https://127.0.0.1/x", "http://[fd00::1]:81/x"])
def test_an_allowed_private_literal_may_use_http_and_any_port(url: str) -> None:
    assert url_check(url, policy=LOOPBACK, allowed_hosts=()) == url


def test_an_odd_spelling_of_an_allowed_literal_is_normalised() -> None:
    assert url_check("http://0x7f.1:81/", policy=LOOPBACK, allowed_hosts=()) == "http://127.0.0.1:81/"


def test_its_neighbour_is_still_refused() -> None:
    assert refusal("https://127.0.0.2/", policy=LOOPBACK) == "private_address"


@pytest.mark.parametrize(
    ("url", "hosts", "reason"),
    [
        ("https://evil.org/a.google.com/", ("*.google.com",), "host_not_allowed"),
        ("https://push.apple.com/", ("*.push.apple.com",), "host_not_allowed"),
        ("https://evilpush.apple.com/", ("*.push.apple.com",), "host_not_allowed"),
        ("https://web.push.apple.com.evil.org/", ("*.push.apple.com",), "host_not_allowed"),
        ("https://push.example.org:8443/", ("push.example.org",), "port"),
        ("https://push.example.org/", ("push.example.org:8443",), "port"),
        ("https://push.example.org/", (), "host_not_allowed"),
    ],
)
def test_patterns_match_whole_labels_and_ports(url: str, hosts: tuple[str, ...], reason: str) -> None:
    assert refusal(url, hosts) == reason


@pytest.mark.parametrize("pattern", ["push.example.org:8443", "*.example.org:8443", "*:8443"])
def test_a_pattern_may_name_a_port(pattern: str) -> None:
    url = "https://push.example.org:8443/x"
    assert url_check(url, policy=PUBLIC, allowed_hosts=(pattern,)) == url


def test_an_international_name_is_sent_in_ascii() -> None:
    assert (
        url_check("https://bücher.example/x", policy=PUBLIC, allowed_hosts=("*",)) == "https://xn--bcher-kva.example/x"
    )


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://a.org/x/y", "https://a.org"),
        ("https://a.org:8443/x", "https://a.org:8443"),
        ("https://a.org/", "https://a.org"),
        ("http://127.0.0.1:1/?a=https://b/", "http://127.0.0.1:1"),
    ],
)
def test_the_origin_is_scheme_host_and_port(url: str, expected: str) -> None:
    assert origin(url) == expected


@pytest.mark.parametrize("block", [*RESERVED_IPV4, *RESERVED_IPV6], ids=str)
def test_no_part_of_a_reserved_block_is_public(block: Network) -> None:
    assert not is_public(block[0])
    assert not is_public(block[-1])


@pytest.mark.parametrize("block", RESERVED_IPV4, ids=str)
def test_addresses_next_to_a_reserved_block_are_public(block: Network) -> None:
    around = [number for number in (int(block[0]) - 1, int(block[-1]) + 1) if 0 <= number < 2**32]
    for address in map(IPv4Address, around):
        assert is_public(address) is not any(address in other for other in RESERVED_IPV4)


@given(st.ip_addresses())
def test_what_the_library_calls_special_is_in_the_table(address: Address) -> None:
    """The table is complete by itself: the library's own registries, which depend on Python's release, add nothing."""
    table = RESERVED_IPV4 if isinstance(address, IPv4Address) else RESERVED_IPV6
    listed = any(address in block for block in table) or (address.version == 6 and address not in GLOBAL_UNICAST)
    if not address.is_global or address.is_multicast or address.is_reserved:
        assert listed
    assert is_public(address) is not listed


def test_documentation_addresses_of_2024_are_refused() -> None:
    """RFC 9637. Python 3.11 calls them global."""
    assert refusal("https://[3fff::1]/x") == "private_address"


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700:4700::1111", "93.184.216.34"])
def test_public_addresses_are_public(address: str) -> None:
    assert is_public(ip_address(address))


def test_plain_http_never_leaves_the_allowed_networks() -> None:
    assert not PUBLIC.address_allowed(ip_address("8.8.8.8"), tls=False)
    assert LOOPBACK.address_allowed(ip_address("127.0.0.1"), tls=False)


@given(
    st.sampled_from(["a.org", "A.org", "8.8.8.8", "0x7f.1", "a..org", "localhost"]), st.text("/?%2fA:@[~", max_size=9)
)
def test_the_short_way_for_plain_urls_judges_as_the_long_one(host: str, rest: str) -> None:
    url = f"https://{host}/{rest}"

    def judge(way: Callable[..., str], *given: Any) -> str:
        try:
            return way(url, *given)
        except UrlRefused as refused:
            return refused.reason.name

    assert judge(partial(url_check, policy=PUBLIC, allowed_hosts=("*",))) == judge(network._checked, PUBLIC, ("*",))


@given(st.text(max_size=60) | st.text("htps:/@[]#?.01x\\%a", max_size=40).map(lambda s: f"https://{s}"))
def test_any_text_is_judged_without_an_exception(url: str) -> None:
    try:
        again = url_check(url, policy=PUBLIC, allowed_hosts=("*",))
    except UrlRefused:
        return
    assert url_check(again, policy=PUBLIC, allowed_hosts=("*",)) == again
