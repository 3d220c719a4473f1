"""Preflight as a task: the checks, the record, the exit code. It commits nothing, so that it is made in every run."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

from platen.components.train.job import absolute
from platen.core.component import RUNNER, exit_on_error, own_folder
from platen.core.errors import InputError, PlatformError
from platen.core.processes import die_with
from platen.core.records import Record, recorded_failure, save
from platen.core.settings import parse
from platen.core.telemetry import log, set_up_logging
from platen.jobs.cluster import Cluster, connect, own_namespace, told_namespace
from platen.pipelines.checks.finding import Finding
from platen.pipelines.checks.images import compiled_images
from platen.pipelines.checks.registry import CHECKS, made
from platen.pipelines.checks.site import Site
from platen.pipelines.settings import RunSettings

NAME = "preflight"


def execute(settings: str, workspace: str, run: str) -> None:
    """Run preflight inside a KFP task; ends the process with 2 for the user's faults, 1 for others."""
    if RUNNER in os.environ:
        die_with(int(os.environ[RUNNER]))
    set_up_logging()
    with exit_on_error(NAME):
        run_recorded(settings, workspace, own_folder(run))


def run_recorded(settings: str, workspace: str, run: str) -> None:
    """Make the checks and leave a record in the run folder, like a stage."""
    started = time.time()
    with recorded_failure(run, NAME):
        preflight(parse(RunSettings, settings, "settings"), workspace, run)
    seconds = round(time.time() - started, 3)
    save(run, Record(name=NAME, status="done", started=started, seconds=seconds))


def preflight(settings: RunSettings, workspace: str, run: str) -> None:
    """Look whether every later stage of a run will find what it needs.

    Args:
        settings: The run's.
        workspace: Where it writes.
        run: Where its records go.

    Raises:
        InputError: Something is missing that the user can put right; with everything else that is missing.
        PlatformError: Something is missing, and all of it lies in the cluster or the storage.
    """
    started = time.monotonic()
    site = site_of(settings, workspace, run)
    quick = [check for check in CHECKS if check.preflight and not check.slow]
    slow = [check for check in CHECKS if check.preflight and check.slow]
    findings = list(made(quick, site))
    if not faults(findings):  # pods are started only for a run that may go well
        with ThreadPoolExecutor(len(slow)) as pool:
            for found in pool.map(lambda check: list(made([check], site)), slow):
                findings += found
    tell(findings)
    refuse(faults(findings))
    log.info("preflight: %d items are as they should be, %.1f s", count(findings), time.monotonic() - started)


def site_of(settings: RunSettings, workspace: str, run: str) -> Site:
    """Build what the checks look at, from where this process runs."""
    needed = settings.train.job is not None or settings.deploy.deployment is not None or own_namespace() is not None
    cluster: Cluster | None = connect(own_namespace()) if needed else None
    home = told_namespace() or (cluster.namespace if cluster is not None else "")
    return Site(settings, absolute(workspace), absolute(run), cluster, inside=True, home=home, images=compiled_images())


def faults(findings: Iterable[Finding]) -> list[Finding]:
    """List what a run would surely fail of."""
    return [finding for finding in findings if finding.state == "missing" and finding.fatal]


def count(findings: Iterable[Finding]) -> int:
    """Count what is as it should be."""
    return sum(finding.state == "ok" for finding in findings)


def tell(findings: Iterable[Finding]) -> None:
    """Log what is no reason to refuse the run, and yet worth knowing."""
    for finding in findings:
        if finding.state == "missing" and not finding.fatal:
            log.warning("preflight: %s", finding)
        elif finding.state == "not checked":
            log.info("preflight: not checked: %s: %s", finding.item, finding.words)


def refuse(found: list[Finding]) -> None:
    """Raise one error for all faults, if there are any."""
    if not found:
        return
    lines = [f"{number}. {fault}" for number, fault in enumerate(found, 1)]
    things = "1 thing" if len(found) == 1 else f"{len(found)} things"
    kind = InputError if any(fault.user for fault in found) else PlatformError
    raise kind("\n".join([f"{things} that the run needs would be missing later; nothing was started:", *lines]))
