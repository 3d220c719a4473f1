"""The KFP interface of plan."""

from kfp import dsl

from platen.core.images import image


@dsl.component(base_image=image("plan"), install_kfp_package=False)
def plan(
    settings: str,
    workspace: str,
    run: str,
    encoded: dsl.Input[dsl.Dataset],
    base: dsl.Input[dsl.Model],
    plan: dsl.Output[dsl.Artifact],
) -> None:
    """Find the best way to train, where the settings ask for it (plan.use).

    Args:
        settings: The run's settings, YAML text.
        workspace: Where committed folders lie: a path or a bucket prefix.
        run: The run's folder, for its records.
        encoded: What encode committed.
        base: The model that training starts from.
        plan: The plan, a table of it, and settings for train; empty where none is asked for.
    """
    from platen.components.plan.settings import of_run
    from platen.components.plan.stage import STAGE
    from platen.core.component import execute

    execute(STAGE, of_run(settings), workspace, run, {"encoded": encoded, "base": base}, plan)
