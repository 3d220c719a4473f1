"""The KFP interface of evaluate."""

from kfp import dsl

from platen.images import image


@dsl.component(base_image=image("evaluate"), install_kfp_package=False)
def evaluate(
    settings: str,
    workspace: str,
    run: str,
    model: dsl.Input[dsl.Model],
    dataset: dsl.Input[dsl.Dataset],
    generated: dsl.Input[dsl.Dataset],
    report: dsl.Output[dsl.Artifact],
) -> None:
    """Measure a model and its pictures against real ones.

    Args:
        settings: The run's settings, YAML text.
        workspace: Where committed folders lie: a path or a bucket prefix.
        run: The run's folder, for its records.
        model: What train committed.
        dataset: What merge committed.
        generated: Pictures that generate made with this model.
        report: Every number with its interval.
    """
    from platen.component import execute
    from platen.components.evaluate.stage import STAGE

    inputs = {"model": model, "dataset": dataset, "generated": generated}
    execute(STAGE, settings, workspace, run, inputs, report)
