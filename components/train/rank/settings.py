"""Settings of how a rank stops, and of what it does about a step that would spoil the model."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from platen.core.settings import Settings, matching

HttpAddress = Annotated[str, matching(r"https?://[^\s/]+(/\S*)?", "is no address that begins with http:// or https://")]


class StopSettings(Settings):
    """What, besides SIGTERM, has training save a checkpoint and end. Nothing here changes the model."""

    notice_file: str | None = Field(
        None, description="path on a node; a file that appears there says that the node is taken away"
    )
    notice_url: HttpAddress | None = Field(
        None,
        description="address that tells of a node's end, as the metadata servers of Google Cloud, AWS and Azure do",
    )
    notice_headers: dict[str, str] = Field({}, description='headers for it, e.g. {"Metadata-Flavor": "Google"}')
    poll_seconds: float = Field(5.0, gt=0, description="seconds between two looks for a notice, above 0")
    budget_seconds: float | None = Field(
        None, gt=0, description="seconds that an attempt may take, its last checkpoint included; null for no limit"
    )
    save_seconds: float = Field(
        60.0, ge=0, description="seconds of the budget kept for a checkpoint until the attempt has measured one"
    )


class GuardSettings(Settings):
    """What is done about a batch whose loss is NaN, infinite or far too high. The limits do not change the model."""

    on_nan: Literal["skip", "roll_back", "stop"] = Field(
        "skip", description="where the loss or the gradient is NaN or infinite: skip the batch, roll_back, or stop"
    )
    on_spike: Literal["ignore", "skip", "roll_back", "stop"] = Field(
        "ignore", description="where the loss jumps: ignore, skip the batch, roll_back, or stop"
    )
    spike_factor: float = Field(
        10.0, gt=0, description="a jump is this many standard deviations (by the median) above the median, above 0"
    )
    window: int = Field(100, ge=4, description="losses before it that a loss is held against, 4 or more")
    rewind: int = Field(
        1, ge=1, description="batches that a roll_back leaves out, the bad one and those before it (arXiv 2204.02311)"
    )
    most_in_a_row: int = Field(5, ge=0, description="batches skipped in a row before training stops", exclude=True)
    most_skipped: int = Field(100, ge=0, description="batches skipped in all before training stops", exclude=True)
    most_roll_backs: int = Field(10, ge=0, description="roll backs before training stops", exclude=True)
