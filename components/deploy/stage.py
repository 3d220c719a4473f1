"""Deploy: what happens, in order. The pointer is switched last, when everything else has held."""

from __future__ import annotations

import json
from collections.abc import Mapping

from platen import releases
from platen.components.deploy.local_server import serving
from platen.components.deploy.settings import DeploySettings
from platen.components.deploy.smoke import smoke_test
from platen.errors import CorruptError, GateRefused, ProcessError
from platen.manifest import Json, canonical
from platen.stage import Folder, Inputs, Outcome, Place, Stage
from platen.storage import write_file
from platen.telemetry import log


def work(settings: DeploySettings, inputs: Inputs, place: Place) -> Outcome:
    """Try the model in a server of its own, write what was checked, and make it live."""
    import httpx

    model, report = inputs["model"], inputs["report"]
    check_decision(inputs["decision"])
    with serving(model.uri, place.workspace, settings.device, settings.stop_seconds) as server:
        url = server.wait_until_ready(settings.ready_seconds)
        try:
            with httpx.Client(base_url=url, timeout=settings.answer_seconds) as client:
                checks = smoke_test(client, settings)
        except httpx.HTTPError as error:
            fault = f"smoke test: no answer ({type(error).__name__}: {error})"
            raise ProcessError(f"{fault}; the server's last words: {server.last_words()}") from error
    release = {"model": model.digest, "report": report.digest, "checks": checks}
    write_file(place.out / "release.json", canonical(release, indent=1))
    releases.promote(place.workspace, model.uri, model.digest, report.uri)
    log.info("deploy: %s is live", model.uri)
    return Outcome(counts={"checks": len(checks)}, facts={"model": model.digest})


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
    """What was live before: a model that was replaced since can be released again, one that is live is found."""
    before = releases.champion(workspace, inputs["model"].digest)
    return {"champion": before.digest if before else None}


STAGE = Stage(
    name="deploy",
    version=1,
    kind="release",
    settings=DeploySettings,
    inputs=("model", "report", "decision"),
    work=work,
    outside=outside,
)
