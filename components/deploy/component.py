"""The KFP interface of deploy."""

from kfp import dsl

from platen.core.images import image


@dsl.component(base_image=image("deploy"), install_kfp_package=False)
def deploy(
    settings: str,
    workspace: str,
    run: str,
    model: dsl.Input[dsl.Model],
    report: dsl.Input[dsl.Artifact],
    decision: dsl.Input[dsl.Artifact],
    release: dsl.Output[dsl.Artifact],
) -> None:
    """Try a promoted model in a real server and make it live.

    Args:
        settings: The run's settings, YAML text.
        workspace: Where committed folders lie: a path or a bucket prefix.
        run: The run's folder, for its records.
        model: What train committed.
        report: What evaluate committed.
        decision: What gate committed.
        release: What was checked, and which model is live.
    """
    from platen.components.deploy.stage import STAGE
    from platen.core.component import execute

    execute(STAGE, settings, workspace, run, {"model": model, "report": report, "decision": decision}, release)
