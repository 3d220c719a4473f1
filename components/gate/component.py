"""The KFP interface of gate."""

from kfp import dsl

from platen.core.images import image


@dsl.component(base_image=image("gate"), install_kfp_package=False)
def gate(
    settings: str,
    workspace: str,
    run: str,
    report: dsl.Input[dsl.Artifact],
    model: dsl.Input[dsl.Model],
    decision: dsl.Output[dsl.Artifact],
) -> None:
    """Decide whether a model may go live; the task fails where it may not.

    Args:
        settings: The run's settings, YAML text.
        workspace: Where committed folders lie: a path or a bucket prefix.
        run: The run's folder, for its records.
        report: What evaluate committed.
        model: The model that the report is on.
        decision: Promote or reject, and why.
    """
    from platen.components.gate.refusal import refuse_if_rejected
    from platen.components.gate.stage import STAGE
    from platen.core.component import execute, exit_on_error, own_folder

    result = execute(STAGE, settings, workspace, run, {"report": report, "model": model}, decision)
    with exit_on_error(STAGE.name):
        refuse_if_rejected(result, own_folder(run))
