"""The KFP interface of generate."""

from kfp import dsl

from platen.core.images import image


@dsl.component(base_image=image("generate"), install_kfp_package=False)
def generate(
    settings: str, workspace: str, run: str, model: dsl.Input[dsl.Model], generated: dsl.Output[dsl.Dataset]
) -> None:
    """Make the pictures of a prompt file.

    Args:
        settings: The run's settings, YAML text.
        workspace: Where committed folders lie: a path or a bucket prefix.
        run: The run's folder, for its records.
        model: What train committed.
        generated: The pictures and their index.
    """
    from platen.components.generate.stage import STAGE
    from platen.core.component import execute

    execute(STAGE, settings, workspace, run, {"model": model}, generated)
