"""Train again when the live model's traffic says so: monitor first, the content chain only where it asks for it."""

from kfp import dsl

from platen.components.monitor.component import monitor_live
from platen.components.notify.component import notify
from platen.pipelines.content import chain, uncached


@dsl.pipeline(name="platen-retrain", description="Judge the live model's traffic, and train again where needed.")
def retrain(settings: str, workspace: str, run: str) -> None:
    """Look at what is live; where the verdict is `retrain`, run the content chain: its gate compares with the champion.

    Args:
        settings: The run's settings, YAML text.
        workspace: Where committed folders lie: a path or a bucket prefix.
        run: The run's folder, for records, summary and report.
    """
    common = {"settings": settings, "workspace": workspace, "run": run}
    with dsl.ExitHandler(uncached(notify, **common)):
        watched = uncached(monitor_live, **common)
        with dsl.If(watched.outputs["Output"] == "retrain", name="retrain"):
            chain(common)
