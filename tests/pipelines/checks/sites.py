"""Runs to look at."""

from __future__ import annotations

from typing import Any

from platen.core.settings import parse
from platen.jobs.cluster import Cluster
from platen.pipelines.checks.site import Site
from platen.pipelines.settings import RunSettings


def site(text: str = "", cluster: Cluster | None = None, *, inside: bool = True, **more: Any) -> Site:
    """A run with these settings, its steps where the cluster's namespace is."""
    settings = parse(RunSettings, f"{{ingest: {{folder: a}}, {text}}}")
    return Site(settings, "gs://b/ws", "gs://b/run", cluster, inside=inside, home="platen", **more)
