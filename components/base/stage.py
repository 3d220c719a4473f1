"""Provide the model that training starts from, as a diffusers folder with `clip/` beside its parts.

model_index.json  unet/  vae/  text_encoder/  tokenizer/  scheduler/     what DiffusionPipeline loads
clip/                                                                    what evaluate measures with
"""

from __future__ import annotations

from collections.abc import Mapping

from platen.artifacts.metadata import DatasetMetadata, ModelMetadata
from platen.components.base.given import describe, take_over
from platen.components.base.settings import BaseModelSettings
from platen.core.manifest import Json
from platen.core.stage import Inputs, Outcome, Place, Stage


def provide(settings: BaseModelSettings, inputs: Inputs, place: Place) -> Outcome:
    """Take over the given model, or train a tiny one on the merged pictures."""
    dataset = inputs["dataset"]
    resolution = DatasetMetadata.of(dataset).resolution
    if settings.base_model is not None:
        take_over(settings, place.scratch, place.out)
        return Outcome(facts=ModelMetadata(resolution=resolution, trained=False).facts())
    from platen.components.base.tiny import make

    made = make(settings, dataset.path, resolution, place.out)
    metadata = ModelMetadata(
        resolution=resolution, trained=True, reconstruction_l1=made.reconstruction, clip_loss=made.clip
    )
    counts = {"pictures": made.pictures}
    return Outcome(counts=counts, licences=dataset.manifest.licences, facts=metadata.facts())


def outside(settings: BaseModelSettings, inputs: Inputs, workspace: str) -> Mapping[str, Json]:
    """The digests of the given model's files: another model under the same name is another input."""
    return {
        "base_model": describe(settings.base_model, settings.revision),
        "clip": describe(settings.clip, settings.revision),
        "config": describe(settings.config, settings.revision),
    }


STAGE = Stage(
    name="base",
    version=2,
    kind="model",
    settings=BaseModelSettings,
    inputs={"dataset": "dataset"},
    work=provide,
    outside=outside,
)
