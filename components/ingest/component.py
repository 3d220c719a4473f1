"""The KFP interface of ingest."""

from kfp import dsl

from platen.core.images import image


@dsl.component(base_image=image("ingest"), install_kfp_package=False)
def ingest(
    settings: str, workspace: str, run: str, dataset: dsl.Output[dsl.Dataset], drop_report: dsl.Output[dsl.Markdown]
) -> None:
    """Bring pictures and captions from folders, tables and the web into one data set.

    Args:
        settings: The run's settings, YAML text.
        workspace: Where committed folders lie: a path or a bucket prefix.
        run: The run's folder, for its records.
        dataset: The pictures, bytes as they came, with their raw captions.
        drop_report: How many samples were kept, and how many dropped for which reason.
    """
    from platen.components.ingest.stage import STAGE
    from platen.core.component import execute
    from platen.core.ui import render_drops, show_markdown

    result = execute(STAGE, settings, workspace, run, {}, dataset)
    show_markdown(drop_report, lambda: render_drops(result.folder.manifest))
