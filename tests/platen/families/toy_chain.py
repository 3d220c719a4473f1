"""The toy family through real stages: `python -m tests.platen.families.toy_chain WORKSPACE` prints what came out."""

from __future__ import annotations

import json
import sys

from platen.components.encode.settings import EncodeSettings
from platen.components.encode.stage import STAGE as ENCODE
from platen.components.evaluate.held_out import Denoiser
from platen.components.evaluate.pictures import HELD_OUT, choose_rows, read_real
from platen.components.train.stage import STAGE as TRAIN
from platen.core.stage import run_stage
from platen.families.generation import GenerationPipeline
from platen.families.registry import family_named
from tests.components.encode.shapes import commit_shapes
from tests.components.train.small_run import commit, settings


def main(workspace: str) -> None:
    """Encode, train, measure the held-out loss, and generate."""
    family = family_named("toy")
    base = commit(lambda out: family.tiny(out, 0), workspace, "base", "model").uri
    dataset = commit_shapes(workspace)
    encoded = run_stage(ENCODE, EncodeSettings(device="cpu"), {"dataset": dataset.uri, "base": base}, workspace).folder
    chosen = settings(steps=2, global_batch=4, objective={"min_snr_gamma": None})
    model = run_stage(TRAIN, chosen, {"encoded": encoded.uri, "base": base}, workspace).folder
    samples = list(read_real(dataset.path, choose_rows(dataset.path, HELD_OUT, 4, 0)))
    losses = Denoiser(model.path, 2, 0, "cpu").losses(samples)
    (image,) = GenerationPipeline.load(model.path, "cpu", "float32").generate(["a red circle"], [1], 32, 32, 1, 2.0)
    found = {"family": model.manifest.facts["family"], "losses": losses.tolist(), "size": image.size}
    print(json.dumps(found))  # noqa: T201 - for the test


if __name__ == "__main__":
    main(sys.argv[1])
