"""Settings of a release on a cluster: which Deployment is released to."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StringConstraints

from platen.core.settings import Settings

Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$")]


class DeploymentSettings(Settings):
    """The Deployment that serves, and the Service in front of it, as manifests/base/serve.yaml names them."""

    name: Name = Field("platen-serve", description="name of the Deployment; the step's rights are for this very name")
    namespace: Name | None = Field(
        None, description="its namespace; null: PLATEN_NAMESPACE, else the one that the step runs in"
    )
    container: Name = Field("serve", description="name of the container that serves")
    service: Name = Field("platen-serve", description="name of the Service that the new model is tried through")
    url: str | None = Field(
        None,
        pattern=r"^https?://\S+$",
        description="address of the Service, e.g. http://localhost:8080; null: its DNS name from a pod, else its "
        "cluster IP",
    )
    rollout_seconds: float = Field(
        900.0,
        gt=0,
        description="seconds a rollout may take; progressDeadlineSeconds of the Deployment may end it earlier",
    )
