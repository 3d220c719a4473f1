"""Settings of notify."""

from __future__ import annotations

from pydantic import Field

from platen.core.settings import Settings


class NotifySettings(Settings):
    """What is known of the data beforehand, and where the summary is posted. Nothing here changes a stage's output."""

    truth: str | None = Field(
        None,
        exclude=True,
        description="truth.json of a made-up data set, to compare with, a path or gs://; null for real data",
    )
    webhook_variable: str = Field(
        "PLATEN_WEBHOOK_URL",
        exclude=True,
        description="environment variable with the address that the summary is posted to; not set: nothing is posted",
    )
    webhook_file: str | None = Field(
        None, exclude=True, description="file with that address (a mounted secret), read where the variable is not set"
    )
    webhook_http_hosts: tuple[str, ...] = Field(
        (), exclude=True, description="host names that may be posted to over plain http; all others need https"
    )
    webhook_seconds: float = Field(
        10, gt=0, le=300, exclude=True, description="deadline of one of three tries, seconds"
    )
