"""The process: bind, load in the background, serve, and end well on SIGTERM."""

from __future__ import annotations

import math
import os
import signal
import socket
import sys
import time
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

import uvicorn

from platen.artifacts import releases
from platen.components.serve.app import create_app
from platen.components.serve.engine import Engine
from platen.components.serve.metrics import Metrics
from platen.components.serve.protocol import Limits
from platen.components.serve.released import find_model
from platen.components.serve.requests_log import Log, RequestsLog, open_log
from platen.components.serve.service import Service
from platen.components.serve.settings import ServeSettings
from platen.core.errors import InputError
from platen.core.lineage import workspace_of
from platen.core.stage import Folder
from platen.core.telemetry import log

if TYPE_CHECKING:
    from platen.components.serve.sampler import DiffusionSampler

KEEP_ALIVE = 75  # seconds; longer than clients and proxies keep a connection, so that it is they who close it


def run(settings: ServeSettings, model: str | None = None, workspace: str | None = None) -> int:
    """Serve until a signal ends it; the exit code.

    Args:
        settings: Section `serve`.
        model: URI of a committed model; none: what is live in the workspace.
        workspace: Where releases are looked up; none: the environment says what to serve.

    Raises:
        PlatenError: The model, the port or the log cannot be used. What is wrong with the model's files is found only
            after the port is bound, since reading them takes long.
    """
    folder = find_model(model, workspace)
    listener = bind(settings.host, settings.port)
    service = build(settings, folder)
    config = uvicorn.Config(
        create_app(service),
        log_config=None,
        access_log=False,
        timeout_keep_alive=KEEP_ALIVE,
        timeout_graceful_shutdown=10,
    )
    server = Server(config, service)
    url = address(listener)
    what = folder.uri if folder else "no model, as none has been released yet,"
    log.info("serving %s on %s", what, url, extra={"data": {"url": url, "model": service.digest}})
    service.engine.start()
    server.run(sockets=[listener])
    return finish(service)


def finish(service: Service) -> int:
    """End the engine. Raises what made it fail."""
    engine = service.engine
    ended = engine.close()
    if service.log is not None:
        service.log.close()
    if engine.failure is not None:
        raise engine.failure
    log.info("served; ended in good order" if ended else "ended while the model was being loaded")
    if not ended:  # a thread deep in a library cannot be stopped, and ending around it may crash
        sys.stderr.flush()
        os._exit(0)
    return 0


def build(settings: ServeSettings, folder: Folder | None) -> Service:
    """The parts of a server, wired together."""
    if folder is None:
        metrics = Metrics(settings.name, None)
        return Service(settings, "", Engine(None, metrics, settings.queue), metrics, log=None)
    metrics = Metrics(settings.name, folder.digest)

    def load() -> DiffusionSampler:
        started = time.monotonic()
        folder.check()
        from platen.components.serve import sampler

        loaded = sampler.load(folder.path, folder.digest, settings.device, settings.precision)
        service.limits = limits_of(settings, loaded)
        log.info("model loaded in %.1f s", time.monotonic() - started)
        return loaded

    service = Service(
        settings=settings,
        digest=folder.digest,
        engine=Engine(load, metrics, settings.queue),
        metrics=metrics,
        log=request_log(settings, folder),
    )
    return service


def limits_of(settings: ServeSettings, sampler: DiffusionSampler) -> Limits:
    """What requests may ask for, from the settings and the model."""
    pipeline = sampler.pipeline
    return Limits(
        name=settings.name,
        size=pipeline.size,
        size_multiple=pipeline.multiple,
        max_n=settings.max_n,
        steps=settings.steps,
        max_steps=settings.max_steps,
        guidance_scale=settings.guidance_scale,
        max_prompt=settings.max_prompt,
        max_tokens=pipeline.max_tokens,
        count_tokens=pipeline.count_tokens,
    )


def request_log(settings: ServeSettings, folder: Folder) -> Log:
    """Where requests are logged: as the settings say, or where monitor looks, in the workspace that the model is of."""
    if settings.log is not None:
        return RequestsLog(Path(settings.log))
    return open_log(releases.request_log(workspace_of(folder.uri), folder.digest), settings.log_every)


def bind(host: str, port: int) -> socket.socket:
    """A listening socket. Raises InputError where the address cannot be had."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=128)
    except OSError as error:
        raise InputError(
            f"serve.port: {port} on {host} cannot be had ({error.strerror or error}). "
            "Accepted: a free port, or 0 for any (serve.port or --port)."
        ) from None


def address(listener: socket.socket) -> str:
    """The URL of a listening socket."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


class Server(uvicorn.Server):
    """uvicorn, but SIGTERM and SIGINT first let what was accepted finish; a second one ends at once."""

    def __init__(self, config: uvicorn.Config, service: Service) -> None:
        super().__init__(config)
        self._service = service
        self._take_until = self._drain_until = math.inf
        self._asked = False

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Not be ready from now on, and take requests for a little longer."""
        settings, engine = self._service.settings, self._service.engine
        if self._asked or engine.state in ("empty", "loading"):
            self.should_exit = self.force_exit = True
            return
        self._asked = True
        log.info(
            "%s: finishing what was accepted, and what comes within %g s", signal.Signals(sig).name, settings.lame_duck
        )
        self._take_until = time.monotonic() + settings.lame_duck
        self._drain_until = self._take_until + settings.drain
        engine.leave() if settings.lame_duck else engine.drain()

    async def on_tick(self, counter: int) -> bool:
        """Whether to end: the engine has, or the time for it is over."""
        engine, now = self._service.engine, time.monotonic()
        if now > self._take_until:
            engine.drain()
        if now > self._drain_until:
            log.warning("giving up what is unfinished after %g s (serve.drain)", self._service.settings.drain)
            self._drain_until = math.inf
            engine.close(timeout=0)
        return engine.state in ("ended", "failed") or await super().on_tick(counter)
