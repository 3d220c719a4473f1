"""How long a training job runs on when nobody follows it: the manifest, the code and the documents say the same."""

from __future__ import annotations

import inspect
import re

import pytest

from platen.cli import kubeflow
from platen.jobs import launch, preflight, reap
from tests.manifests.kustomize import OVERLAYS, ROOT, Object, one, overlay

POD_START = 50  # seconds that the documents grant the reaper's pod until it has looked at the jobs
DOCUMENTS = ("README.md", "docs/kubernetes.md", "docs/training-on-kubernetes.md")


def cron_job(name: str) -> Object:
    spec: Object = one(overlay(name), "CronJob", "platen-reap")["spec"]
    return spec


def period(schedule: str) -> int:
    """Seconds between two runs, of a schedule that names minutes only."""
    minutes, *rest = schedule.split()
    assert rest == ["*"] * 4
    found = re.fullmatch(r"\*(?:/(\d+))?", minutes)
    assert found, schedule
    return 60 * int(found[1] or 1)


def older_than(spec: Object) -> float:
    """Seconds without a sign after which the CronJob takes a job for left."""
    (container,) = spec["jobTemplate"]["spec"]["template"]["spec"]["containers"]
    command, _, seconds = container["command"][1:]
    assert container["command"][0] == "platen" and command == "reap"
    return float(seconds)


@pytest.mark.parametrize("name", OVERLAYS)
def test_an_orphan_is_gone_when_the_documents_say(name: str) -> None:
    spec = cron_job(name)
    # A run that waits for one job's follower holds up the next: that one then starts when the first has ended.
    next_look = max(period(spec["schedule"]), reap.SETTLE) + POD_START
    worst = older_than(spec) + next_look + reap.SETTLE
    for document in DOCUMENTS:
        told = re.findall(r"within (\d+) minutes of its\s+last heartbeat", (ROOT / document).read_text())
        assert told, f"{document} does not say it"
        assert {60 * int(minutes) for minutes in told} == {worst}, document


def test_the_documents_add_up_what_holds() -> None:
    spec = cron_job("kind")
    text = (ROOT / "docs/training-on-kubernetes.md").read_text().partition("## Orphans")[2].partition("\n## ")[0]
    seconds = [int(found) for found in re.findall(r"\| (\d+) \|$", text, re.MULTILINE)]
    parts = [older_than(spec), period(spec["schedule"]), POD_START, reap.SETTLE]
    assert seconds == [*parts, sum(parts)]
    assert f"every {launch.HEARTBEAT:.0f} s" in text
    assert f"at least {older_than(spec) + reap.SETTLE:.0f} s" in text


def test_who_is_there_is_never_taken_for_gone() -> None:
    silence = older_than(cron_job("kind")) + reap.SETTLE
    assert silence >= 12 * launch.HEARTBEAT
    assert reap.SETTLE >= 2 * launch.HEARTBEAT + 8  # a call that an outage held up pauses up to 8 s
    assert (
        older_than(cron_job("kind")) > preflight.PROBE_SECONDS + launch.HEARTBEAT
    )  # a probe leaves its one sign at its start


def test_a_run_of_the_reaper_ends_by_itself_but_for_a_fault() -> None:
    spec = cron_job("kind")["jobTemplate"]["spec"]
    assert spec["activeDeadlineSeconds"] > POD_START + reap.SETTLE


def test_by_hand_it_is_the_same_silence() -> None:
    assert inspect.signature(kubeflow.reap).parameters["older_than"].default == older_than(cron_job("kind"))
