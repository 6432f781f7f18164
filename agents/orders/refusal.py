"""Reasons for a refused order: codes for programs and texts for people."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

RefusalCode = Literal[
    "unknown_action",
    "incomplete",
    "priority",
    "band",
    "time",
    "expiry",
    "approval",
    "unknown_asset",
    "scope",
    "limit",
    "budget",
    "too_often",
    "admission",
    "over",
]


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why admission refuses an order.

    ``code``: the rule that it breaks. ``detail``: the reason as a clause, with the values that matter.
    """

    code: RefusalCode
    detail: str

    def __str__(self) -> str:
        """Return code and reason, as an order's ``verdict_reason`` carries them."""
        return f"{self.code}: {self.detail}"
