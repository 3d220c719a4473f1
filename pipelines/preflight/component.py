"""The KFP interface of preflight."""

from kfp import dsl

from platen.core.images import image


@dsl.component(base_image=image("preflight"), install_kfp_package=False)
def preflight(settings: str, workspace: str, run: str) -> None:
    """Look whether every later stage will find what it needs; the task fails, with all that is missing, where not.

    Args:
        settings: The run's settings, YAML text.
        workspace: Where committed folders lie: a path or a bucket prefix.
        run: The run's folder, for its record.
    """
    from platen.pipelines.preflight.task import execute

    execute(settings, workspace, run)
