"""The KFP interface of train."""

from kfp import dsl

from platen.core.images import image


@dsl.component(base_image=image("train"), install_kfp_package=False)
def train(
    settings: str,
    workspace: str,
    run: str,
    encoded: dsl.Input[dsl.Dataset],
    base: dsl.Input[dsl.Model],
    plan: dsl.Input[dsl.Artifact],
    model: dsl.Output[dsl.Model],
    job: dsl.Output[dsl.Artifact],
    metrics: dsl.Output[dsl.Metrics],
) -> None:
    """Train the model's network with DeepSpeed ZeRO-3 and export it as a diffusers folder.

    Args:
        settings: The run's settings, YAML text.
        workspace: Where committed folders lie: a path or a bucket prefix.
        run: The run's folder, for its records.
        encoded: What encode committed.
        base: The model that training starts from.
        plan: How to train; empty where none is asked for.
        model: The trained model.
        job: The PyTorchJob as it was applied; an empty object where training needed none.
        metrics: Losses, speed and cost, to compare runs by.
    """
    from platen.components.train.cluster.workload import write_spec
    from platen.components.train.run_metrics import run_metrics
    from platen.components.train.stage import STAGE
    from platen.core.component import execute
    from platen.core.ui import show_metrics

    inputs = {"encoded": encoded, "base": base, "plan": plan}
    result = execute(STAGE, settings, workspace, run, inputs, model)
    write_spec(result.folder, job.path)
    show_metrics(metrics, lambda: run_metrics(result.folder))
