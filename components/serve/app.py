"""The routes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse, JSONResponse, Response
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from platen import __version__
from platen.components.serve.engine import Engine, State
from platen.components.serve.protocol import ImageRequest, RefusalError
from platen.components.serve.service import Service, refuse

PAGE = Path(__file__).with_name("page.html")
POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
BODY = {"required": True, "content": {"application/json": {"schema": ImageRequest.model_json_schema()}}}

SAYS: dict[State, str] = {
    "empty": "no model has been released yet",
    "loading": "the model is being loaded",
    "ready": "requests are taken",
    "leaving": "shutting down; requests that still come are taken",
    "draining": "shutting down; what was accepted is finished",
    "failed": "the model cannot be served any more, or never could; the log says why",
    "ended": "shut down",
}


class CloseWhenLeaving:
    """Answers with `Connection: close` once the server was asked to end: clients then open their next one elsewhere."""

    def __init__(self, app: ASGIApp, engine: Engine) -> None:
        self.app = app
        self.engine = engine

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass everything on."""

        async def send_on(message: Message) -> None:
            if message["type"] == "http.response.start" and not self.engine.stays:
                message = {**message, "headers": [*message.get("headers", []), (b"connection", b"close")]}
            await send(message)

        await self.app(scope, receive, send_on)


def create_app(service: Service) -> FastAPI:
    """The application over a service. The documentation pages are off: they load scripts from elsewhere."""
    app = FastAPI(title="Platen", version=__version__, docs_url=None, redoc_url=None)
    app.add_middleware(CloseWhenLeaving, engine=service.engine)
    page = PAGE.read_text(encoding="utf-8")

    @app.post("/v1/images/generations", openapi_extra={"requestBody": BODY})
    async def generate(request: Request) -> Response:
        """Make pictures from a prompt."""
        return await service.images(request)

    @app.get("/v1/models")
    async def models() -> dict[str, Any]:
        """The one model that is served; none where none has been released yet."""
        return {"object": "list", "data": [service.card()] if service.digest else []}

    @app.get("/v1/models/{name}")
    async def model(name: str) -> Response:
        """The model, by its name."""
        if name != service.settings.name or not service.digest:
            message = f"{name[:100]!r} is not served here. Accepted: {service.settings.name!r}."
            return refuse(RefusalError(404, message, param="model", code="model_not_found"))
        return JSONResponse(service.card())

    @app.get("/healthz")
    async def healthz() -> Response:
        """Whether the process is well: it may have no model yet, or be loading."""
        return _state(service, well=service.engine.state != "failed")

    @app.get("/readyz")
    async def readyz() -> Response:
        """Whether requests are taken: the model is loaded and has made a picture, and no shutdown was asked for."""
        return _state(service, well=service.engine.state == "ready")

    @app.get("/metrics")
    async def metrics() -> Response:
        """Prometheus' text form."""
        return Response(service.metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")

    @app.get("/", include_in_schema=False)
    async def index() -> Response:
        """The page to try the model."""
        return HTMLResponse(page, headers={"Content-Security-Policy": POLICY, "Cache-Control": "no-cache"})

    @app.exception_handler(HTTPException)
    async def unknown(request: Request, error: HTTPException) -> Response:
        message = f"{request.method} {request.url.path}: {error.detail}."
        response = refuse(RefusalError(error.status_code, message, code="unknown_url"))
        response.headers.update(error.headers or {})
        return response

    return app


def _state(service: Service, *, well: bool) -> Response:
    state = service.engine.state
    return JSONResponse({"state": state, "message": SAYS[state]}, 200 if well else 503)
