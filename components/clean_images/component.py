"""The KFP interface of clean_images."""

from kfp import dsl

from platen.core.images import image


@dsl.component(base_image=image("clean_images"), install_kfp_package=False)
def clean_images(
    settings: str,
    workspace: str,
    run: str,
    dataset: dsl.Input[dsl.Dataset],
    images: dsl.Output[dsl.Dataset],
    drop_report: dsl.Output[dsl.Markdown],
) -> None:
    """Check, decode, crop and resize pictures.

    Args:
        settings: The run's settings, YAML text.
        workspace: Where committed folders lie: a path or a bucket prefix.
        run: The run's folder, for its records.
        dataset: What ingest committed.
        images: The pictures that were kept, at the training size.
        drop_report: How many samples were kept, and how many dropped for which reason.
    """
    from platen.components.clean_images.stage import STAGE
    from platen.core.component import execute
    from platen.core.ui import render_drops, show_markdown

    result = execute(STAGE, settings, workspace, run, {"dataset": dataset}, images)
    show_markdown(drop_report, lambda: render_drops(result.folder.manifest))
