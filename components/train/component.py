"""The KFP interface of train."""

from kfp import dsl

from platen.images import image


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
) -> None:
    """Train the UNet with DeepSpeed ZeRO-3 and export it as a diffusers folder.

    Args:
        settings: The run's settings, YAML text.
        workspace: Where committed folders lie: a path or a bucket prefix.
        run: The run's folder, for its records.
        encoded: What encode committed.
        base: The model that training starts from.
        plan: How to train; empty where none is asked for.
        model: The trained model.
        job: The PyTorchJob as it was applied; an empty object where training needed none.
    """
    from platen.component import execute
    from platen.components.train.kubernetes.pytorchjob import write_spec
    from platen.components.train.stage import STAGE

    inputs = {"encoded": encoded, "base": base, "plan": plan}
    result = execute(STAGE, settings, workspace, run, inputs, model)
    write_spec(result.folder, job.path)
