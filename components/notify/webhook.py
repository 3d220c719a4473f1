"""Posting the summary to a webhook. Its address is a secret: no log line, error or file repeats any part of it."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from platen.components.notify.settings import NotifySettings
from platen.components.notify.summary import Summary
from platen.core.errors import InputError
from platen.core.manifest import canonical
from platen.core.telemetry import log

if TYPE_CHECKING:
    import httpx

LARGEST = 64 * 1024  # bytes of a body; what receives webhooks refuses large ones
LONGEST_REASON = 2000  # characters of it in a body that had to be cut
PAUSES = (1.0, 4.0)  # seconds before the second and the third try
WORTH_ANOTHER_TRY = frozenset({408, 425, 429, 500, 502, 503, 504})


def tell(summary: Summary, settings: NotifySettings, pauses: Sequence[float] = PAUSES) -> bool:
    """Post the summary where an address is set; whether it was taken. A failure is a warning, never an exception."""
    try:
        address = find_address(settings)
        if address is None:
            return False
        url = check_address(address, settings.webhook_http_hosts)
    except InputError as error:
        log.warning("webhook: %s", error)
        return False
    fault = post(url, body_of(summary), settings.webhook_seconds, pauses)
    if fault is not None:
        log.warning("webhook: not delivered: %s", fault)
    return fault is None


def find_address(settings: NotifySettings) -> str | None:
    """The address from the environment, else from the file; None where neither is set."""
    found = os.environ.get(settings.webhook_variable, "").strip()
    if found or settings.webhook_file is None:
        return found or None
    try:
        return Path(settings.webhook_file).read_text(encoding="utf-8").strip() or None
    except (OSError, UnicodeDecodeError) as error:
        problem = f"notify.webhook_file: {settings.webhook_file} cannot be read ({type(error).__name__})"
        raise InputError(problem) from None


def check_address(address: str, http_hosts: Sequence[str]) -> httpx.URL:
    """The address, where it may be posted to. Raises InputError, which does not repeat it."""
    import httpx

    try:
        url = httpx.URL(address)
    except (httpx.InvalidURL, ValueError):
        raise InputError("the address is not a URL. Accepted: https://...") from None
    if not url.host or (url.scheme != "https" and not (url.scheme == "http" and url.host in http_hosts)):
        raise InputError("the address must be https://, or http:// to a host named in notify.webhook_http_hosts")
    return url


def body_of(summary: Summary) -> bytes:
    """The summary as JSON; where that is too large, how the run ended alone, marked as cut."""
    full = summary.model_dump(mode="json")
    whole = canonical(full)
    if len(whole) <= LARGEST:
        return whole
    kept = {name: full[name] for name in ("schema_version", "run", "outcome", "failure", "finished", "verdict")}
    if summary.failure:
        kept["failure"] = {**full["failure"], "reason": summary.failure.reason[:LONGEST_REASON]}
    return canonical({**kept, "cut": True})


def post(url: httpx.URL, body: bytes, seconds: float, pauses: Sequence[float]) -> str | None:
    """Post until it is taken or the tries are used up; what went wrong in the last one, or None."""
    for name in ("httpx", "httpcore"):  # they log every address, and a KFP task logs whatever the root logger gets
        logging.getLogger(name).setLevel(logging.WARNING)
    return asyncio.run(_post(url, body, seconds, pauses))


async def _post(url: httpx.URL, body: bytes, seconds: float, pauses: Sequence[float]) -> str | None:
    fault: str | None = None
    for pause in (0.0, *pauses):
        await asyncio.sleep(pause)
        fault, again = await _try(url, body, seconds)
        if not again:
            break
    return fault


async def _try(url: httpx.URL, body: bytes, seconds: float) -> tuple[str | None, bool]:
    """What went wrong, or None; and whether another try could help. The answer's body is not read."""
    import httpx

    try:
        async with asyncio.timeout(seconds), httpx.AsyncClient(timeout=seconds, follow_redirects=False) as client:
            headers = {"content-type": "application/json", "user-agent": "platen"}
            async with client.stream("POST", url, content=body, headers=headers) as answer:
                code = answer.status_code
    except TimeoutError:
        return f"no answer within {seconds:g} s", True
    except (httpx.HTTPError, OSError) as error:
        return type(error).__name__, True  # its words may hold the address
    return (None, False) if 200 <= code < 300 else (f"status {code}", code in WORTH_ANOTHER_TRY)
