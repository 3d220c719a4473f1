"""The KFP interface of merge."""

from kfp import dsl

from platen.images import image


@dsl.component(base_image=image("merge"), install_kfp_package=False)
def merge(
    settings: str,
    workspace: str,
    run: str,
    dataset: dsl.Input[dsl.Dataset],
    texts: dsl.Input[dsl.Dataset],
    images: dsl.Input[dsl.Dataset],
    merged: dsl.Output[dsl.Dataset],
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
    """
    from platen.component import execute
    from platen.components.merge.stage import STAGE

    execute(STAGE, settings, workspace, run, {"dataset": dataset, "texts": texts, "images": images}, merged)
