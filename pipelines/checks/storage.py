"""Where the run writes, and what it reads."""

from __future__ import annotations

from collections.abc import Iterator

from platen.core.errors import InputError, PlatenError, SettingsError, StorageError
from platen.core.storage import exists, is_local, try_writing
from platen.jobs.cluster import own_namespace
from platen.jobs.preflight import check_volumes, check_workspace
from platen.pipelines.checks.finding import Finding, from_error, missing, not_checked, ok
from platen.pipelines.checks.site import Site
from platen.pipelines.package import check_place, sources

SEEN_BY_PODS = "it is on a volume that pods see and this machine does not; the run's preflight looks"


def places(site: Site) -> Iterator[Finding]:
    """Try to write where the run does; from outside the run only look whether the bucket is there."""
    if site.settings is None:
        return
    for field, place in {"workspace": site.workspace, "run": site.run}.items():
        yield from _checked(site, field, place, writes=True)
    if site.job is not None and site.jobs is not None:
        yield from _training(site)


def _training(site: Site) -> Iterator[Finding]:
    item = f"workspace {site.workspace} in training pods"
    if site.job is None or site.jobs is None:
        return
    try:
        check_workspace(site.job, site.workspace)
        own = own_namespace() if site.inside else site.cluster and site.cluster.namespace
        check_volumes(site.jobs.namespace, own or None, site.workspace)
        yield ok(item)
    except SettingsError as error:
        yield from_error(item, error)


def inputs(site: Site) -> Iterator[Finding]:
    """Look for every file and folder that a stage will read, but for models on a hub."""
    if site.settings is None:
        return
    for field, place in sources(site.settings).items():
        if field != "notify.truth":  # a run ends well without it
            yield from _checked(site, field, place, writes=False)


def _checked(site: Site, field: str, place: str, *, writes: bool) -> Iterator[Finding]:
    item = f"{field} {place}"
    try:
        if not site.inside and is_local(place):
            yield _from_outside(site, item, field, place)
        elif writes and site.inside:
            try_writing(place)
            yield ok(item, "can be written")
        elif exists(place) or writes:
            yield ok(item)
        else:
            yield missing(item, "there is nothing", f"put it there, or correct {field}")
    except OSError as error:
        yield missing(item, f"it cannot be read ({error.strerror})", f"let this account read it, or correct {field}")
    except StorageError as error:
        # who only reads may lack the right to look, or find the service away for now
        surely = site.inside and writes
        yield from_error(item, error) if surely else not_checked(item, f"{'' if site.inside else 'from here: '}{error}")
    except InputError as error:
        bucket = place.removeprefix("gs://").partition("/")[0]
        make = f"gcloud storage buckets create gs://{bucket}, or " if "no such bucket" in str(error) else ""
        yield missing(item, str(error), f"{make}correct {field}")
    except PlatenError as error:
        yield from_error(item, error)


def _from_outside(site: Site, item: str, field: str, place: str) -> Finding:
    """A path, seen from a machine that does not have the pods' volumes."""
    if site.package is not None:
        check_place(site.package, field, place)
    return not_checked(item, SEEN_BY_PODS)
