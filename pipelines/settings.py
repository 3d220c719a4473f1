"""The settings of a whole run: one section a stage."""

from __future__ import annotations

from pydantic import Field

from platen.components.base.settings import BaseModelSettings
from platen.components.clean_images.settings import CleanImagesSettings
from platen.components.clean_text.settings import CleanTextSettings
from platen.components.deploy.settings import DeploySettings
from platen.components.encode.settings import EncodeSettings
from platen.components.evaluate.settings import EvaluateSettings
from platen.components.gate.settings import GateSettings
from platen.components.generate.settings import GenerateSettings
from platen.components.ingest.settings import IngestSettings
from platen.components.merge.settings import MergeSettings
from platen.components.monitor.settings import MonitorSettings
from platen.components.notify.settings import NotifySettings
from platen.components.plan.settings import PlanSettings
from platen.components.sample.settings import SampleSettings
from platen.components.serve.settings import ServeSettings
from platen.components.train.settings import TrainSettings
from platen.core.settings import Settings


class RunSettings(Settings):
    """What one YAML file holds."""

    workspace: str = Field("runs/workspace", description="where committed folders lie: a path or a bucket prefix")
    run: str = Field("runs/latest", description="folder of the run's records, summary.json and report.html")
    sample: SampleSettings = Field(SampleSettings(), description="the sample world that `platen sample` draws")
    ingest: IngestSettings = Field(description="where the pictures come from; folder, table or urls must be set")
    clean_text: CleanTextSettings = Field(CleanTextSettings(), description="what captions are repaired or dropped")
    clean_images: CleanImagesSettings = Field(CleanImagesSettings(), description="what pictures are kept, at what size")
    merge: MergeSettings = Field(MergeSettings(), description="duplicates and splits")
    base: BaseModelSettings = Field(BaseModelSettings(), description="the model that training starts from")
    encode: EncodeSettings = Field(EncodeSettings(), description="how pictures and captions are encoded")
    plan: PlanSettings = Field(PlanSettings(), description="what `platen plan` is to plan, and may choose from")
    train: TrainSettings = Field(TrainSettings(), description="how the model is trained")
    generate: GenerateSettings = Field(GenerateSettings(), description="the pictures that the evaluation looks at")
    evaluate: EvaluateSettings = Field(EvaluateSettings(), description="what is measured on the trained model")
    gate: GateSettings = Field(GateSettings(), description="what a model must meet to be released")
    deploy: DeploySettings = Field(DeploySettings(), description="how a release is checked")
    serve: ServeSettings = Field(ServeSettings(), description="the inference server")
    monitor: MonitorSettings = Field(MonitorSettings(), description="when the live model should be trained again")
    notify: NotifySettings = Field(NotifySettings(), description="who is told how a run ended")
