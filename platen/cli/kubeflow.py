"""Commands that deal with a cluster: submit, cancel, doctor, reap."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from platen.cli.app import Run, Workspace, app, parse_input, read_settings
from platen.core.errors import InputError
from platen.core.telemetry import log

if TYPE_CHECKING:
    from platen.pipelines.backend import Backend
    from platen.pipelines.package import Package
    from platen.pipelines.settings import RunSettings

Host = Annotated[str | None, typer.Option(help="URL of Kubeflow Pipelines; default: KF_PIPELINES_ENDPOINT.")]


Namespace = Annotated[
    str | None, typer.Option("--namespace", "-n", help="Namespace of your profile, if there are profiles.")
]


TokenFile = Annotated[Path | None, typer.Option(help="File with a bearer token; default: KFP_EXISTING_TOKEN.")]


def parse_parameter(given: str) -> tuple[str, str]:
    """NAME=VALUE as a pair."""
    return parse_input(given, "--parameter", "VALUE")


@app.command(rich_help_panel="Runs")
def submit(
    settings: Annotated[
        list[Path] | None,
        typer.Option("--settings", "-s", help="The run's settings, a YAML file; repeatable, later files override."),
    ] = None,
    demo: Annotated[
        bool, typer.Option("--demo", help="Run the demo on a generated sample; needs no --settings.")
    ] = False,
    pipeline: Annotated[
        str | None, typer.Option(help="Which compiled pipeline: content (default) or retrain.", show_default=False)
    ] = None,
    compiled: Annotated[Path, typer.Option(help="Where `platen compile` wrote it.")] = Path("pipelines/compiled"),
    workspace: Workspace = "",
    run: Run = "",
    parameter: Annotated[
        list[str] | None, typer.Option("--parameter", "-p", help="NAME=VALUE, for your own pipeline; repeatable.")
    ] = None,
    host: Host = None,
    namespace: Namespace = None,
    token_file: TokenFile = None,
    experiment: Annotated[str, typer.Option(help="Experiment that the run is listed under.")] = "platen",
    name: Annotated[str | None, typer.Option(help="Name of the run; default: the pipeline's.")] = None,
    service_account: Annotated[
        str | None, typer.Option(help="Account of the pods; default: the installation's.")
    ] = None,
    idempotency_key: Annotated[str | None, typer.Option(help="Id of the triggering event: one run per key.")] = None,
    recurring: Annotated[str | None, typer.Option(help="Schedule of a recurring run, e.g. '0 3 * * 1'.")] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Follow the run and exit with its outcome.")] = False,
    start_seconds: Annotated[
        float, typer.Option(min=1, help="With --wait: cancel the run if a task cannot start for this long.")
    ] = 900,
) -> None:
    """Run a compiled pipeline on Kubeflow Pipelines; prints the run's URL."""
    from platen.pipelines.cron import six_fields
    from platen.pipelines.demo import PIPELINE, next_steps
    from platen.pipelines.package import run_arguments

    if demo and (pipeline not in (None, PIPELINE) or recurring is not None):
        raise InputError(f"--demo cannot be combined with --recurring or --pipeline (it runs {PIPELINE})")
    if not demo and not settings:
        raise InputError("--settings is missing. Accepted: a YAML file, as printed by `platen settings`; or use --demo")
    package, text, chosen = choose(compiled, pipeline, settings or [], workspace, run, demo=demo)
    arguments = run_arguments(package, text, chosen, dict(map(parse_parameter, parameter or [])))
    if recurring is not None and (wait or idempotency_key is not None):
        raise InputError("--recurring cannot be combined with --wait or --idempotency-key; its --name identifies it")
    times = None if recurring is None else six_fields(recurring)

    from platen.pipelines import submit as runs
    from platen.pipelines.backend import connect

    order = runs.Order(package, arguments, name or package.name, experiment, idempotency_key, service_account)
    backend = connect(host, namespace, token_file)
    if times is not None:
        submitted = runs.submit_recurring(backend, order, times)
        log.info("%s recurring run %s", "found" if submitted.found else "created", submitted.id)
        typer.echo(backend.url("recurringrun", submitted.id))
        return
    submitted = runs.submit(backend, order)
    log.info("%s run %s", "found" if submitted.found else "started", submitted.id)
    typer.echo(backend.url("runs", submitted.id))
    if demo:
        log.info("%s", next_steps(arguments, submitted.id))
    if wait:
        follow_run(backend, submitted.id, package.tasks, namespace, start_seconds)


