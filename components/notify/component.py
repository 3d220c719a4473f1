"""The KFP interface of notify, the exit handler."""

from kfp import dsl

from platen.core.images import image


@dsl.component(base_image=image("notify"), install_kfp_package=False)
def notify(
    settings: str,
    workspace: str,
    run: str,
    status: dsl.PipelineTaskFinalStatus,
    report: dsl.Output[dsl.HTML],
    graph: list = [],  # type: ignore[type-arg] # noqa: B006 - kfp copies it, and takes no Sequence
) -> None:
    """Say how the run went: summary, report, webhook, log.

    Args:
        settings: The run's settings, YAML text.
        workspace: Where committed folders lie: a path or a bucket prefix.
        run: The run's folder, where the stages left their records.
        status: How the pipeline ended, as the backend has it; one witness beside the records.
        report: The report, or a page that says why there is none.
        graph: The stages of the pipeline in order: one that left no record did not end. Empty where it is not known.
    """
    from platen.components.notify.artifact import explained
    from platen.components.notify.notice import notify as give_notice
    from platen.core.component import exit_on_error, own_folder
    from platen.core.telemetry import set_up_logging

    set_up_logging()
    ended = (status.state, status.error_message)
    with exit_on_error("notify"), explained(report.path):
        give_notice(settings, workspace, own_folder(run), *ended, graph=graph, artifact=report.path)
