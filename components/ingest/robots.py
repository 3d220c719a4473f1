"""robots.txt, as RFC 9309 reads it, asked for once a host."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from platen.components.ingest.refused import Refused
from platen.components.ingest.robots_rules import Rules, allows, read_rules

if TYPE_CHECKING:
    import httpx

Get = Callable[[str], Awaitable[bytes]]
MOST_HOSTS = 4096  # more than are fetched from at once; those that were not asked for longest are forgotten


class Robots:
    """The rules of the hosts that were asked last."""

    def __init__(self, get: Get, user_agent: str) -> None:
        self._get = get
        self._user_agent = user_agent
        self._asked: OrderedDict[str, asyncio.Task[Rules | Refused]] = OrderedDict()

    async def check(self, url: httpx.URL) -> None:
        """Raise Refused where the host does not want this URL fetched, or cannot be asked."""
        place = str(url.copy_with(raw_path=b"/robots.txt", fragment=None))
        rules = await asyncio.shield(self._task(place))  # one URL's deadline must not end it for the others
        if isinstance(rules, Refused):
            raise Refused(rules.reason, rules.detail, status=rules.status)
        if not allows(rules, url.raw_path.decode("ascii")):
            raise Refused("robots_refused", f"{place} does not allow it")

    def _task(self, place: str) -> asyncio.Task[Rules | Refused]:
        if place not in self._asked:
            self._asked[place] = asyncio.create_task(self._ask(place))
        self._asked.move_to_end(place)
        if len(self._asked) > MOST_HOSTS:
            self._asked.popitem(last=False)
        return self._asked[place]

    async def _ask(self, place: str) -> Rules | Refused:
        try:
            return read_rules(await self._get(place), self._user_agent)
        except Refused as error:
            return _without(place, error)


def _without(place: str, error: Refused) -> Rules | Refused:
    """No file, no rules (RFC 9309, 2.3.1.3); a server that fails to say refuses everything (2.3.1.4)."""
    if error.status is not None and 400 <= error.status < 500 and error.status != 429:
        return ()
    reason = "robots_refused" if error.reason in ("http_error", "body_too_large") else error.reason
    return Refused(reason, f"{place}: {error.detail}", status=error.status)
