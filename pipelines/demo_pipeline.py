"""The demo on a cluster: draw the sample world into the workspace, then the content chain on it."""

from kfp import dsl

from platen.components.notify.component import notify
from platen.components.sample.component import sample
from platen.pipelines.content import CHAIN, chain
from platen.pipelines.tasks import Target, adding


def demo_pipeline(target: Target | None = None) -> dsl.graph_component.GraphComponent:
    """The graph of the demo: for a cluster, or without a target for this machine."""
    add = adding(target)

    @dsl.pipeline(name="platen-demo", description="A sample world with planted faults, and a model that learns it.")
    def demo(settings: str, workspace: str, run: str) -> None:
        """Draw the sample, then run the whole chain; the report compares what was planted with what was found.

        Args:
            settings: The run's settings, YAML text, as `platen submit --demo` makes them.
            workspace: Where committed folders lie: a path or a bucket prefix; the sample too.
            run: The run's folder, for records, summary and report; on a cluster each run has its own below it.
        """
        common = {"settings": settings, "workspace": workspace, "run": run}
        with dsl.ExitHandler(add(notify, **common, graph=["sample", *CHAIN])):
            drawn = add(sample, **common)

            def add_after(component: dsl.base_component.BaseComponent, **arguments: object) -> dsl.PipelineTask:
                return add(component, **arguments).after(drawn)

            chain(add_after, common)

    return demo
