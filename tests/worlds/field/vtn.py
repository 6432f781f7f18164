"""An OpenADR 3 VTN as its specification shows it: OAuth 2 tokens, and events in pages."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from tests.worlds.feeds.feed_server import Query
from vpp.domain import iso

CLIENT, SECRET = "ven", "test-only-placeholder"


@dataclass
class Vtn:
    """Answers ``auth/token`` and ``events`` below any base.

    Attributes:
        events: All events, newest first.
        token: The token that is good now; another one ends it.
    """

    events: list[dict[str, Any]] = field(default_factory=list)
    token: str = "first"

    def __call__(self, path: str, query: Query) -> Any:
        if path.endswith("/auth/token"):
            reference = (query.get("grant_type"), query.get("client_id"), query.get("client_secret"))
            if reference != ("client_credentials", CLIENT, SECRET):
                return None
            return {"access_token": self.token, "token_type": "Bearer", "expires_in": 3600}
        if path.endswith("/events") and query.get("Authorization") == f"Bearer {self.token}":
            skip, limit = int(query.get("skip", 0)), int(query.get("limit", 50))
            chosen = [one for one in self.events if query.get("programID") in (None, one["programID"])]
            return chosen[skip : skip + limit]
        return None


def event(
    name: str,
    start: datetime,
    *payloads: tuple[str, float | str],
    minutes: int = 30,
    modified: str = "2026-01-01T00:00:00Z",
    units: dict[str, str] | None = None,
) -> dict[str, Any]:
    """Return an event with one interval per payload, one after the other from a start on.

    Args:
        name: Its id and name.
        start: Begin of the first interval.
        *payloads: Type and value of each.
        minutes: Length of each interval.
        modified: Time of its last change.
        units: Unit by type.
    """
    return {
        "id": name,
        "createdDateTime": "2026-01-01T00:00:00Z",
        "modificationDateTime": modified,
        "objectType": "EVENT",
        "programID": "p1",
        "eventName": f"event {name}",
        "priority": 0,
        "targets": None,
        "payloadDescriptors": [
            {"objectType": "EVENT_PAYLOAD_DESCRIPTOR", "payloadType": kind, "units": unit, "currency": "EUR"}
            for kind, unit in (units or {}).items()
        ],
        "intervalPeriod": {"start": iso(start), "duration": f"PT{minutes}M", "randomizeStart": "PT0S"},
        "intervals": [
            {"id": number, "payloads": [{"type": kind, "values": [value]}]}
            for number, (kind, value) in enumerate(payloads)
        ],
    }
