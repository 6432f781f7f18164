"""The settings group of live feeds."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class FeedSettings(BaseModel):
    """Live feeds (`--source live:NAME`): addresses, keys and how much is asked for. See docs/guide/live-feeds.md."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    history_days: float = Field(
        default=120.0, ge=21, le=1100, description="days of history fetched before the first slot of a run"
    )
    poll_s: float | None = Field(
        default=None, gt=0, description="time between two requests of a data set (s); None: the data set's default"
    )
    requests_per_s: float | None = Field(
        default=None, gt=0, description="most requests per second to one service; None: the service's limit"
    )
    timeout_s: float = Field(default=30.0, gt=0, description="limit of one request (s)")
    elexon_url: str = Field(default="https://data.elexon.co.uk/bmrs/api/v1", description="Elexon Insights (GB)")
