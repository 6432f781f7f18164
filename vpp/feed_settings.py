"""The settings group of live feeds."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, SecretStr


class FeedSettings(BaseModel):
    """Live feeds (`--source live:NAME`): addresses, keys and how much is asked for. See docs/guide/live-feeds.md."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    history_days: float = Field(
        default=120.0, ge=1, le=1100, description="days of history fetched before the first slot of a run"
