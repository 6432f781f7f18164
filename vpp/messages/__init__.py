"""Every message on the wire: JSON objects with a ``kind``, keyed by zone, that read well in ``rpk topic consume``.

Rules of the wire:
    - ``slot`` is the UTC start of a slot; power is positive into the grid; units are in the names.
    - Missing is ``null``; NaN and infinity are not JSON and are refused.
    - The same input gives the same bytes: no wall time, offset or run id outside ``Receipt`` and ``sent_at``.
"""

from vpp.messages.alert_acts import AlertAct, AlertAction, Notice, NoticeOutcome
from vpp.messages.alerts import EPISODES, Alert, AlertCode, AlertEffect, Severity
from vpp.messages.bids import ActorBid, Opinion, Order, TraderBid
from vpp.messages.codec import Decoder, encode, read_decision
from vpp.messages.decision import (
    DECISION_VERSION,
    REFLEXES,
    AssetPlan,
    AssetSnapshot,
    Decision,
    Derating,
    DeratingCode,
    Duals,
    Engine,
    MissingBid,
    NoteCode,
    OrderVerdict,
    PlanNote,
    PlanTable,
    PlantSnapshot,
    PublishedPlan,
    Receipt,
    SetpointCheck,
)
from vpp.messages.devices import CommandCause, CommandOutcome, DeviceCommand
from vpp.messages.forecast import Cause, Forecast, Lags, PriceOutlook, Quantiles, RampOutlook, Skill, Spreads, Verdict
from vpp.messages.order_life import ENDED_STAGES, OrderStage, OrderState
from vpp.messages.plant import AssetStatus, Audit, DeadLetter, LedgerEntry, Setpoint, Trade
from vpp.messages.telemetry import (
    AssetReading,
    Correction,
    Deadline,
    End,
    Observation,
    Promotion,
    Publication,
    Record,
    SlotClosed,
    Values,
)
from vpp.messages.unions import Bids, Forecasts, Message, Raw, Telemetry

__all__ = [
    "DECISION_VERSION",
    "ENDED_STAGES",
    "EPISODES",
    "REFLEXES",
    "ActorBid",
    "Alert",
    "AlertAct",
    "AlertAction",
    "AlertCode",
    "AlertEffect",
    "AssetPlan",
    "AssetReading",
    "AssetSnapshot",
    "AssetStatus",
    "Audit",
    "Bids",
    "Cause",
    "CommandCause",
    "CommandOutcome",
    "Correction",
    "DeadLetter",
    "Deadline",
    "Decision",
    "Decoder",
    "Derating",
    "DeratingCode",
    "DeviceCommand",
    "Duals",
    "End",
    "Engine",
    "Forecast",
    "Forecasts",
    "Lags",
    "LedgerEntry",
    "Message",
    "MissingBid",
    "NoteCode",
    "Notice",
    "NoticeOutcome",
    "Observation",
    "Opinion",
    "Order",
    "OrderStage",
    "OrderState",
    "OrderVerdict",
    "PlanNote",
    "PlanTable",
    "PlantSnapshot",
    "PriceOutlook",
    "Promotion",
    "Publication",
    "PublishedPlan",
    "Quantiles",
    "RampOutlook",
    "Raw",
    "Receipt",
    "Record",
    "Setpoint",
    "SetpointCheck",
    "Severity",
    "Skill",
    "SlotClosed",
    "Spreads",
    "Telemetry",
    "Trade",
    "TraderBid",
    "Values",
    "Verdict",
    "encode",
    "read_decision",
]
