"""The settings of a replica as its callers and its operators meet it."""

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, Field


class Listening(BaseModel):
    """Where a replica listens and whom to, how it stops, and what it logs."""

    host: str = Field("127.0.0.1", min_length=1, description="Address to listen on.")
    port: int = Field(8080, ge=0, le=65535, description="Port to listen on; 0 takes a free one.")
    keys: Path | None = Field(
        None,
        repr=False,
        description="File of API keys, as `reward-service keys` writes it, read again when it"
        " changes; without one, whoever reaches the service may use it.",
    )
    allow_anyone: bool = Field(
        default=False,
        description="Serve other machines without keys; for where a network decides who may ask.",
    )
    metrics_port: int | None = Field(
        None,
        ge=0,
        le=65535,
        description="Port of its own for /metrics, without keys; else /metrics is on the main port,"
        " for keys with scope admin that are for every run.",
    )
    header_timeout_s: float = Field(
        10.0,
        gt=0,
        le=3600,
        description="Longest that sending the head of one request may take, in seconds.",
    )
    keep_alive_s: int = Field(
        65, ge=1, le=3600, description="How long an idle connection is kept open, in seconds."
    )
    drain_delay_s: float = Field(
        5.0,
        ge=0,
        le=600,
        description="After SIGTERM: how long to keep serving while not ready, in seconds.",
    )
    drain_timeout_s: int = Field(
        30,
        ge=1,
        le=3600,
        description="After the drain delay: how long requests in flight may take, in seconds.",
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="Least severe lines to log."
    )
    log_format: Literal["json", "text"] = Field("json", description="Shape of a log line.")
