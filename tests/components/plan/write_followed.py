"""Follow the published models anew, for components/plan/followed.json.

python -m tests.components.plan.write_followed
"""

from __future__ import annotations

import inspect
import json
from typing import Any

from platen.components.plan.followed import FOLLOWED, complete, name_of, versions
from platen.components.plan.profile import profile

LINEAR = {"use_linear_projection": True, "attention_head_dim": [5, 10, 20, 20], "cross_attention_dim": 1024}
CLASS = "UNet2DConditionModel"
MODELS: dict[str, dict[str, Any]] = {
    "Stable Diffusion 1": {"cross_attention_dim": 768},
    "Stable Diffusion 2 and 2.1 base": LINEAR,
    "Stable Diffusion 2.1": {**LINEAR, "upcast_attention": True},
}
SIDES, TOKENS, PRECISIONS = (32, 64, 96), 77, ("fp32", "bf16", "fp16")


def main() -> None:
    """Follow all of them; a profile a line."""
    defaults = default_config()
    models = [{"name": name, "config": complete(config, defaults)} for name, config in MODELS.items()]
    head = {"libraries": versions(), "defaults": defaults}
    lines = [f'"{name}": {json.dumps(value, sort_keys=True)},' for name, value in head.items()]
    lines += ['"models": [', ",\n".join(told(model) for model in models), "]"]
    FOLLOWED.write_text("\n".join(["{", *lines, "}", ""]), encoding="utf-8")


def told(model: dict[str, Any]) -> str:
    """A model with its profiles."""
    names = [(side, TOKENS, precision) for side in SIDES for precision in PRECISIONS]
    profiles = [
        f'  "{name_of(*name)}": {json.dumps(profile({**model["config"], "_class_name": CLASS}, *name).summary())}'
        for name in names
    ]
    head = ", ".join(f'"{name}": {json.dumps(value, sort_keys=True)}' for name, value in model.items())
    return "\n".join([f'{{{head}, "profiles": {{', ",\n".join(profiles), "}}"])


def default_config() -> dict[str, Any]:
    """What diffusers takes where a UNet's configuration says nothing."""
    from diffusers import UNet2DConditionModel

    parameters = inspect.signature(UNet2DConditionModel.__init__).parameters.values()
    return {each.name: each.default for each in parameters if each.default is not each.empty}


if __name__ == "__main__":
    main()
