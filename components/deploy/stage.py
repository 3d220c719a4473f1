"""Deploy: what happens, in order. The pointer is switched last, when everything else has held."""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib.util import find_spec

from platen import releases
from platen.cluster import told_namespace
from platen.components.deploy.cluster_server import Checks, release
from platen.components.deploy.deployment import model_at, open_deployment
from platen.components.deploy.deployment_settings import DeploymentSettings
from platen.components.deploy.local_server import serving
from platen.components.deploy.settings import DeploySettings
from platen.components.deploy.smoke import try_over_http
from platen.errors import CorruptError, GateRefused, SettingsError
from platen.manifest import Json, canonical
from platen.stage import Folder, Inputs, Outcome, Place, Stage
from platen.storage import write_file
from platen.telemetry import log


def work(settings: DeploySettings, inputs: Inputs, place: Place) -> Outcome:
    """Try the model, write what was checked, and make it live."""
    model, report = inputs["model"], inputs["report"]
    check_decision(inputs["decision"])
    on = settings.deployment
    checks = try_here(settings, model, place) if on is None else try_on_cluster(settings, on, model, place)
    said = {"model": model.digest, "report": report.digest, "checks": checks}
    write_file(place.out / "release.json", canonical(said, indent=1))
    releases.promote(place.workspace, model.uri, model.digest, report.uri)
    log.info("deploy: %s is live", model.uri)
    return Outcome(counts={"checks": len(checks)}, facts={"model": model.digest})


def try_here(settings: DeploySettings, model: Folder, place: Place) -> Checks:
    """Try the model in a server of its own on this machine."""
    if find_spec("uvicorn") is None:  # the stage's image holds no server
        raise SettingsError("deploy.deployment", "not set, and no server is installed here to try a release in", "{}")
    with serving(model.uri, place.workspace, settings.device, settings.stop_seconds) as server:
        url = server.wait_until_ready(settings.ready_seconds)
        return try_over_http(url, settings, model.digest, lambda: f"the server's last words: {server.last_words()}")


def try_on_cluster(settings: DeploySettings, on: DeploymentSettings, model: Folder, place: Place) -> Checks:
    """Set the model on the Deployment and try it there; it serves from then on."""
    deployment = open_deployment(on)
    live = releases.load(place.workspace).live
    checks, seconds = release(deployment, settings, model_at(model.uri, model.digest), live)
    place.observe(deployment=str(deployment), rollout_seconds=round(seconds, 1))
    return checks


def check_decision(decision: Folder) -> None:
    """Raises GateRefused unless the gate said promote, CorruptError where it said nothing that can be read."""
    path = decision.path / "decision.json"
    try:
        said = json.loads(path.read_bytes())
        verdict, reasons = said["verdict"], said.get("reasons", [])
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise CorruptError(f"{path}: not a gate's decision ({type(error).__name__}: {error})") from None
    if verdict != "promote":
        raise GateRefused(f"the gate said {verdict!r}, so nothing is released: {'; '.join(map(str, reasons))}")


def outside(settings: DeploySettings, inputs: Inputs, workspace: str) -> Mapping[str, Json]:
    """What was live before: a model that was replaced since can be released again, one that is live is found.

    And where: a release that was tried on this machine only is not one on the cluster, nor one in another namespace.
    """
    known, on = releases.load(workspace), settings.deployment
    place = known.place_of_champion(inputs["model"].digest)
    champion = known.history[place - 1].digest if place else None
    there = {} if on is None else {"deployment": on.name, "namespace": told_namespace(on.namespace)}
    return {"champion": champion, "place": place, **there}


STAGE = Stage(
    name="deploy",
    version=2,
    kind="release",
    settings=DeploySettings,
    inputs=("model", "report", "decision"),
    work=work,
    outside=outside,
)
