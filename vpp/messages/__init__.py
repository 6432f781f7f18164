"""Every message on the wire: JSON objects with a ``kind``, keyed by zone, that read well in ``rpk topic consume``.

Rules of the wire:
    - ``slot`` is the UTC start of a slot; power is positive into the grid; units are in the names.
    - Missing is ``null``; NaN and infinity are not JSON and are refused.
    - The same input gives the same bytes: no wall time, offset or run id outside ``Receipt`` and ``sent_at``.
"""

from vpp.messages.bids import ActorBid, Opinion, Order, TraderBid
from vpp.messages.codec import Decoder, encode
from vpp.messages.forecast import Forecast, PriceOutlook, Quantiles, Skill, Spreads
from vpp.messages.plant import Alert, AssetStatus, Audit, DeadLetter, Decision, LedgerEntry, Receipt, Setpoint, Trade
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
    "ActorBid",
    "Alert",
    "AssetReading",
    "AssetStatus",
    "Audit",
    "Bids",
    "Correction",
    "DeadLetter",
    "Deadline",
    "Decision",
    "Decoder",
    "End",
    "Forecast",
    "Forecasts",
    "LedgerEntry",
    "Message",
    "Observation",
    "Opinion",
    "Order",
    "PriceOutlook",
    "Promotion",
    "Publication",
    "Quantiles",
    "Raw",
    "Receipt",
    "Record",
    "Setpoint",
    "Skill",
    "SlotClosed",
    "Spreads",
    "Telemetry",
    "Trade",
    "TraderBid",
    "Values",
    "encode",
]
