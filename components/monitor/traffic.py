"""Reading the request log of a model, as far as it was when the stage began."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

CLIENT_LEFT = 499
CHUNK = 1 << 20


class Request(BaseModel):
    """What monitor needs of a line of the log; other fields are left unread."""

    model_config = ConfigDict(extra="ignore", frozen=True, allow_inf_nan=False)

    time: AwareDatetime
    status: int = Field(ge=100, le=599)
    seconds: float = Field(ge=0)
    prompt: str | None = None  # none where the request was refused
    n: int | None = None
    user: str | None = None


@dataclass
class Traffic:
    """A log, counted.

    Attributes:
        statuses: Requests by HTTP status.
        latencies: Of the requests that were answered with pictures, in seconds.
        prompts: Of all requests that were understood, whether or not they were answered.
        pictures: That were made.
        unreadable: Lines that are no request.
        ignored: Requests of users that do not count.
        older: Requests from before the window.
        first, last: When the first and the last of those that count arrived.
    """

    statuses: Counter[int] = field(default_factory=Counter)
    latencies: list[float] = field(default_factory=list)
    prompts: list[str] = field(default_factory=list)
    pictures: int = 0
    unreadable: int = 0
    ignored: int = 0
    older: int = 0
    first: datetime | None = None
    last: datetime | None = None

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

    @property
    def distinct(self) -> list[str]:
        """The prompts, each once: one that is sent again and again says nothing new of what is asked for."""
        return sorted(set(self.prompts))

    def add(self, request: Request) -> None:
        """Count a request."""
        self.first = min(self.first or request.time, request.time)
        self.last = max(self.last or request.time, request.time)
        self.statuses[request.status] += 1
        if request.prompt is not None:
            self.prompts.append(request.prompt)
        if request.status == 200:
            self.latencies.append(request.seconds)
            self.pictures += request.n or 0


@dataclass(frozen=True, slots=True)
class Piece:
    """The first `size` bytes of a file of the log, and the stream that they are part of."""

    stream: str
    path: Path
    size: int


def pieces_of(folder: Path, known: Mapping[str, int] | None = None) -> list[Piece]:
    """The log as it is now, or as it was when its streams had as many bytes as are known.

    Each process that serves has a stream of its own, `<stream>-<number>.jsonl`, which it only ever adds to.
    """
    found: list[Piece] = []
    used: Counter[str] = Counter()
    for stream, _, path in sorted(map(_part, folder.glob("*.jsonl"))):
        size = path.stat().st_size
        if known is not None:
            size = min(size, known.get(stream, 0) - used[stream])
        if size > 0:
            used[stream] += size
            found.append(Piece(stream, path, size))
    return found


def _part(path: Path) -> tuple[str, int, Path]:
    stream, _, number = path.stem.rpartition("-")
    return (stream, int(number), path) if number.isdecimal() else (path.stem, 0, path)


def bytes_of(pieces: Iterable[Piece]) -> dict[str, int]:
    """How many bytes each stream has."""
    counts: Counter[str] = Counter()
    for piece in pieces:
        counts[piece.stream] += piece.size
    return dict(sorted(counts.items()))


def read_traffic(pieces: Sequence[Piece], window: timedelta | None = None, ignored: Collection[str] = ()) -> Traffic:
    """What the lines say; a server may be appending to a file meanwhile.

    The newest request, not the clock, ends the window: so the same log always says the same. It is known only at the
    end, hence the log is read twice.

    Args:
        pieces: The log.
        window: How long before the newest request a request counts; None: always.
        ignored: Users whose requests do not count.
    """
    counted = (one for one in _requests(pieces) if one is not None and one.user not in ignored)
    newest = max((one.time for one in counted), default=None) if window is not None else None
    traffic = Traffic()
    for request in _requests(pieces):
        if request is None:
            traffic.unreadable += 1
        elif request.user in ignored:
            traffic.ignored += 1
        elif window is not None and newest is not None and newest - request.time > window:
            traffic.older += 1
        else:
            traffic.add(request)
    return traffic


def _requests(pieces: Sequence[Piece]) -> Iterator[Request | None]:
    """A request for each line; None where it is none."""
    for line in (line for piece in pieces for line in _lines(piece) if line.strip()):
        try:
            yield Request.model_validate_json(line)
        except ValidationError:
            yield None


def digest_of(pieces: Iterable[Piece]) -> str:
    """SHA-256 of all pieces one after the other, in hexadecimal."""
    digest = hashlib.sha256()
    for piece in pieces:
        for chunk in _chunks(piece):
            digest.update(chunk)
    return digest.hexdigest()


def _lines(piece: Piece) -> Iterator[bytes]:
    rest = b""
    for chunk in _chunks(piece):
        *lines, rest = (rest + chunk).split(b"\n")
        yield from lines
    yield rest


def _chunks(piece: Piece) -> Iterator[bytes]:
    size = piece.size
    with piece.path.open("rb") as file:
        while size > 0 and (chunk := file.read(min(CHUNK, size))):
            size -= len(chunk)
            yield chunk
