"""The KFP interface of sample, the first task of the demo."""

from kfp import dsl

from platen.core.images import image


@dsl.component(base_image=image("sample"), install_kfp_package=False)
def sample(settings: str, workspace: str, run: str) -> None:
    """Draw the sample world into the workspace, where the settings name its pictures, prompts and truth.

    Args:
        settings: The run's settings, YAML text.
        workspace: Where committed folders lie: a path or a bucket prefix.
        run: The run's folder, for its records.
    """
    from platen.components.sample.delivery import SAMPLE, deliver
    from platen.components.sample.settings import SampleSettings
    from platen.core.component import exit_on_error, own_folder
    from platen.core.records import recorded_failure
    from platen.core.settings import section
    from platen.core.telemetry import set_up_logging

    set_up_logging()
    folder = own_folder(run)
    with exit_on_error(SAMPLE), recorded_failure(folder, SAMPLE):
        deliver(section(SampleSettings, settings, SAMPLE), workspace, folder)
