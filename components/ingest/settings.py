"""What can be set of ingest."""

from __future__ import annotations

import re

from pydantic import Field, field_validator

from platen.core.settings import Settings

HOST_AND_PORT = re.compile(r"[^\s/@]+:\d{1,5}")


class IngestSettings(Settings):
    """Section `ingest` of the settings file. At least one of folder, table and urls has to be set."""

    # What lies there counts, not where it lies: see `outside` in stage.py.
    folder: str | None = Field(
        None,
        exclude=True,
        description="Folder of pictures, with captions beside them or in metadata.jsonl; path or gs://",
    )
    table: str | None = Field(
        None,
        exclude=True,
        description="Table of pictures, columns path or url, caption, licence; .csv .jsonl .parquet, path or gs://",
    )
    urls: str | None = Field(
        None,
        exclude=True,
        description="Table of pictures to fetch, columns url, caption, licence; .csv .jsonl .parquet, path or gs://",
    )
    licence: str = Field("unknown", min_length=1, description="Licence of pictures whose source states none; a text")
    shard_size: int = Field(1000, ge=1, le=100_000, description="Samples a shard; all their bytes are held in memory")
    max_bytes: int = Field(20_000_000, ge=1, description="Largest picture file that is taken, in bytes")
    deadline: float = Field(20.0, gt=0, description="Time for one URL, redirects and retries included, in seconds")
    robots: bool = Field(True, description="Whether robots.txt is honoured; true or false")
    allow_hosts: tuple[str, ...] = Field(
        (), description="Hosts that may have private addresses, as the URLs name them; a list of host:port"
    )
    concurrency: int = Field(32, ge=1, le=1000, exclude=True, description="URLs fetched at the same time")
    # These three decide what servers answer, and so what comes out.
    connect_timeout: float = Field(5.0, gt=0, description="Time for a connection, in seconds")
    retries: int = Field(2, ge=0, le=10, description="More attempts after a 5xx or a lost connection")
    user_agent: str | None = Field(
        None,
        min_length=1,
        description="Who fetches, and how you can be reached, as in my-bot/1.0 (me@a.org); null: platen/<version>",
    )

    @field_validator("allow_hosts")
    @classmethod
    def _host_and_port(cls, hosts: tuple[str, ...]) -> tuple[str, ...]:
        for host in hosts:
            if not HOST_AND_PORT.fullmatch(host):
                raise ValueError(f"{host!r} is not host:port, as in localhost:8765")
        return tuple(host.lower() for host in hosts)
