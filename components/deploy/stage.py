"""Deploy: what happens, in order. The pointer is switched last, when everything else has held."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec

from platen.artifacts import releases
from platen.artifacts.decision import Decision
from platen.artifacts.metadata import ReleaseMetadata
from platen.components.deploy.cluster_server import Checks, release
from platen.components.deploy.deployment import model_at, open_deployment
from platen.components.deploy.deployment_settings import DeploymentSettings
from platen.components.deploy.local_server import serving
from platen.components.deploy.settings import DeploySettings
from platen.components.deploy.smoke import try_over_http
from platen.core.errors import GateRefused, InputError, SettingsError
from platen.core.manifest import Json
from platen.core.stage import Folder, Inputs, Outcome, Place, Stage
from platen.core.telemetry import log
from platen.jobs.cluster import told_namespace


def work(settings: DeploySettings, inputs: Inputs, place: Place) -> Outcome:
    """Try the model, write what was checked, and make it live."""
    model, report = inputs["model"], inputs["report"]
    check_decision(inputs["decision"], model, report)
    on = settings.deployment
    checks = try_here(settings, model, place) if on is None else try_on_cluster(settings, on, model, place)
    releases.ReleaseRecord(model=model.digest, report=report.digest, checks=checks).write(place.out)
    releases.promote(place.workspace, model.uri, model.digest, report.uri)
    log.info("deploy: %s is live", model.uri)
    return Outcome(counts={"checks": len(checks)}, facts=ReleaseMetadata(model=model.digest).facts())


def try_here(settings: DeploySettings, model: Folder, place: Place) -> Checks:
    """Try the model in a server of its own on this machine."""
    if find_spec("uvicorn") is None:  # the stage's image holds no server
        raise SettingsError("deploy.deployment", "not set, and no server is installed here to test a release on", "{}")
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


def check_decision(folder: Folder, model: Folder, report: Folder) -> None:
    """Check that the gate said promote, of this model and by this report.

    Raises:
        GateRefused: It said something else.
        InputError: The decision is about another model or report.
        CorruptError: It said nothing that can be read.
    """
    decision = Decision.read(folder)
    for name, decided, given in (("model", decision.model, model), ("report", decision.report, report)):
        if decided != given.digest:
            raise InputError(
                f"{folder.uri}: decision.json is about another {name}, {decided[:12]}. Accepted: a decision about "
                f"{given.uri} ({given.digest[:12]})"
            )
    if decision.verdict != "promote":
        raise GateRefused(
            f"the gate decided {decision.verdict!r}, so nothing is released: {'; '.join(decision.reasons)}"
        )


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
    inputs={"model": "model", "report": "report", "decision": "report"},
    work=work,
    outside=outside,
)
