"""The rights that deploy needs in the namespace of the Deployment."""

from __future__ import annotations

from platen.components.deploy.deployment_settings import DeploymentSettings
from platen.jobs.rights import Right


def needed(settings: DeploymentSettings) -> tuple[Right, ...]:
    """List the rights that a release to this Deployment takes."""
    service = () if settings.url is not None else (Right("", "services", ("get",), settings.service),)
    return (
        Right("apps", "deployments", ("get", "patch"), settings.name),
        *service,
        Right("", "pods", ("list",)),
        Right("", "pods/log", ("get",)),
    )
