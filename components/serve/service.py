"""From an HTTP request to its answer: read the body, refuse or queue, wait, log."""

from __future__ import annotations

import asyncio
import time
import uuid
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from fastapi import Request
from fastapi.responses import JSONResponse, Response
from starlette.requests import ClientDisconnect

from platen.components.serve.engine import Engine, GivenUpError, Job
from platen.components.serve.metrics import Metrics
from platen.components.serve.protocol import Limits, Order, RefusalError, accept, answer
from platen.components.serve.requests_log import Log
from platen.components.serve.settings import ServeSettings
from platen.core.telemetry import log

CLIENT_LEFT = 499  # what nginx logs for a client that closed the connection
READ_SECONDS = 30.0
SKIP = 64  # times the limit: so much of a body that is too long is still read, so that the client gets to the answer


@dataclass(slots=True)
class Exchange:
    """What is known so far of one request."""

    id: str = field(default_factory=lambda: uuid.uuid4().hex)
    began: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="milliseconds"))
    started: float = field(default_factory=time.monotonic)
    order: Order | None = None

    def entry(self, status: int, error: str | None, digest: str) -> dict[str, Any]:
        """The line of the request log; what a refused request asked for stays null."""
        asked = self.order.entry() if self.order else dict.fromkeys(("prompt", "n", "size", "seed", "user"))
        seconds = round(time.monotonic() - self.started, 4)
        done = {"status": status, "error": error, "seconds": seconds, "model": digest}
        return {"time": self.began, "id": self.id, **asked, **done}


@dataclass(slots=True)
class Service:
    """The parts of a running server. `limits` is known once the model is loaded; without a model `digest` is empty."""

    settings: ServeSettings
    digest: str
    engine: Engine
    metrics: Metrics
    log: Log | None
    limits: Limits | None = None
    started: int = field(default_factory=lambda: int(time.time()))

    async def images(self, request: Request) -> Response:
        """Answer `POST /v1/images/generations`."""
        exchange = Exchange()
        with self.metrics.in_flight.track_inprogress():
            response, error = await self._answer(request, exchange)
        response.headers["x-request-id"] = exchange.id
        self.metrics.answered(response.status_code, time.monotonic() - exchange.started)
        if self.log is not None:
            self.log.write(exchange.entry(response.status_code, error, self.digest))
        return response

    def card(self) -> dict[str, Any]:
        """The model as `/v1/models` lists it; what it can do is there once it is loaded."""
        can = self.limits.card() if self.limits else {}
        known = {"object": "model", "created": self.started, "owned_by": "platen", "digest": self.digest}
        return {"id": self.settings.name, **known, **can}

    async def _answer(self, request: Request, exchange: Exchange) -> tuple[Response, str | None]:
        try:
            return JSONResponse(await self._generate(request, exchange)), None
        except RefusalError as refusal:
            return refuse(refusal), refusal.code
        except ClientDisconnect:
            return Response(status_code=CLIENT_LEFT), "client_left"
        except Exception:  # the client gets the API's error shape, the log the traceback
            log.exception("request %s failed", exchange.id)
            failure = RefusalError(500, f"The server failed; its log has more on {exchange.id}.", code="internal_error")
            return refuse(failure), failure.code

    async def _generate(self, request: Request, exchange: Exchange) -> dict[str, Any]:
        check_type(request)
        body = await read_body(request, self.settings.max_body)
        limits = self._ready()
        exchange.order = order = accept(body, limits)
        pictures = await self._draw(request, order, exchange.started + self.settings.deadline)
        model = {"model": self.settings.name, "model_digest": self.digest}
        return answer(order, pictures, int(time.time()), model)

    def _ready(self) -> Limits:
        state = self.engine.state
        if self.engine.takes and self.limits is not None:
            return self.limits
        if state == "empty":
            raise RefusalError(503, "No model has been released yet.", code="no_model", retry_after=30)
        if state == "loading":
            raise RefusalError(503, "The model is still being loaded.", code="model_loading", retry_after=5)
        raise RefusalError(503, "The server is shutting down.", code="shutting_down", retry_after=5)

    async def _draw(self, request: Request, order: Order, until: float) -> list[bytes]:
        futures = self._submit(order)
        drawing = asyncio.gather(*(asyncio.wrap_future(future) for future in futures))
        drawing.add_done_callback(_look)
        leaving = asyncio.ensure_future(disconnect(request))
        try:
            left = until - time.monotonic()
            both: set[asyncio.Future[Any]] = {drawing, leaving}
            await asyncio.wait(both, timeout=left, return_when=asyncio.FIRST_COMPLETED)
            return self._outcome(drawing, leaving)
        finally:
            leaving.cancel()
            for future in futures:  # those still in the queue, or at the model, which then stops within a step
                future.cancel()

    def _submit(self, order: Order) -> list[Future[bytes]]:
        if not self.engine.has_room(order.n):
            seconds = self.engine.retry_after()
            message = f"{self.engine.waiting} pictures wait already, of {self.settings.queue} at most."
            raise RefusalError(429, message, code="queue_full", retry_after=seconds)
        try:
            return self.engine.submit(jobs(order))
        except GivenUpError:
            raise RefusalError(503, "The server is shutting down.", code="shutting_down", retry_after=5) from None

    def _outcome(self, drawing: asyncio.Future[list[bytes]], leaving: asyncio.Future[None]) -> list[bytes]:
        if drawing.done():
            try:
                return drawing.result()
            except asyncio.CancelledError:  # the engine gave its pictures up
                raise RefusalError(503, "The server is shutting down.", code="shutting_down", retry_after=5) from None
        if leaving.done():
            raise ClientDisconnect
        message = f"The pictures were not made within {self.settings.deadline:g} s, the limit of this server."
        raise RefusalError(504, message, code="deadline_exceeded", retry_after=self.engine.retry_after())


def _look(drawing: asyncio.Future[list[bytes]]) -> None:
    """Look at how it ended: asyncio complains of errors that nobody looked at, and who left or timed out does not."""
    if not drawing.cancelled():
        drawing.exception()


def jobs(order: Order) -> list[Job]:
    """The pictures of an order: picture i of seed s is picture 0 of seed s + i."""
    return [
        Job(order.prompt, order.seed + i, order.width, order.height, order.steps, order.guidance_scale)
        for i in range(order.n)
    ]


def refuse(refusal: RefusalError) -> JSONResponse:
    """The answer that a refusal stands for."""
    headers = {} if refusal.retry_after is None else {"Retry-After": str(refusal.retry_after)}
    return JSONResponse(refusal.body, refusal.status, headers)


def check_type(request: Request) -> None:
    """Take JSON only: a form on somebody else's page cannot send that without being asked first."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise RefusalError(
            415, f"content-type is {kind!r}. Accepted: 'application/json'.", code="unsupported_media_type"
        )


async def read_body(request: Request, limit: int) -> bytes:
    """The body, counted while it comes in. Raises RefusalError for one that is too long or too slow."""
    body, size = bytearray(), 0
    try:
        async with asyncio.timeout(READ_SECONDS):
            async for chunk in request.stream():
                size += len(chunk)
                if size <= limit:
                    body += chunk
                if size > limit * SKIP:
                    break
    except TimeoutError:
        raise RefusalError(408, f"The body did not arrive within {READ_SECONDS:g} s.", code="request_timeout") from None
    if size > limit:
        raise RefusalError(413, f"The body is over {limit} bytes, the limit of this server.", code="body_too_large")
    return bytes(body)


async def disconnect(request: Request) -> None:
    """Return once the client has closed the connection."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
