"""Connections to addresses that were checked: a name is resolved once, and the connection goes to what was checked."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Collection, Iterable
from typing import TYPE_CHECKING, Any

from platen.components.ingest.addresses import refusal
from platen.components.ingest.refused import Refused

if TYPE_CHECKING:
    import httpcore

Resolve = Callable[[str, int], Awaitable[list[str]]]


async def resolve_host(host: str, port: int) -> list[str]:
    """The addresses of a host, in the order in which to try them. Raises Refused where it has none."""
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise Refused("connection_failed", f"{host} does not resolve", again=True) from error
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


class PinnedBackend:
    """A network backend for httpcore (the methods of its AsyncNetworkBackend).

    Every connection of the pool is made here, so also that of every redirect. TLS names and the Host header are those
    of the URL: only the socket sees the address.
    """

    def __init__(self, allow_hosts: Collection[str], resolve: Resolve = resolve_host) -> None:
        import httpcore

        self._allowed = frozenset(allow_hosts)
        self._resolve = resolve
        self._sockets = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Connect to the first address of a host that answers. Raises Refused if any of them is not public."""
        import httpcore

        addresses = await self._checked(host, port)
        for address in addresses:
            try:
                return await self._sockets.connect_tcp(address, port, timeout, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                continue
        raise Refused("connection_failed", f"no connection to {host}:{port}", again=True)

    async def connect_unix_socket(self, path: str, timeout: float | None = None, socket_options: Any = None) -> Any:
        """Refused: no URL leads here."""
        raise Refused("address_refused", f"{path}: a socket of this machine")

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await asyncio.sleep(seconds)

    async def _checked(self, host: str, port: int) -> list[str]:
        addresses = await self._resolve(host, port)
        name = f"[{host}]" if ":" in host else host
        if f"{name}:{port}" not in self._allowed:
            for address in addresses:
                why = refusal(address)
                if why:
                    raise Refused("address_refused", f"{host}: {why}")
        return addresses
