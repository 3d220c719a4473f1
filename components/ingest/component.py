"""The KFP interface of ingest."""

from kfp import dsl

from platen.images import image


@dsl.component(base_image=image("ingest"), install_kfp_package=False)
def ingest(settings: str, workspace: str, run: str, dataset: dsl.Output[dsl.Dataset]) -> None:
    """Bring pictures and captions from folders, tables and the web into one data set.

    Args:
        settings: The run's settings, YAML text.
        workspace: Where committed folders lie: a path or a bucket prefix.
        run: The run's folder, for its records.
        dataset: The pictures, bytes as they came, with their raw captions.
    """
    from platen.component import execute
    from platen.components.ingest.stage import STAGE

    execute(STAGE, settings, workspace, run, {}, dataset)
