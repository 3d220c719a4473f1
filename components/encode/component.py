"""The KFP interface of encode."""

from kfp import dsl

from platen.core.images import image


@dsl.component(base_image=image("encode"), install_kfp_package=False)
def encode(
    settings: str,
    workspace: str,
    run: str,
    dataset: dsl.Input[dsl.Dataset],
    base: dsl.Input[dsl.Model],
    encoded: dsl.Output[dsl.Dataset],
) -> None:
    """Turn pictures into latents and captions into text embeddings, once.

    Args:
        settings: The run's settings, YAML text.
        workspace: Where committed folders lie: a path or a bucket prefix.
        run: The run's folder, for its records.
        dataset: What merge committed.
        base: The model whose encoders are used.
        encoded: The memory-mapped arrays.
    """
    from platen.components.encode.stage import STAGE
    from platen.core.component import execute

    execute(STAGE, settings, workspace, run, {"dataset": dataset, "base": base}, encoded)
