"""The KFP interface of base."""

from kfp import dsl

from platen.core.images import image


@dsl.component(base_image=image("base"), install_kfp_package=False)
def base(settings: str, workspace: str, run: str, dataset: dsl.Input[dsl.Dataset], base: dsl.Output[dsl.Model]) -> None:
    """Provide the model that training starts from: the user's own, or a tiny one trained on the data.

    Args:
        settings: The run's settings, YAML text.
        workspace: Where committed folders lie: a path or a bucket prefix.
        run: The run's folder, for its records.
        dataset: What merge committed.
        base: A diffusers folder with `clip/` beside its parts.
    """
    from platen.components.base.stage import STAGE
    from platen.core.component import execute

    execute(STAGE, settings, workspace, run, {"dataset": dataset}, base)
