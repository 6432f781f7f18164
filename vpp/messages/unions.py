"""The message types of each topic."""

from __future__ import annotations

from vpp.messages.alert_acts import AlertAct, Notice
from vpp.messages.alerts import Alert
from vpp.messages.bids import ActorBid, Order, TraderBid
from vpp.messages.decision import Decision
from vpp.messages.devices import DeviceCommand
from vpp.messages.forecast import Forecast, Skill
from vpp.messages.inference import FeatureRow, Inference
from vpp.messages.order_life import OrderState
from vpp.messages.plant import AssetStatus, Audit, DeadLetter, LedgerEntry, Setpoint, Trade
from vpp.messages.telemetry import Correction, Deadline, End, Observation, Promotion, Publication, SlotClosed

Raw = Observation | Publication | Promotion | Order | Deadline | End
Telemetry = SlotClosed | Publication | Promotion | Order | Correction | Inference | End
Forecasts = Forecast | Correction | End
Bids = ActorBid | TraderBid | Order | Correction | Deadline | End
Message = (
    Observation
    | Publication
    | Promotion
    | Deadline
    | End
    | SlotClosed
    | Correction
    | FeatureRow
    | Inference
    | Forecast
    | Skill
    | ActorBid
    | TraderBid
    | Order
    | OrderState
    | Setpoint
    | AssetStatus
    | LedgerEntry
    | Trade
    | Decision
    | Alert
    | AlertAct
    | Notice
    | DeadLetter
    | Audit
    | DeviceCommand
)
