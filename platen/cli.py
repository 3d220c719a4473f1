"""The `platen` command: one command a stage, and those that deal with whole runs.

Nothing heavy is imported before a command runs.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from platen import __version__
from platen.errors import InputError, PlatenError
from platen.telemetry import log, set_up_logging

if TYPE_CHECKING:
    from platen.components.deploy.deployment_settings import DeploymentSettings
    from platen.pipelines.backend import Backend
    from platen.pipelines.settings import RunSettings
    from platen.stage import Stage

app = typer.Typer(
    help="From captioned pictures to a served, watched and retrained text-to-image model.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

STAGES = {
    "ingest": "Read captioned pictures from folders, tables and URLs.",
    "clean_text": "Repair captions and drop those that cannot be used.",
    "clean_images": "Check, decode, crop and resize pictures.",
    "merge": "Join texts and pictures, drop duplicates, split.",
    "base": "Make a tiny base model, or take over the one in the settings.",
    "encode": "Pictures to latents, captions to embeddings.",
    "train": "Train the UNet with DeepSpeed ZeRO-3.",
    "generate": "Make the pictures of a prompt file.",
    "evaluate": "Measure quality, memorisation and bias.",
    "gate": "Decide whether a model may go live.",
    "deploy": "Check a model on a real server, then make it live.",
    "monitor": "Judge the request log of the live model.",
}

SettingsFile = Annotated[
    list[Path], typer.Option("--settings", "-s", help="The run's settings, a YAML file; repeat: a later one overrides.")
]
Workspace = Annotated[str, typer.Option("--workspace", "-w", help="Where committed folders lie; else the settings'.")]
Run = Annotated[str, typer.Option("--run", "-r", help="The run's folder, for its records; else the settings'.")]
Releases = Annotated[
    str, typer.Option("--workspace", "-w", help="Whose releases; else the settings', else runs/workspace.")
]
OptionalSettings = Annotated[
    list[Path] | None,
    typer.Option("--settings", "-s", help="The run's settings, whose deploy.deployment is dealt with too."),
]
Docker = Annotated[bool, typer.Option("--docker", help="Each stage in a container of its own image.")]


def main() -> None:
    """Run a command; PlatenErrors end it with their own exit code, and with words instead of a traceback."""
    set_up_logging()
    try:
        app()
    except PlatenError as error:
        log.error("error: %s", error)
        sys.exit(error.exit_code)


def read_settings(paths: Sequence[Path], workspace: str = "", run: str = "") -> tuple[str, RunSettings]:
    """The text of settings files and what it says, with the workspace and run of the command line in their place."""
    from platen.pipelines.settings import RunSettings
    from platen.settings import build, load_files, mapping

    text, names = load_files(paths), ", ".join(map(str, paths))
    given = {name: value for name, value in (("workspace", workspace), ("run", run)) if value}
    return text, build(RunSettings, {**mapping(text, names), **given}, names)


def stage_named(name: str) -> Stage[Any]:
    """A stage by the name of its folder."""
    stage: Stage[Any] = importlib.import_module(f"platen.components.{name}.stage").STAGE
    return stage


def stage_command(name: str) -> Callable[..., None]:
    """The command that runs one stage on committed folders."""

    def command(
        settings: SettingsFile,
        inputs: Annotated[
            list[str] | None, typer.Option("--input", "-i", help="NAME=URI of a committed folder; repeat for each.")
        ] = None,
        workspace: Workspace = "",
        run: Run = "",
    ) -> None:
        from platen.records import run_recorded

        text, chosen = read_settings(settings, workspace, run)
        stage = stage_named(name)
        result = run_recorded(stage, text, dict(map(parse_input, inputs or [])), chosen.workspace, chosen.run)
        typer.echo(result.folder.uri)
        if name == "gate":
            from platen.components.gate.refusal import refuse_if_rejected

            refuse_if_rejected(result, chosen.run)

    return command


def parse_input(given: str, option: str = "--input", value: str = "URI") -> tuple[str, str]:
    """NAME=URI as a pair."""
    name, found, text = given.partition("=")
    if not found:
        raise InputError(f"{option} {given}: not of the form NAME={value}")
    return name, text


def parse_parameter(given: str) -> tuple[str, str]:
    """NAME=VALUE as a pair."""
    return parse_input(given, "--parameter", "VALUE")


for stage_name, stage_help in STAGES.items():
    app.command(stage_name.replace("_", "-"), help=stage_help, rich_help_panel="Stages")(stage_command(stage_name))


@app.command(rich_help_panel="Stages")
def notify(settings: SettingsFile, workspace: Workspace = "", run: Run = "") -> None:
    """Sum up a run: summary.json, report.html, the webhook."""
    from platen.components.notify.notice import notify as give_notice

    text, chosen = read_settings(settings, workspace, run)
    give_notice(text, chosen.workspace, chosen.run)


@app.command(rich_help_panel="Stages")
def sample(
    folder: Path,
    seed: Annotated[int | None, typer.Option(help="Seed of the drawings.")] = None,
    pictures: Annotated[int | None, typer.Option(help="How many clean pictures.")] = None,
) -> None:
    """Draw the sample world: captioned pictures with planted faults, and the truth about them."""
    from platen.components.sample.draw import draw
    from platen.components.sample.settings import SampleSettings
    from platen.settings import build

    given = {name: value for name, value in (("seed", seed), ("pictures", pictures)) if value is not None}
    draw(build(SampleSettings, given, "command line"), folder)
    typer.echo(folder)


@app.command(rich_help_panel="Stages")
def serve(
    settings: Annotated[Path | None, typer.Option("--settings", "-s", help="A settings file; else defaults.")] = None,
    workspace: Annotated[str | None, typer.Option("--workspace", "-w", help="Serve what is live here.")] = None,
    model: Annotated[str | None, typer.Option(help="URI of a committed model to serve instead.")] = None,
    port: Annotated[int | None, typer.Option(help="Port, 0 for any free one; else the settings'.")] = None,
) -> None:
    """Serve a model: the OpenAI images API, a page at /, metrics."""
    from platen.components.serve.main import settings_from

    chosen = settings_from(settings, {"port": port})
    from platen.components.serve.server import run as run_server  # after the settings: a mistyped one is told at once

    sys.exit(run_server(chosen, model, workspace))


@app.command(rich_help_panel="Runs")
def run(
    settings: SettingsFile,
    workspace: Workspace = "",
    run: Run = "",
    docker: Docker = False,
) -> None:
    """Run the content pipeline on this machine."""
    from platen.pipelines.local import run_content

    text, chosen = read_settings(settings, workspace, run)
    run_content(text, chosen.workspace, chosen.run, docker=docker)


@app.command(rich_help_panel="Runs")
def demo(
    settings: SettingsFile = [Path("examples/demo.yaml")],  # noqa: B006 - typer copies it
    workspace: Workspace = "",
    run: Run = "",
    docker: Docker = False,
) -> None:
    """Draw the sample world, serve its web folder, and run the content pipeline on it."""
    from platen.pipelines.demo import run_demo

    text, chosen = read_settings(settings, workspace, run)
    run_demo(text, chosen, docker=docker)


@app.command(name="compile", rich_help_panel="Runs")
def compile_pipelines(
    folder: Annotated[Path, typer.Option("--out", "-o", help="Where the YAML goes.")] = Path("pipelines/compiled"),
    registry: Annotated[
        str | None, typer.Option(help="Where the images are; else as `make images` names them.")
    ] = None,
    tag: Annotated[str | None, typer.Option(help="Their tag; else the version.")] = None,
    digests: Annotated[Path | None, typer.Option(help="Their digests, as `make images PUSH=1` writes them.")] = None,
    cluster: Annotated[Path | None, typer.Option(help="What the pods ask for, see examples/cluster.yaml.")] = None,
    check: Annotated[bool, typer.Option("--check", help="Write nothing; fail where the files are stale.")] = False,
) -> None:
    """Compile the pipelines to YAML for Kubeflow Pipelines."""
    from platen.images import chosen_images
    from platen.pipelines.compile import check_compiled, read_cluster, write_compiled

    images, pods = chosen_images(registry, tag, digests), read_cluster(cluster)
    from platen.pipelines.tasks import Target  # after the files were read: a mistyped one is told at once

    if check:
        check_compiled(folder, Target(images, pods))
    else:
        write_compiled(folder, Target(images, pods))


@app.command(rich_help_panel="Stages")
def plan(
    settings: SettingsFile,
    inputs: Annotated[
        list[str] | None, typer.Option("--input", "-i", help="base=URI and encoded=URI of committed folders.")
    ] = None,
    workspace: Workspace = "",
    run: Run = "",
) -> None:
    """Say what training will need, take and cost, and how to run it; prints a table and the plan's folder."""
    from platen.components.plan.settings import of_run
    from platen.components.plan.stage import STAGE, TABLE
    from platen.records import run_recorded

    text, chosen = read_settings(settings, workspace, run)
    text = of_run(text, use=True)
    result = run_recorded(STAGE, text, dict(map(parse_input, inputs or [])), chosen.workspace, chosen.run)
    typer.echo((result.folder.path / TABLE).read_text())
    typer.echo(result.folder.uri)


