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
from vpp.messages.zone_change import ZoneChange

Raw = Observation | Publication | Promotion | Order | ZoneChange | Deadline | End
Telemetry = SlotClosed | Publication | Promotion | Order | ZoneChange | Correction | Inference | End
Forecasts = Forecast | Correction | ZoneChange | End
Bids = ActorBid | TraderBid | Order | ZoneChange | Correction | Deadline | End
Orders = Order | ZoneChange
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
    | ZoneChange
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
