"""Which network addresses may be fetched from: public ones, and no other."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

KINDS = ("unspecified", "loopback", "link_local", "multicast", "private", "reserved")
GLOBAL_UNICAST = ip_network("2000::/3")  # RFC 4291, 2.4
NAT64 = ip_network("64:ff9b::/96")  # RFC 6052, 2.1
# Special-purpose blocks that ipaddress calls global, or did in some of the Python versions in use (IANA registries).
SPECIAL = tuple(
    ip_network(block) for block in ("192.0.0.0/24", "192.88.99.0/24", "100.64.0.0/10", "2001::/23", "3fff::/20")
)


def refusal(address: str) -> str | None:
    """Why an IP address must not be fetched from, in words; None for a public one.

    An IPv6 address that carries an IPv4 one (mapped, 6to4, NAT64) is as good as what it carries.
    """
    try:
        ip = ip_address(address)
    except ValueError:
        return f"{address} is not an address"
    inner = carried(ip)
    if inner is not None:
        why = refusal(str(inner))
        return f"{address} carries {why}" if why else None
    for kind in KINDS:
        if getattr(ip, f"is_{kind}"):
            return f"{address} is {kind.replace('_', '-')}"
    return None if ip.is_global and not _special(ip) else f"{address} is not public"


def carried(ip: IPv4Address | IPv6Address) -> IPv4Address | None:
    """The IPv4 address in a mapped (RFC 4291), 6to4 (RFC 3056) or NAT64 (RFC 6052) one."""
    if isinstance(ip, IPv4Address):
        return None
    if ip in NAT64:
        return IPv4Address(int(ip) & 0xFFFFFFFF)
    return ip.ipv4_mapped or ip.sixtofour


def _special(ip: IPv4Address | IPv6Address) -> bool:
    if isinstance(ip, IPv6Address) and ip not in GLOBAL_UNICAST:
        return True
    return any(ip in block for block in SPECIAL)
