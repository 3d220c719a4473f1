"""The KFP interface of clean_text."""

from kfp import dsl

from platen.core.images import image


@dsl.component(base_image=image("clean_text"), install_kfp_package=False)
def clean_text(
    settings: str,
    workspace: str,
    run: str,
    dataset: dsl.Input[dsl.Dataset],
    texts: dsl.Output[dsl.Dataset],
    drop_report: dsl.Output[dsl.Markdown],
) -> None:
    """Repair captions and drop those that cannot be used.

    Args:
        settings: The run's settings, YAML text.
        workspace: Where committed folders lie: a path or a bucket prefix.
        run: The run's folder, for its records.
        dataset: What ingest committed.
        texts: The captions that were kept.
        drop_report: How many samples were kept, and how many dropped for which reason.
    """
    from platen.components.clean_text.stage import STAGE
    from platen.core.component import execute
    from platen.core.ui import render_drops, show_markdown

    result = execute(STAGE, settings, workspace, run, {"dataset": dataset}, texts)
    show_markdown(drop_report, lambda: render_drops(result.folder.manifest))