def choose(
    compiled: Path, pipeline: str | None, settings: Sequence[Path], workspace: str, run: str, *, demo: bool
) -> tuple[Package, str, RunSettings]:
    """Read the compiled pipeline and the settings of a run, the text and what it says; the demo brings its own."""
    from platen.pipelines.demo import PIPELINE, cluster_settings
    from platen.pipelines.package import read_package

    if demo:
        package = read_package(compiled, PIPELINE)
        return package, *cluster_settings(package, settings, workspace, run)
    return read_package(compiled, pipeline or "content"), *read_settings(settings, workspace, run)


def follow_run(
    backend: Backend, run_id: str, tasks: Collection[str], namespace: str | None, start_seconds: float
) -> None:
    """Follow a run until it ends, or until Ctrl-C, which leaves it running."""
    from platen.pipelines.follow import follow
    from platen.pipelines.run_pods import find_pods, namespace_of

    pods = find_pods(namespace_of(backend, namespace), run_id, tasks)
    try:
        follow(backend, run_id, pods, start_seconds)
    except KeyboardInterrupt:
        log.warning("stopped following; the run continues. `platen cancel %s` ends it", run_id)
        raise typer.Exit(130) from None
    log.info("run %s succeeded", run_id)


@app.command(rich_help_panel="Runs")
def cancel(run_id: str, host: Host = None, namespace: Namespace = None, token_file: TokenFile = None) -> None:
    """End a run on Kubeflow Pipelines, by the id that submit printed."""
    from platen.pipelines.backend import connect
    from platen.pipelines.follow import cancel as cancel_run
    from platen.pipelines.submit import ENDED

    before = cancel_run(connect(host, namespace, token_file), run_id)
    typer.echo(f"{run_id}: {'had already ended' if before in ENDED else 'is being cancelled'} ({before.lower()})")


@app.command(rich_help_panel="Runs")
def doctor(
    settings: Annotated[
        list[Path] | None,
        typer.Option("--settings", "-s", help="The settings of a run, whose needs are checked too; repeatable."),
    ] = None,
    compiled: Annotated[
        Path | None,
        typer.Option(help="Where `platen compile` wrote the pipeline: the needs of its pods are checked."),
    ] = None,
    pipeline: Annotated[str, typer.Option(help="Which of the compiled pipelines.")] = "content",
    namespace: Annotated[
        str | None, typer.Option("--namespace", "-n", help="Namespace of the steps: your profile's; default: kubeflow.")
    ] = None,
    host: Host = None,
    token_file: TokenFile = None,
    service_account: Annotated[
        str | None, typer.Option(help="Account of the steps; default: the installation's.")
    ] = None,
) -> None:
    """Check a cluster and report, item by item, what is missing and how to fix it; changes nothing there."""
    from platen.pipelines.doctor import Asked, examine
    from platen.pipelines.package import read_package

    chosen = read_settings(settings)[1] if settings else None
    package = read_package(compiled, pipeline) if compiled is not None else None
    counts = {"ok": 0, "missing": 0, "not checked": 0}
    for finding in examine(Asked(chosen, package, namespace, host, token_file, service_account)):
        counts[finding.state] += 1
        words = f": {finding.words}" if finding.words else ""
        typer.echo(f"{finding.state:<13}{finding.item}{words}")
        if finding.state == "missing" and finding.fix:
            typer.echo(f"{'':13}fix: {finding.fix}")
    typer.echo(", ".join(f"{number} {state}" for state, number in counts.items()))
    if counts["missing"]:
        raise typer.Exit(2)


@app.command(rich_help_panel="Runs")
def reap(
    namespace: Annotated[
        str | None, typer.Option(help="Namespace of the jobs; default: this pod's or the context's.")
    ] = None,
    older_than: Annotated[float, typer.Option(min=60, help="Seconds since the last heartbeat of a job's step.")] = 150,
) -> None:
    """Delete training jobs that no step follows any more."""
    from platen.jobs.cluster import connect
    from platen.jobs.reap import reap as reap_jobs

    for name in reap_jobs(connect(namespace), older_than):
        typer.echo(name)
