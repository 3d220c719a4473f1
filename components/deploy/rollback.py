"""Going back to the model that was live before, and what the Deployment has to do with what is live."""

from __future__ import annotations

from platen.artifacts import releases
from platen.artifacts.releases import Release
from platen.components.deploy.cluster_server import switch
from platen.components.deploy.deployment import Model, model_at, open_deployment
from platen.components.deploy.deployment_settings import DeploymentSettings
from platen.components.deploy.rollout import what_is_left
from platen.core.errors import InputError
from platen.core.stage import open_folder
from platen.core.storage import store_for
from platen.core.telemetry import log


def rollback(workspace: str, on: DeploymentSettings | None = None) -> Release:
    """Make the previous release live again, once its files have proved whole; what is live then.

    With a Deployment that is set first, and the pointer when its rollout is done. Where the Deployment serves neither
    the live release nor the one before it (a deploy that was killed, a Deployment that was made anew), going back means
    to the live one.

    Without one servers that run keep their model; one started with `--workspace` from now on serves the earlier one.

    Raises:
        InputError: There is no earlier release, its folder is gone, or there is no such Deployment.
        CorruptError: A file of it is not what its manifest says.
        ProcessError: The rollout failed; the Deployment has what it had before.
    """
    history = releases.load(workspace).history
    deployment = None if on is None else open_deployment(on)
    stray = deployment is not None and has_strayed(history, deployment.model())
    target = history[-1] if stray else earlier(workspace, history)
    folder = open_folder(target.model, workspace)
    store_for(folder.uri).verify(folder.uri, folder.manifest)
    if deployment is not None:
        switch(deployment, model_at(folder.uri, target.digest))
    if not stray:
        releases.roll_back(workspace)
    log.info("live: %s, before: %s", folder.uri, history[-1].model)
    return target


def has_strayed(history: list[Release], there: Model | None) -> bool:
    """Whether something is live, and a Deployment has neither that nor what was live before it."""
    return bool(history) and there not in [model_at(release.model, release.digest) for release in history[-2:]]


def earlier(workspace: str, history: list[Release]) -> Release:
    """The release before the live one. Raises InputError where there is none."""
    if len(history) < 2:
        raise InputError(f"{workspace}: no earlier release to roll back to (found {len(history)})")
    return history[-2]


def agreement(live: Release | None, on: DeploymentSettings) -> str:
    """Whether the Deployment serves what is live, in words."""
    deployment = open_deployment(on)
    seen = deployment.get()
    there, left = deployment.model(seen), what_is_left(seen)
    wanted = None if live is None else model_at(live.model, live.digest)
    if there == wanted:
        said = "has no model, as nothing is live" if there is None else f"serves the live release{left and f'; {left}'}"
        return f"deployment {deployment}: {said}"
    back = "; `platen rollback` with the same settings sets the live one" if live else "; the next deploy settles it"
    return f"deployment {deployment}: has {there or 'no model'}, which is not what is live{back}"
