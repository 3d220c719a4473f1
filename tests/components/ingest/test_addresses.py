"""Which addresses are refused, in whatever form they are written."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from platen.components.ingest.addresses import NAT64, carried, refusal

PRIVATE = ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/4",
           "0.0.0.0/8", "100.64.0.0/10", "192.0.2.0/24", "198.18.0.0/15", "240.0.0.0/4")  # fmt: skip

private = st.sampled_from(PRIVATE).flatmap(lambda block: st.ip_addresses(network=block))
public = st.ip_addresses(v=4).filter(lambda ip: ip.is_global and not ip.is_multicast)


def forms(ip: IPv4Address) -> list[str]:
    """The same IPv4 address as mapped, 6to4 and NAT64 IPv6."""
    mapped = IPv6Address(0xFFFF << 32 | int(ip))
    six_to_four = IPv6Address(0x2002 << 112 | int(ip) << 80 | 1)
    return [str(mapped), str(six_to_four), str(IPv6Address(int(NAT64.network_address) | int(ip)))]


@given(private)
def test_private_addresses_are_refused_in_every_form(ip: IPv4Address) -> None:
    assert refusal(str(ip))
    assert all(refusal(form) for form in forms(ip))


@given(public)
def test_public_addresses_are_taken_in_every_form_that_carries_them(ip: IPv4Address) -> None:
    inside = any(ip in ip_network(block) for block in ("192.88.99.0/24", "192.0.0.0/24", "100.64.0.0/10"))
    assert (refusal(str(ip)) is None) is not inside
    assert all(carried(IPv6Address(form)) == ip for form in forms(ip))
    assert all((refusal(form) is None) is not inside for form in forms(ip))


@given(st.ip_addresses(v=6))
def test_only_global_unicast_ipv6_is_taken(ip: IPv6Address) -> None:
    if refusal(str(ip)) is None:
        meant = carried(ip) or ip  # 2002:100:: is 1.0.0.0, by way of a range that is nobody's own
        assert meant.version == 4 or meant in ip_network("2000::/3")
        assert not meant.is_private


@pytest.mark.parametrize(
    "address",
    ["::1", "::", "fe80::1", "fe80::1%eth0", "fc00::1", "fd12::1", "ff02::1", "fec0::1", "2001:db8::1", "2001::1",
     "64:ff9b:1::1", "100::1", "::127.0.0.1", "5f00::1", "3fff::1", "not an address", ""],
)  # fmt: skip
def test_special_addresses_are_refused(address: str) -> None:
    assert refusal(address)


@pytest.mark.parametrize("address", ["1.1.1.1", "93.184.215.14", "2606:4700::1111", "2a00:1450:4001:80b::200e"])
def test_public_addresses_are_taken(address: str) -> None:
    assert refusal(address) is None