@app.command(name="batch-size", rich_help_panel="Stages")
def batch_size(
    settings: SettingsFile,
    inputs: Annotated[list[str], typer.Option("--input", "-i", help="encoded=URI and base=URI of committed folders.")],
    memory_gib: Annotated[
        float | None,
        typer.Option(min=0.1, help="GiB that a rank may take; else the GPU's or its share of the host's."),
    ] = None,
    workspace: Workspace = "",
) -> None:
    """Find the largest micro-batch of train that leaves a fifth of memory free, by trying; prints the setting."""
    from platen.components.train.batch_size.find import find, told
    from platen.components.train.stage import STAGE
    from platen.stage import open_folder, wanted_inputs

    chosen = read_settings(settings, workspace)[1]
    named = wanted_inputs(STAGE, dict(map(parse_input, inputs)))
    opened = {name: open_folder(named[name], chosen.workspace) for name in STAGE.inputs}
    limit = None if memory_gib is None else int(memory_gib * 2**30)
    typer.echo(told(find(chosen.train, opened, limit), chosen.train))


Host = Annotated[str | None, typer.Option(help="Address of Kubeflow Pipelines; else KF_PIPELINES_ENDPOINT.")]
Namespace = Annotated[str | None, typer.Option("--namespace", "-n", help="Of your profile, where there are profiles.")]
TokenFile = Annotated[Path | None, typer.Option(help="File with a bearer token; else KFP_EXISTING_TOKEN.")]


