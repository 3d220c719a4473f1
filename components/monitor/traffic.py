"""Reading the request log of a model, as far as it was when the stage began."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

CLIENT_LEFT = 499
CHUNK = 1 << 20


class Request(BaseModel):
    """What monitor needs of a line of the log; other fields are left unread."""

    model_config = ConfigDict(extra="ignore", frozen=True, allow_inf_nan=False)

    status: int = Field(ge=100, le=599)
    seconds: float = Field(ge=0)
    prompt: str | None = None  # none where the request was refused
    n: int | None = None


@dataclass
class Traffic:
    """A log, counted.

    Attributes:
        statuses: Requests by HTTP status.
        latencies: Of the requests that were answered with pictures, in seconds.
        prompts: Of all requests that were understood, whether or not they were answered.
        pictures: That were made.
        unreadable: Lines that are no request.
    """

    statuses: Counter[int] = field(default_factory=Counter)
    latencies: list[float] = field(default_factory=list)
    prompts: list[str] = field(default_factory=list)
    pictures: int = 0
    unreadable: int = 0

    @property
    def requests(self) -> int:
        """All of them."""
        return self.statuses.total()

    @property
    def judged(self) -> int:
        """Those that say something of the server: not refused as faulty, and not left by the client."""
        return sum(count for status, count in self.statuses.items() if status == 200 or status >= 500)

    @property
    def failed(self) -> int:
        """Those that the server failed."""
        return sum(count for status, count in self.statuses.items() if status >= 500)

    def add(self, line: bytes) -> None:
        """Count a line."""
        try:
            request = Request.model_validate_json(line)
        except ValidationError:
            self.unreadable += 1
            return
        self.statuses[request.status] += 1
        if request.prompt is not None:
            self.prompts.append(request.prompt)
        if request.status == 200:
            self.latencies.append(request.seconds)
            self.pictures += request.n or 0


def read_traffic(path: Path, size: int) -> Traffic:
    """The first `size` bytes of a log: a server may be appending to it meanwhile."""
    traffic = Traffic()
    for line in _lines(path, size):
        if line.strip():
            traffic.add(line)
    return traffic


def digest_of(path: Path, size: int) -> str:
    """SHA-256 of the first `size` bytes of a file, in hexadecimal."""
    digest = hashlib.sha256()
    for chunk in _chunks(path, size):
        digest.update(chunk)
    return digest.hexdigest()


def size_of(path: Path) -> int:
    """Bytes of a file; 0 where there is none."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _lines(path: Path, size: int) -> Iterator[bytes]:
    rest = b""
    for chunk in _chunks(path, size):
        *lines, rest = (rest + chunk).split(b"\n")
        yield from lines
    yield rest


def _chunks(path: Path, size: int) -> Iterator[bytes]:
    if size == 0:
        return
    with path.open("rb") as file:
        while size > 0 and (chunk := file.read(min(CHUNK, size))):
            size -= len(chunk)
            yield chunk
