"""Looks for a notice that this machine is about to be taken away: a file that appears, or a metadata server's word.

Google Cloud: .../computeMetadata/v1/instance/preempted answers FALSE, then TRUE (header Metadata-Flavor: Google).
AWS: .../latest/meta-data/spot/instance-action answers 404, then what is going to happen and when. Where only IMDSv2 is
allowed it answers 401, until it is asked with a token.
Azure: .../metadata/scheduledevents?api-version=2020-07-01 lists events (header Metadata: true).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from threading import Event, Thread
from urllib.parse import urljoin

import httpx

from platen.components.train.rank.settings import StopSettings
from platen.core.telemetry import log

NOTICE = re.compile(
    r'\s*TRUE\s*|.*"action"\s*:\s*"(terminate|stop|hibernate)".*|.*"EventType"\s*:\s*"(Preempt|Terminate)".*', re.DOTALL
)
LONGEST = 3.0  # seconds that an answer may take; the server is on the machine or beside it
TOKEN, TOKEN_HEADER = "/latest/api/token", "X-aws-ec2-metadata-token"
TOKEN_LIFE = {"X-aws-ec2-metadata-token-ttl-seconds": "21600"}


def watch(settings: StopSettings, tell: Callable[[], None], ended: Event) -> None:
    """Look every `poll_seconds`, in a thread of its own, until there is a notice or `ended` is set."""
    if settings.notice_file or settings.notice_url:
        Thread(target=_look, args=(settings, tell, ended), name="notices", daemon=True).start()


def _look(settings: StopSettings, tell: Callable[[], None], ended: Event) -> None:
    silent = False
    # no proxy can know about this machine, and no redirect leads away from it
    with httpx.Client(headers=settings.notice_headers, timeout=LONGEST, trust_env=False) as client:
        while not ended.is_set():
            try:
                if _file_is_there(settings) or _is_told(client, settings.notice_url):
                    tell()
                    return
                silent = False
            except (httpx.HTTPError, OSError) as error:
                if not silent:
                    log.warning("train: no notice can be had: %s: %s", settings.notice_url, error)
                silent = True
            ended.wait(settings.poll_seconds)


def _file_is_there(settings: StopSettings) -> bool:
    return settings.notice_file is not None and Path(settings.notice_file).exists()


def _is_told(client: httpx.Client, url: str | None) -> bool:
    if url is None:
        return False
    answer = client.get(url)
    if answer.status_code == httpx.codes.UNAUTHORIZED:
        client.headers[TOKEN_HEADER] = client.put(urljoin(url, TOKEN), headers=TOKEN_LIFE).raise_for_status().text
        answer = client.get(url)
    if answer.status_code == httpx.codes.NOT_FOUND:
        return False
    return NOTICE.fullmatch(answer.raise_for_status().text) is not None