@app.command(rich_help_panel="Runs")
def submit(
    settings: SettingsFile,
    pipeline: Annotated[str, typer.Option(help="Which compiled pipeline: content or retrain.")] = "content",
    compiled: Annotated[Path, typer.Option(help="Where `platen compile` wrote it.")] = Path("pipelines/compiled"),
    workspace: Workspace = "",
    run: Run = "",
    parameter: Annotated[
        list[str] | None, typer.Option("--parameter", "-p", help="NAME=VALUE, for a pipeline of your own; repeat.")
    ] = None,
    host: Host = None,
    namespace: Namespace = None,
    token_file: TokenFile = None,
    experiment: Annotated[str, typer.Option(help="Experiment that the run is listed under.")] = "platen",
    name: Annotated[str | None, typer.Option(help="Name of the run; else the pipeline's.")] = None,
    service_account: Annotated[str | None, typer.Option(help="Of the pods; else the installation's.")] = None,
    idempotency_key: Annotated[
        str | None, typer.Option(help="Stands for the event that asks for the run: there is one run for it.")
    ] = None,
    recurring: Annotated[str | None, typer.Option(help="Times of a recurring run, as '0 3 * * 1'.")] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Follow the run, and end as it ends.")] = False,
) -> None:
    """Run a compiled pipeline on Kubeflow Pipelines; prints the run's URL."""
    from platen.pipelines.cron import six_fields
    from platen.pipelines.package import read_package, run_arguments

    text, chosen = read_settings(settings, workspace, run)
    package = read_package(compiled, pipeline)
    arguments = run_arguments(package, text, chosen, dict(map(parse_parameter, parameter or [])))
    if recurring is not None and (wait or idempotency_key is not None):
        raise InputError("--recurring: accepted: without --wait and --idempotency-key; its name stands for it")
    times = None if recurring is None else six_fields(recurring)

    from platen.pipelines import submit as runs
    from platen.pipelines.backend import connect

    order = runs.Order(package, arguments, name or package.name, experiment, idempotency_key, service_account)
    backend = connect(host, namespace, token_file)
    if times is not None:
        submitted = runs.submit_recurring(backend, order, times)
        typer.echo(backend.url("recurringrun", submitted.id))
        return
    submitted = runs.submit(backend, order)
    log.info("%s run %s", "found" if submitted.found else "started", submitted.id)
    typer.echo(backend.url("runs", submitted.id))
    if wait:
        follow_run(backend, submitted.id, package.tasks)


