"""robots.txt, as RFC 9309 reads it, asked for once a host."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING
from urllib.robotparser import RobotFileParser

from platen.components.ingest.refused import Refused

if TYPE_CHECKING:
    import httpx

Get = Callable[[str], Awaitable[bytes]]


class Robots:
    """The rules of every host that was asked."""

    def __init__(self, get: Get, user_agent: str) -> None:
        self._get = get
        self._user_agent = user_agent
        self._asked: dict[str, asyncio.Task[RobotFileParser | Refused]] = {}

    async def check(self, url: httpx.URL) -> None:
        """Raise Refused where the host does not want this URL fetched, or cannot be asked."""
        place = str(url.copy_with(raw_path=b"/robots.txt", fragment=None))
        if place not in self._asked:
            self._asked[place] = asyncio.create_task(self._ask(place))
        rules = await asyncio.shield(self._asked[place])  # one URL's deadline must not end it for the others
        if isinstance(rules, Refused):
            raise Refused(rules.reason, rules.detail, status=rules.status)
        if not rules.can_fetch(self._user_agent, str(url)):
            raise Refused("robots_refused", f"{place} does not allow it")

    async def _ask(self, place: str) -> RobotFileParser | Refused:
        rules = RobotFileParser(place)
        try:
            text = await self._get(place)
        except Refused as error:
            return _without(rules, place, error)
        rules.parse(text.decode(errors="replace").splitlines())
        return rules


def _without(rules: RobotFileParser, place: str, error: Refused) -> RobotFileParser | Refused:
    """No file, no rules (RFC 9309, 2.3.1.3); a server that fails to say refuses everything (2.3.1.4)."""
    if error.status is not None and 400 <= error.status < 500 and error.status != 429:
        rules.parse([])
        return rules
    reason = "robots_refused" if error.reason in ("http_error", "body_too_large") else error.reason
    return Refused(reason, f"{place}: {error.detail}", status=error.status)
