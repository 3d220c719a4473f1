"""The KFP interface of merge."""

from kfp import dsl

from platen.core.images import image


@dsl.component(base_image=image("merge"), install_kfp_package=False)
def merge(
    settings: str,
    workspace: str,
    run: str,
    dataset: dsl.Input[dsl.Dataset],
    texts: dsl.Input[dsl.Dataset],
    images: dsl.Input[dsl.Dataset],
    merged: dsl.Output[dsl.Dataset],
    data_card: dsl.Output[dsl.Markdown],
) -> None:
    """Join texts and pictures, drop duplicates, split, and account for everything.

    Args:
        settings: The run's settings, YAML text.
        workspace: Where committed folders lie: a path or a bucket prefix.
        run: The run's folder, for its records.
        dataset: What ingest committed.
        texts: What clean_text kept of it.
        images: What clean_images kept of it.
        merged: The data set to train on.
        data_card: What the data set is, and what was left out of it.
    """
    from platen.components.merge.card import render_card
    from platen.components.merge.stage import STAGE
    from platen.core.component import execute
    from platen.core.ui import show_markdown

    inputs = {"dataset": dataset, "texts": texts, "images": images}
    result = execute(STAGE, settings, workspace, run, inputs, merged)
    show_markdown(data_card, lambda: render_card(result.folder))