def follow_run(backend: Backend, run_id: str, tasks: Collection[str]) -> None:
    """Follow a run until it ends, or until Ctrl-C, which leaves it running."""
    from platen.pipelines.follow import follow

    try:
        follow(backend, run_id, tasks)
    except KeyboardInterrupt:
        log.warning("no longer followed; the run goes on. `platen cancel %s` ends it", run_id)
        raise typer.Exit(130) from None
    log.info("run %s succeeded", run_id)


@app.command(rich_help_panel="Runs")
def cancel(run_id: str, host: Host = None, namespace: Namespace = None, token_file: TokenFile = None) -> None:
    """End a run on Kubeflow Pipelines, by the id that submit printed."""
    from platen.pipelines.backend import connect
    from platen.pipelines.follow import cancel as cancel_run
    from platen.pipelines.submit import ENDED

    before = cancel_run(connect(host, namespace, token_file), run_id)
    typer.echo(f"{run_id}: {'had ended before' if before in ENDED else 'is being ended'} ({before.lower()})")


@app.command(rich_help_panel="Committed folders")
def verify(uri: str) -> None:
    """Hash every file of a committed folder again and compare with its manifest."""
    from platen.lineage import verify as verify_folder

    typer.echo(f"{uri}: {verify_folder(uri)} files, all as committed")


@app.command(rich_help_panel="Committed folders")
def lineage(uri: str) -> None:
    """Walk a committed folder back to its sources."""
    from platen.lineage import walk

    for link in walk(uri):
        manifest = link.folder.manifest
        outside = "".join(f"  {name}={value}" for name, value in manifest.outside.items() if value)
        typer.echo(f"{'  ' * link.depth}{link.role}: {link.folder.uri}  {manifest.digest[:12]}{outside}")


@app.command(rich_help_panel="Committed folders")
def releases(workspace: Releases = "", settings: OptionalSettings = None) -> None:
    """List the releases of a workspace, the live one last, and whether the Deployment in the settings serves it."""
    from platen.components.deploy.rollback import agreement
    from platen.releases import load

    where, on = released_at(workspace, settings)
    found = load(where)
    for release in found.history:
        typer.echo(f"{'live' if release is found.live else 'was '}  {release.since}  {release.model}")
    if on is not None:
        typer.echo(agreement(found.live, on))


@app.command(rich_help_panel="Committed folders")
def rollback(workspace: Releases = "", settings: OptionalSettings = None) -> None:
    """Make the previous release live again; on the cluster where the settings name a Deployment."""
    from platen.components.deploy.rollback import rollback as roll_back

    where, on = released_at(workspace, settings)
    typer.echo(f"live: {roll_back(where, on).model}")


def released_at(workspace: str, settings: Sequence[Path] | None) -> tuple[str, DeploymentSettings | None]:
    """The workspace whose releases are meant, and the Deployment that serves them, where there is one."""
    if not settings:
        return workspace or "runs/workspace", None
    chosen = read_settings(settings, workspace)[1]
    return chosen.workspace, chosen.deploy.deployment


@app.command(rich_help_panel="Runs")
def reap(
    namespace: Annotated[str | None, typer.Option(help="Where the jobs are; else this pod's or the context's.")] = None,
    older_than: Annotated[float, typer.Option(min=60, help="Seconds without a sign of the step of a job.")] = 300,
) -> None:
    """Delete training jobs whose step is gone, so that nobody follows them."""
    from platen.cluster import connect
    from platen.components.train.kubernetes.reap import reap as reap_jobs

    for name in reap_jobs(connect(namespace), older_than):
        typer.echo(name)


@app.command(rich_help_panel="Runs")
def settings(
    check: Annotated[Path | None, typer.Option("--check", help="Only say whether this file can be used.")] = None,
    preset: Annotated[str | None, typer.Option(help="Only print what this preset of train sets.")] = None,
) -> None:
    """Print every setting with what it means, at its default; or check a file."""
    from platen.components.train.presets import PRESETS, preset_text
    from platen.pipelines.settings import RunSettings
    from platen.settings import document, nearest

    if preset is not None:
        if preset not in PRESETS:
            raise InputError(f"--preset {preset}: unknown. Accepted: {nearest(preset, PRESETS)}")
        typer.echo(preset_text(preset))
        return
    if check is None:
        typer.echo(document(RunSettings))
        return
    read_settings([check])
    typer.echo(f"{check}: can be used")


@app.command(rich_help_panel="Runs")
def version() -> None:
    """Print the version."""
    typer.echo(__version__)


if __name__ == "__main__":
    main()
