"""The states of an order: one typed list, each with its time and reason."""

from __future__ import annotations

from enum import StrEnum

from vpp.messages.integers import Integer
from vpp.messages.telemetry import Record
from vpp.messages.times import Time


class OrderStage(StrEnum):
    """States of an order.

    ``accepted``: by admission. ``waiting``: it has not started, or a stronger order rules. ``acting``: the plant
    follows it. ``clamped``: it follows it as far as physics and limits allow. ``done``: it acted until its end.
    ``expired``: its time is over and it never acted. ``withdrawn``: somebody, or its own limit of loss, ended it.
    """

    ACCEPTED = "accepted"
    WAITING = "waiting"
    ACTING = "acting"
    CLAMPED = "clamped"
    DONE = "done"
    EXPIRED = "expired"
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"


ENDED_STAGES = frozenset({OrderStage.DONE, OrderStage.EXPIRED, OrderStage.REFUSED, OrderStage.WITHDRAWN})
"""Stages that no other follows."""


class OrderState(Record, kw_only=True, frozen=True, tag="order_state", omit_defaults=True):
    """A change of an order's state (``vpp.order_states``).

    ``at``: the run clock. ``number``: counts the states of a zone, so states of one moment are ordered.
    ``decision_id``: the decision that weighed it. ``moved_mwh``, ``lost``: energy that it moved so far against what the
    plant would have done itself, either way, and money that it lost by that (negative: gained), where it is counted.
    """

    order_id: str
    at: Time
    number: Integer
    stage: OrderStage
    reason: str | None = None
    decision_id: str | None = None
    moved_mwh: float | None = None
    lost: float | None = None
