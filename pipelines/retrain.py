"""Train again when the live model's traffic says so: monitor first, the content chain only where it asks for it."""

from kfp import dsl

from platen.artifacts.monitoring import RETRAIN
from platen.components.monitor.component import monitor_live
from platen.components.notify.component import notify
from platen.core.outcome import LIVE
from platen.pipelines.content import CHAIN, chain
from platen.pipelines.tasks import Target, adding


def retrain_pipeline(target: Target | None = None) -> dsl.graph_component.GraphComponent:
    """The graph of a retraining: for a cluster, or without a target for this machine."""
    add = adding(target)

    @dsl.pipeline(name="platen-retrain", description="Judge the live model's traffic, and train again where needed.")
    def retrain(settings: str, workspace: str, run: str) -> None:
        """Look at what is live; where the verdict is `retrain`, run the content chain, whose gate knows the champion.

        Args:
            settings: The run's settings, YAML text.
            workspace: Where committed folders lie: a path or a bucket prefix.
            run: The run's folder, for records, summary and report; on a cluster each run has its own below it.
        """
        common = {"settings": settings, "workspace": workspace, "run": run}
        with dsl.ExitHandler(add(notify, **common, graph=[LIVE, *CHAIN])):
            watched = add(monitor_live, **common)
            with dsl.If(watched.outputs["Output"] == RETRAIN, name="retrain"):
                chain(add, common)

    return retrain
