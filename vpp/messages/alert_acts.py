"""People's acts on alerts, and notices to contacts; both are on ``vpp.alerts`` beside the alerts."""

from __future__ import annotations

from enum import StrEnum

from vpp.messages.alerts import AlertCode
from vpp.messages.integers import Integer
from vpp.messages.telemetry import Record
from vpp.messages.times import Time


class AlertAction(StrEnum):
    """Act of a person: acknowledge an alert, stop notices for a time (``silence``), or plan work (``maintenance``).

    ``maintenance``: nobody is notified of alerts that begin while the work lasts.
    """

    ACKNOWLEDGE = "acknowledge"
    SILENCE = "silence"
    MAINTENANCE = "maintenance"


class AlertAct(Record, kw_only=True, frozen=True, tag="alert_act", omit_defaults=True):
    """One act of a person on alerts of a zone; ``at`` is wall time, as is the ``until`` of a silence.

    An acknowledgement names its ``alert_id``. A silence lasts until ``until`` for the alerts that it names: one
    ``alert_id``, or all alerts of the zone with this ``code``, ``asset_id`` and telemetry ``channel``, if given. A
    later silence of the same scope replaces it; one whose ``until`` is its ``at`` ends it. A maintenance window holds
    for the alerts of such a scope whose first slot is at or after ``since`` and before ``until``. A later one of the
    same scope and ``since`` replaces it; one whose ``until`` is its ``since`` takes it back.
    """

    act_id: str
    at: Time
    action: AlertAction
    principal: str
    reason: str = ""
    alert_id: str | None = None
    code: AlertCode | None = None
    asset_id: str | None = None
    channel: str | None = None
    until: Time | None = None
    since: Time | None = None


class NoticeOutcome(StrEnum):
    """``delivered``: the contact's service took the message. ``given_up``: it took none for a day."""

    DELIVERED = "delivered"
    GIVEN_UP = "given_up"


class Notice(Record, kw_only=True, frozen=True, tag="notice"):
    """One alert delivered to one contact. One message may make many notices.

    ``slot`` and ``alert_id``: the alert. ``stage``: ``raised``, ``ended``, or ``escalated-N``, N from 1. ``attempts``:
    messages tried until it was delivered or given up.
    """

    slot: Time
    alert_id: str
    contact: str
    stage: str
    at: Time
    outcome: NoticeOutcome
    attempts: Integer
