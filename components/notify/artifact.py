"""The report as an artifact of the run, which the user interface of Kubeflow Pipelines shows."""

from __future__ import annotations

import contextlib
import html
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from platen.core.ui import write_page

EXPLANATION = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'">
<title>No report</title>
</head>
<body>
<h1>The report could not be created</h1>
<p>{reason}</p>
<p>The log of notify has the details. How the run ended is not affected.</p>
</body>
</html>
"""


@contextmanager
def explained(path: str | None) -> Iterator[None]:
    """Where what is done here fails before the artifact is written, write a page there that says why."""
    try:
        yield
    except Exception as error:
        if path is not None and not Path(path).exists():
            reason = html.escape(f"{type(error).__name__}: {error}")
            with contextlib.suppress(OSError):
                write_page(path, EXPLANATION.format(reason=reason))
        raise
