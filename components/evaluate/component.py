"""The KFP interface of evaluate."""

from kfp import dsl

from platen.core.images import image


@dsl.component(base_image=image("evaluate"), install_kfp_package=False)
def evaluate(
    settings: str,
    workspace: str,
    run: str,
    model: dsl.Input[dsl.Model],
    dataset: dsl.Input[dsl.Dataset],
    generated: dsl.Input[dsl.Dataset],
    report: dsl.Output[dsl.Artifact],
    metrics: dsl.Output[dsl.Metrics],
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
        metrics: The same numbers, to compare runs by.
    """
    from platen.components.evaluate.run_metrics import run_metrics
    from platen.components.evaluate.stage import STAGE
    from platen.core.component import execute
    from platen.core.ui import show_metrics

    inputs = {"model": model, "dataset": dataset, "generated": generated}
    result = execute(STAGE, settings, workspace, run, inputs, report)
    show_metrics(metrics, lambda: run_metrics(result.folder))
