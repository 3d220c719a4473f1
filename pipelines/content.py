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
from platen.components.train.component import train


def uncached(component: dsl.base_component.BaseComponent, **arguments: object) -> dsl.PipelineTask:
    """A task without KFP's own cache, which would hand out folders that were deleted; stages find their own."""
    return component(**arguments).set_caching_options(False)


def chain(common: dict[str, str]) -> None:
    """The stages and what each reads. `common` holds settings, workspace and run."""
    pictures = uncached(ingest, **common).outputs["dataset"]
    texts = uncached(clean_text, **common, dataset=pictures).outputs["texts"]
    images = uncached(clean_images, **common, dataset=pictures).outputs["images"]
    merged = uncached(merge, **common, dataset=pictures, texts=texts, images=images).outputs["merged"]
    start = uncached(base, **common, dataset=merged).outputs["base"]
    encoded = uncached(encode, **common, dataset=merged, base=start).outputs["encoded"]
    model = uncached(train, **common, encoded=encoded, base=start).outputs["model"]
    generated = uncached(generate, **common, model=model).outputs["generated"]
    report = uncached(evaluate, **common, model=model, dataset=merged, generated=generated).outputs["report"]
    decision = uncached(gate, **common, report=report, model=model).outputs["decision"]
    release = uncached(deploy, **common, model=model, report=report, decision=decision).outputs["release"]
    uncached(monitor, **common, release=release, dataset=merged)


@dsl.pipeline(name="platen-content", description="From captioned pictures to a released text-to-image model.")
def content(settings: str, workspace: str, run: str) -> None:
    """Run the whole chain; the exit handler tells how it ended, also when a stage failed.

    Args:
        settings: The run's settings, YAML text.
        workspace: Where committed folders lie: a path or a bucket prefix.
        run: The run's folder, for records, summary and report.
    """
    common = {"settings": settings, "workspace": workspace, "run": run}
    with dsl.ExitHandler(uncached(notify, **common)):
        chain(common)
