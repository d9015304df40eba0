"""Addresses of clients, and shares of bounded resources."""

import pytest

from pushhub.http.peers import PeerUnknown, Share, peer_address, peer_network


@pytest.mark.parametrize(
    ("proxies", "forwarded", "address"),
    [
        (0, "203.0.113.9", "192.0.2.1"),
        (1, "203.0.113.9", "203.0.113.9"),
        (1, "198.51.100.1, 203.0.113.9", "203.0.113.9"),
        (2, "198.51.100.1, 203.0.113.9", "198.51.100.1"),
        (1, "203.0.113.9:4711", "203.0.113.9"),
        (1, "[2001:db8::1]:4711", "2001:db8::1"),
        (1, "2001:db8::1", "2001:db8::1"),
        (1, "::ffff:203.0.113.9", "203.0.113.9"),
    ],
)
def test_the_address_is_that_which_the_outermost_trusted_proxy_reports(
    proxies: int, forwarded: str, address: str
) -> None:
    assert peer_address(socket_peer="192.0.2.1", forwarded=forwarded, proxies=proxies) == address


@pytest.mark.parametrize("forwarded", ["", "203.0.113.9", "unknown, 203.0.113.9", ", 203.0.113.9"])
def test_an_address_that_no_trusted_proxy_reports_is_unknown(forwarded: str) -> None:
    with pytest.raises(PeerUnknown):
        peer_address(socket_peer="192.0.2.1", forwarded=forwarded, proxies=2)


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3::1", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:9:8:7:6", "2001:db8:1:2::/64"),
        ("", ""),
    ],
)
def test_an_ipv6_client_is_its_network(address: str, network: str) -> None:
    assert peer_network(address) == network


def test_one_client_has_only_its_part_of_a_share() -> None:
    share = Share(3, per_peer=2)
    assert [share.take(peer) for peer in "aaabbc"] == [True, True, False, True, False, False]
    share.release("a")
    assert share.take("c")
