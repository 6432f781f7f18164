"""The screen Agent: the looks of the grid agent, its ranked risks, its proposals and their outcomes."""

from __future__ import annotations

from typing import Any

from console.dashboard.views.moment import Moment
from mcp_server.queries.looks import KINDS, get_looks

LOOKS = 30


def agent(moment: Moment) -> dict[str, Any]:
    """Return the newest looks of the last week, those of a past moment as they stood then."""
    page = get_looks(moment.context, moment.zone, limit=LOOKS, until=moment.at)
    return {
        "looks": [
            {**look.model_dump(exclude={"steps"}), "came_to": KINDS.get(look.kind, look.kind)} for look in page.looks
        ],
        "total": page.total,
        "hint": page.hint,
        "currency": moment.currency,
    }


def look(moment: Moment, look_id: str) -> dict[str, Any]:
    """Return one look with every step.

    Raises:
        QuestionError: There is no such look of the last week.
    """
    return get_looks(moment.context, moment.zone, look_id).looks[0].model_dump()
