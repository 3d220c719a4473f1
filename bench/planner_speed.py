"""Seconds that a plan for 1,024 GPUs takes: the whole command, and planning alone. The smallest of several runs each.

python -m bench.planner_speed

SD2's UNet (866 million parameters) at 512 x 512, all stages and offloads. Its profile comes along, as those of other
published models. One that is not published is followed once in a workspace: the first plan imports torch and diffusers
for it, each further one reads what is committed there. Here that is SD2's with fewer attention heads.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.rows import Row
from platen.components.plan.choice import choose
from platen.components.plan.prices import read_prices
from platen.components.plan.profile import ModelFacts, profile
from platen.components.plan.settings import PlanSettings

WANTED = 2.0
RUNS = 5
SD2 = {
    "_class_name": "UNet2DConditionModel",
    "sample_size": 64,
    "attention_head_dim": [5, 10, 20, 20],
    "cross_attention_dim": 1024,
    "use_linear_projection": True,
}
UNPUBLISHED = {**SD2, "attention_head_dim": [5, 10, 20, 16]}
WAYS = {"stages": [0, 1, 2, 3], "offloads": ["none", "optimizer", "all"]}
GPUS = {"gpus": 1024, "most_gpus": 1024, "global_batch": 8192}


@dataclass(frozen=True, order=True)
class Took:
    """Seconds by the clock, and of them those that a core worked: where others work too, the two are far apart."""

    clock: float
    core: float


def command(folder: Path, config: dict[str, Any], steps: int) -> Took:
    """`platen plan`, from the start of the process to its end; other steps are another plan."""
    plan = {"model": str(folder / "unet.json"), "resolution": 512, "steps": steps, **GPUS, **WAYS}
    settings = {"workspace": str(folder / "ws"), "run": str(folder / "run"), "ingest": {"folder": "x"}, "plan": plan}
    (folder / "unet.json").write_text(json.dumps(config))
    (folder / "my.yaml").write_text(json.dumps(settings))
    asked = [sys.executable, "-m", "platen.cli", "plan", "-s", str(folder / "my.yaml")]
    return timed(lambda: subprocess.run(asked, check=True, capture_output=True))


def planning() -> object:
    """Following the model and choosing, without imports."""
    return choosing(profile(SD2, 64, 77, "bf16"))


def choosing(facts: ModelFacts) -> object:
    """The choice among all ways."""
    return choose(facts, read_prices(None), None, PlanSettings.model_validate({**GPUS, **WAYS}))


def timed(work: Callable[[], object]) -> Took:
    """How long it took, what it started included."""
    started, before = time.perf_counter(), worked()
    work()
    return Took(time.perf_counter() - started, worked() - before)


def worked() -> float:
    """Seconds that this process and those that it has waited for kept a core."""
    kinds = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    return sum(used.ru_utime + used.ru_stime for used in map(resource.getrusage, kinds))


def main() -> None:
    """Print the rows."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        published = min(command(folder, SD2, steps) for steps in range(1, 1 + RUNS))
        first = command(folder, UNPUBLISHED, 1)
        further = min(command(folder, UNPUBLISHED, steps) for steps in range(2, 2 + RUNS))
    facts = profile(SD2, 64, 77, "bf16")  # with the imports
    alone = min(timed(planning) for _ in range(RUNS))
    chose = min(timed(lambda: choosing(facts)) for _ in range(RUNS))
    how = (
        f"`platen plan`, the whole command, SD2's UNet for 1,024 GPUs, all stages and offloads; smallest of {RUNS} runs"
    )
    parts = {
        "seconds of a core": published.core,
        "of that choosing, s": chose.clock,
        "following the model and choosing, imports not counted, s": alone.clock,
    }
    Row("seconds of a plan for 1,024 GPUs", published.clock, f"< {WANTED}", parts, how).tell()
    how = "likewise, a UNet whose profile does not come along: planned for again in the same workspace"
    parts = {"the first plan, which imports torch and diffusers, one run, s": first.clock}
    Row("seconds of a further plan of a model of one's own", further.clock, f"< {WANTED}", parts, how).tell()


if __name__ == "__main__":
    main()
