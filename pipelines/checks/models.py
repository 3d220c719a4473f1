"""The base model that the user gives."""

from __future__ import annotations

from collections.abc import Iterator

from platen.components.base.given import check_given
from platen.core.errors import PlatenError, StorageError, UserError
from platen.core.storage import exists
from platen.pipelines.checks.finding import Finding, missing, not_checked, ok
from platen.pipelines.checks.site import Site


def base(site: Site) -> Iterator[Finding]:
    """Check the files of a base model, so that none is refused after the data has been prepared.

    A name on a hub is left to the stage that fetches it; a path that is missing here, to the check of sources.
    """
    if site.settings is None or site.settings.base.base_model is None:
        return
    settings = site.settings.base
    model = str(settings.base_model)
    if not _is_here(model) or not (settings.config is None or _is_here(settings.config)):
        return
    try:
        check_given(settings)
        yield ok(f"base model {model}")
    except StorageError as error:
        yield not_checked(f"base model {model}", str(error))
    except UserError as error:
        yield missing(f"base model {model}", str(error), "correct base.base_model, or the files there")
    except OSError as error:
        yield missing(f"base model {model}", f"it cannot be read ({error.strerror})", "let this account read it")


def _is_here(place: str) -> bool:
    try:
        return exists(place)
    except (PlatenError, OSError):
        return False
