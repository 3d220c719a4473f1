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

from platen import releases
from platen.components.serve.app import create_app
from platen.components.serve.engine import Engine
from platen.components.serve.metrics import Metrics
from platen.components.serve.protocol import Limits
from platen.components.serve.requests_log import Log, RequestsLog, open_log
from platen.components.serve.service import Service
from platen.components.serve.settings import ServeSettings
from platen.errors import InputError
from platen.lineage import workspace_of
from platen.manifest import check_files
from platen.stage import Folder, open_folder
from platen.telemetry import log

if TYPE_CHECKING:
    from platen.components.serve.sampler import DiffusionSampler


def find_model(model: str | None, workspace: str | None) -> Folder:
    """The committed model to serve: the one named, or the one that is live in a workspace.

    Raises InputError where neither is given, nothing is live, or the folder is not a model.
    """
    if model is None and workspace is None:
        raise InputError("nothing to serve. Accepted: --model URI of a committed model, or --workspace PATH")
    if model is None:
        live = releases.load(workspace or "").live
        if live is None:
            raise InputError(f"{workspace}: no model is live here yet; run the pipeline, or name one with --model")
        model = live.model
    folder = open_folder(model, workspace or "")
    if folder.manifest.kind != "model":
        raise InputError(f"{folder.uri}: a {folder.manifest.kind}. Accepted: a committed model")
    return folder


def run(settings: ServeSettings, model: str | None = None, workspace: str | None = None) -> int:
    """Serve until a signal ends it; the exit code.

    Args:
        settings: Section `serve`.
        model: URI of a committed model; none: what is live in the workspace.
        workspace: Where releases are looked up.

    Raises:
        PlatenError: The model, the port or the log cannot be used. What is wrong with the model's files is found only
            after the port is bound, since reading them takes long.
    """
    folder = find_model(model, workspace)
    listener = bind(settings.host, settings.port)
    service = build(settings, folder, request_log(settings, folder))
    config = uvicorn.Config(create_app(service), log_config=None, access_log=False, timeout_graceful_shutdown=10)
    server = Server(config, service)
    url = address(listener)
    log.info("serving %s on %s", folder.uri, url, extra={"data": {"url": url, "model": folder.digest}})
    service.engine.start()
    server.run(sockets=[listener])
    return finish(service)


def finish(service: Service) -> int:
    """End the engine. Raises what made it fail."""
    engine = service.engine
    ended = engine.close()
    service.log.close()
    if engine.failure is not None:
        raise engine.failure
    log.info("served; ended in good order" if ended else "ended while the model was being loaded")
    if not ended:  # a thread deep in a library cannot be stopped, and ending around it may crash
        sys.stderr.flush()
        os._exit(0)
    return 0


def build(settings: ServeSettings, folder: Folder, requests: Log) -> Service:
    """The parts of a server, wired together."""
    metrics = Metrics(settings.name, folder.digest)

    def load() -> DiffusionSampler:
        started = time.monotonic()
        check_files(folder.path, folder.manifest.files, folder.uri)
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
        log=requests,
    )
    return service


def limits_of(settings: ServeSettings, sampler: DiffusionSampler) -> Limits:
    """What requests may ask for, from the settings and the model."""
    return Limits(
        name=settings.name,
        sizes=(sampler.size,),
        max_n=settings.max_n,
        steps=settings.steps,
        max_steps=settings.max_steps,
        guidance_scale=settings.guidance_scale,
        max_prompt=settings.max_prompt,
        max_tokens=sampler.max_tokens,
        count_tokens=sampler.count_tokens,
    )


def request_log(settings: ServeSettings, folder: Folder) -> Log:
    """Where requests are logged: as the settings say, or where monitor looks, in the workspace."""
    if settings.log is not None:
        return RequestsLog(Path(settings.log))
    workspace = os.environ.get("PLATEN_WORKSPACE") or workspace_of(folder.uri)
    return open_log(releases.request_log(workspace, folder.digest), settings.log_every)


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
        self._drain_until: float | None = None

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Stop taking requests; /readyz says so from now on."""
        if self._drain_until is not None or self._service.engine.state == "loading":
            self.should_exit = self.force_exit = True
            return
        log.info("%s: finishing what was accepted", signal.Signals(sig).name)
        self._drain_until = time.monotonic() + self._service.settings.drain
        self._service.engine.drain()

    async def on_tick(self, counter: int) -> bool:
        """Whether to end: the engine has, or the time for it is over."""
        engine = self._service.engine
        if self._drain_until is not None and time.monotonic() > self._drain_until:
            log.warning("giving up what is unfinished after %g s (serve.drain)", self._service.settings.drain)
            self._drain_until = math.inf
            engine.close(timeout=0)
        return engine.state in ("ended", "failed") or await super().on_tick(counter)
