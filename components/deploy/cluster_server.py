"""A release on the cluster: set the model, wait for the rollout, try it through the Service, or go back."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from platen.artifacts.releases import Check, Release
from platen.components.deploy import rollout
from platen.components.deploy.deployment import Deployment, Model, model_at
from platen.components.deploy.settings import DeploySettings
from platen.components.deploy.smoke import try_over_http
from platen.core.errors import PlatenError, ProcessError
from platen.core.processes import ended_by_sigterm
from platen.core.telemetry import log

Checks = list[Check]
SERVED_SECONDS = 60.0  # until the Service sends nothing to old pods any more
IN_A_ROW = 5  # answers of the new model, each on a new connection, that show it


def release(
    deployment: Deployment, settings: DeploySettings, model: Model, live: Release | None
) -> tuple[Checks, float]:
    """Set a model on the Deployment and try it there.

    Args:
        deployment: What serves.
        settings: How it is tried.
        model: The candidate.
        live: The release that the pointer names, to which to go back.

    Returns:
        What was checked, and the seconds that the rollout took.

    Raises:
        InputError: The Deployment or its Service is not there; nothing was changed.
        ReplacedError: Somebody else has set another model in the meantime, which is left as it is.
        ProcessError: The rollout failed, or the model answers badly. What was there before is there again.
    """
    earlier = previous(live, deployment.model(), model)
    url = deployment.url()
    log.info("deploy: setting %s on %s, before: %s", model, deployment, earlier or "no model")
    with taken_back(deployment, model, earlier):
        deployment.set(model)
        seconds = rollout.wait(deployment, model)
        log.info("deploy: rolled out in %.0f s; testing it through %s", seconds, url)
        wait_until_served(url, model)
        return try_over_http(url, settings, model.digest, lambda: rollout.why(deployment, model)), seconds


def switch(deployment: Deployment, model: Model) -> None:
    """Set a model that was tried before, and wait for it; go back to what was set where that fails."""
    with taken_back(deployment, model, deployment.model()):
        deployment.set(model)
        rollout.wait(deployment, model)


def previous(live: Release | None, there: Model | None, candidate: Model) -> Model | None:
    """What to go back to: what the pointer says, even where a killed attempt has set something else meanwhile.

    Without a pointer, or where it names the candidate itself, it is what was set by hand or tried well before.
    """
    if live is not None and live.digest != candidate.digest:
        return model_at(live.model, live.digest)
    return there if live is not None or there != candidate else None


@contextmanager
def taken_back(deployment: Deployment, model: Model, earlier: Model | None) -> Iterator[None]:
    """Go back to the earlier model where what is done here fails, or is told to end."""
    try:
        with ended_by_sigterm():
            yield
    except rollout.ReplacedError:
        raise
    except PlatenError as fault:
        raise ProcessError(f"{fault}; {go_back(deployment, model, earlier)}") from fault
    except BaseException:  # a signal: there is time to say so, not to see it done
        log.warning("deploy: stopped by a signal; setting %s back to %s", deployment, earlier or "no model")
        deployment.set(earlier)
        raise


def go_back(deployment: Deployment, model: Model, earlier: Model | None) -> str:
    """Set the earlier model again and wait for it; how that went, in words."""
    if earlier == model:
        return f"{model} was set on {deployment} before, and still is"
    log.warning("deploy: rolling back to %s", earlier or "no model")
    try:
        if earlier is None:
            deployment.stop()  # a pod that is ready is not replaced by one that never is
            rollout.wait_until_stopped(deployment)
            deployment.set(None)
            return f"{deployment} has no model again, as before this first release"
        deployment.set(earlier)
        rollout.wait(deployment, earlier)
    except PlatenError as error:
        return f"rolling back to {earlier or 'no model'} failed as well: {error}"
    return f"{earlier} is live again on {deployment}"


def wait_until_served(url: str, model: Model) -> None:
    """Wait until the Service sends requests to pods of the new model only. Raises ProcessError where it never does."""
    import httpx

    until, seen, said = time.monotonic() + SERVED_SECONDS, 0, "nothing"
    while seen < IN_A_ROW:
        try:
            served = [entry["digest"] for entry in httpx.get(f"{url}/v1/models", timeout=10).json()["data"]]
            said = f"the model {', '.join(served) or 'none'}"
        except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
            served, said = [], f"{type(error).__name__}: {error}"
        seen = seen + 1 if served == [model.digest] else 0
        if time.monotonic() > until:
            raise ProcessError(
                f"{url} does not serve {model} {SERVED_SECONDS:g} s after the rollout; last response: {said}"
            )
        if seen == 0:
            time.sleep(1)
