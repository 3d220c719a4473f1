"""From captioned pictures to a release: every stage once, clean_text and clean_images side by side."""

from kfp import dsl

from platen.components.base.component import base
from platen.components.clean_images.component import clean_images
from platen.components.clean_text.component import clean_text
from platen.components.deploy.component import deploy
from platen.components.encode.component import encode
from platen.components.evaluate.component import evaluate
from platen.components.gate.component import gate
from platen.components.generate.component import generate
from platen.components.ingest.component import ingest
from platen.components.merge.component import merge
from platen.components.monitor.component import monitor
from platen.components.notify.component import notify
from platen.components.plan.component import plan
from platen.components.train.component import train
from platen.pipelines.preflight.component import preflight
from platen.pipelines.tasks import AddTask, Target, adding

CHAIN = (  # the stages that `chain` adds, in the order in which they may end
    *("preflight", "ingest", "clean_text", "clean_images", "merge", "base", "encode", "plan"),
    *("train", "generate", "evaluate", "gate", "deploy", "monitor"),
)


def chain(add: AddTask, common: dict[str, str]) -> None:
    """The stages and what each reads. `common` holds settings, workspace and run."""
    ready = add(preflight, **common)
    pictures = add(ingest, **common).after(ready).outputs["dataset"]
    texts = add(clean_text, **common, dataset=pictures).outputs["texts"]
    images = add(clean_images, **common, dataset=pictures).outputs["images"]
    merged = add(merge, **common, dataset=pictures, texts=texts, images=images).outputs["merged"]
    start = add(base, **common, dataset=merged).outputs["base"]
    encoded = add(encode, **common, dataset=merged, base=start).outputs["encoded"]
    planned = add(plan, **common, encoded=encoded, base=start).outputs["plan"]
    model = add(train, **common, encoded=encoded, base=start, plan=planned).outputs["model"]
    generated = add(generate, **common, model=model).outputs["generated"]
    report = add(evaluate, **common, model=model, dataset=merged, generated=generated).outputs["report"]
    decision = add(gate, **common, report=report, model=model).outputs["decision"]
    release = add(deploy, **common, model=model, report=report, decision=decision).outputs["release"]
    add(monitor, **common, release=release, dataset=merged)


def content_pipeline(target: Target | None = None) -> dsl.graph_component.GraphComponent:
    """The whole chain as a graph: for a cluster, or without a target for this machine."""
    add = adding(target)

    @dsl.pipeline(name="platen-content", description="From captioned pictures to a released text-to-image model.")
    def content(settings: str, workspace: str, run: str) -> None:
        """Run the whole chain; the exit handler tells how it ended, also when a stage failed.

        Args:
            settings: The run's settings, YAML text.
            workspace: Where committed folders lie: a path or a bucket prefix.
            run: The run's folder, for records, summary and report; on a cluster each run has its own below it.
        """
        common = {"settings": settings, "workspace": workspace, "run": run}
        with dsl.ExitHandler(add(notify, **common, graph=list(CHAIN))):
            chain(add, common)

    return content
