"""The settings of a whole run: one section per component, as the registry has them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import Field, create_model

from platen.components.registry import declarations, settings_of
from platen.core.settings import Settings

if TYPE_CHECKING:
    from platen.components.base.settings import BaseModelSettings
    from platen.components.deploy.settings import DeploySettings
    from platen.components.evaluate.settings import EvaluateSettings
    from platen.components.generate.settings import GenerateSettings
    from platen.components.ingest.settings import IngestSettings
    from platen.components.notify.settings import NotifySettings
    from platen.components.plan.settings import PlanSettings
    from platen.components.sample.settings import SampleSettings
    from platen.components.train.settings import TrainSettings


class _Run(Settings):
    """What one YAML file holds."""

    workspace: str = Field("runs/workspace", description="where committed folders lie: a path or a bucket prefix")
    run: str = Field("runs/latest", description="folder of the run's records, summary.json and report.html")


def _sections() -> dict[str, Any]:
    fields = {}
    for name, declared in declarations().items():
        settings = settings_of(name)
        default = ... if declared.required else settings()
        fields[name] = (settings, Field(default, description=declared.section))
    return fields


if TYPE_CHECKING:

    class RunSettings(_Run):
        """The sections that pipelines and commands look into; there are all of the registry."""

        sample: SampleSettings
        ingest: IngestSettings
        base: BaseModelSettings
        plan: PlanSettings
        train: TrainSettings
        generate: GenerateSettings
        evaluate: EvaluateSettings
        deploy: DeploySettings
        notify: NotifySettings

else:
    RunSettings = create_model("RunSettings", __base__=_Run, __doc__=_Run.__doc__, __module__=__name__, **_sections())
