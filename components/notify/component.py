"""The KFP interface of notify, the exit handler."""

from kfp import dsl

from platen.images import image


@dsl.component(base_image=image("notify"), install_kfp_package=False)
def notify(settings: str, workspace: str, run: str, status: dsl.PipelineTaskFinalStatus) -> None:
    """Say how the run went: summary, report, webhook, log.

    Args:
        settings: The run's settings, YAML text.
        workspace: Where committed folders lie: a path or a bucket prefix.
        run: The run's folder, where the stages left their records.
        status: How the pipeline ended; a stage that was killed left no record of it.
    """
    from platen.component import exit_on_error, own_folder
    from platen.components.notify.notice import notify as give_notice
    from platen.telemetry import set_up_logging

    set_up_logging()
    with exit_on_error("notify"):
        give_notice(settings, workspace, own_folder(run), status.state, status.error_message)
