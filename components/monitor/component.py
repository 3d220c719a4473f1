"""The KFP interface of monitor."""

from kfp import dsl

from platen.core.images import image


@dsl.component(base_image=image("monitor"), install_kfp_package=False)
def monitor(
    settings: str,
    workspace: str,
    run: str,
    release: dsl.Input[dsl.Artifact],
    dataset: dsl.Input[dsl.Dataset],
    report: dsl.Output[dsl.Artifact],
) -> str:
    """Read the live model's request log and say keep or retrain, for a condition in a pipeline.

    Args:
        settings: The run's settings, YAML text.
        workspace: Where committed folders lie: a path or a bucket prefix.
        run: The run's folder, for its records.
        release: What deploy committed.
        dataset: What merge committed: the captions that the model was trained on.
        report: Traffic, latency, errors, drift, and the verdict.
    """
    from platen.artifacts.monitoring import MonitoringMetadata
    from platen.components.monitor.stage import STAGE
    from platen.core.component import execute

    result = execute(STAGE, settings, workspace, run, {"release": release, "dataset": dataset}, report)
    return MonitoringMetadata.of(result.folder).verdict


@dsl.component(base_image=image("monitor"), install_kfp_package=False)
def monitor_live(settings: str, workspace: str, run: str, report: dsl.Output[dsl.Artifact]) -> str:
    """Do what monitor does for whatever is live in the workspace; recorded as `monitor_live`.

    Args:
        settings: The run's settings, YAML text.
        workspace: Where committed folders lie: a path or a bucket prefix.
        run: The run's folder, for its records.
        report: Traffic, latency, errors, drift, and the verdict.
    """
    from platen.artifacts.monitoring import MonitoringMetadata
    from platen.components.monitor.live import live_inputs
    from platen.components.monitor.stage import STAGE
    from platen.core.component import execute_on

    # not as `monitor`: the chain that this may start ends with a record of that name
    result = execute_on(STAGE, settings, workspace, run, lambda: live_inputs(workspace), report, "monitor_live")
    return MonitoringMetadata.of(result.folder).verdict
