"""Table rows of each message."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from hashlib import blake2b
from typing import Any

import msgspec

from vpp import messages as m
from vpp.domain import FREQUENCY, LOAD, PRICE, QUANTILE_NAMES, SOLAR, WIND, Target
from vpp.store.table import Row, Table
from vpp.store.tables import (
    ALERT_ACTS,
    ALERTS,
    ASSETS,
    AUDIT,
    BIDS,
    COMMANDS,
    DECISIONS,
    DLQ,
    ENDS,
    FORECASTS,
    LEDGER,
    NOTICES,
    ORDER_STATES,
    ORDERS,
    SETPOINTS,
    SKILL,
    TELEMETRY,
    TRADES,
)

_NO_RAMPS: list[list[float]] = [[]] * 7


def _json(value: Any) -> str:
    return msgspec.json.encode(value, order="sorted").decode()


def _telemetry(msg: m.SlotClosed | m.Correction) -> Iterator[Row]:
    v = msg.values
    # A correction names only what changed: the JSON columns keep the slot as it closed.
    quality, values = (_json(msg.quality), _json(v)) if isinstance(msg, m.SlotClosed) else (None, None)
    revision = msg.revision if isinstance(msg, m.Correction) else 0
    yield (
        msg.zone,
        msg.slot,
        v.get(LOAD),
        v.get(SOLAR),
        v.get(WIND),
        msg.net_load_mw,
        v.get(PRICE),
        v.get(FREQUENCY),
        quality,
        values,
        revision,
    )


def _forecasts(msg: m.Forecast) -> Iterator[Row]:
    for target in Target:
        curves: m.Quantiles | None = getattr(msg, target.value)
        if curves is None:
            continue
        columns = [*(curves.level(name) for name in QUANTILE_NAMES), curves.expected]
        ramps = _ramp_columns(msg.ramps) if target is Target.NET_LOAD else _NO_RAMPS
        for i, horizon in enumerate(msg.horizon_min):
            yield (
                msg.zone,
                msg.slot,
                horizon,
                target.value,
                *(column[i] for column in columns),
                *(column[i] if column else None for column in ramps),
                curves.source,
                curves.model_id,
            )


def _ramp_columns(ramps: m.RampOutlook | None) -> list[list[float]]:
    if ramps is None:
        return _NO_RAMPS
    large = [ramps.large_mw, ramps.p_rise, ramps.p_fall]
    return [*large, ramps.step_q10_mw, ramps.step_mw, ramps.step_q90_mw, ramps.p_limit]


def _bid(msg: m.ActorBid | m.TraderBid) -> Iterator[Row]:
    yield (msg.zone, msg.slot, msg.policy, msg.source, msg.model_id, msg.reason, _json(msg))


def _decision(msg: m.Decision) -> Iterator[Row]:
    body = msgspec.structs.replace(msg, receipt=m.Receipt())
    yield (
        msg.zone,
        msg.slot,
        msg.for_slot,
        msg.decision_id,
        msg.revision,
        str(msg.engine),
        msg.objective,
        msg.binding,
        _json(body),
    )


def _plain(*names: str) -> Callable[[Any], Iterator[Row]]:
    def rows(msg: Any) -> Iterator[Row]:
        yield tuple(getattr(msg, name) for name in names)

    return rows


def _setpoint(msg: m.Setpoint) -> Iterator[Row]:
    yield (
        msg.zone,
        msg.slot,
        msg.asset_id,
        msg.power_mw,
        msg.decision_id,
        msg.reason,
        _json(msg.curve),
        msg.revision,
    )


def _skill(msg: m.Skill) -> Iterator[Row]:
    scores = (msg.horizon_min, msg.n, msg.mae, msg.mae_persistence, msg.pinball, msg.coverage_90)
    for row in zip(*scores, strict=True):
        yield (msg.zone, msg.slot, msg.target, *row)


def _alert(msg: m.Alert) -> Iterator[Row]:
    yield (
        msg.zone,
        msg.slot,
        msg.alert_id,
        msg.severity,
        msg.topic,
        msg.text,
        _json(msg.values),
        msg.code.value,
        msg.channel,
        msg.asset_id,
        msg.effect.value,
        msg.ended_at,
        _json(msg.also),
    )


def _alert_act(msg: m.AlertAct) -> Iterator[Row]:
    code = None if msg.code is None else msg.code.value
    yield (
        msg.zone,
        msg.at,
        msg.act_id,
        msg.action.value,
        msg.principal,
        msg.reason,
        msg.alert_id,
        code,
        msg.asset_id,
        msg.channel,
        msg.until,
        msg.since,
    )


def _order(msg: m.Order) -> Iterator[Row]:
    # Asked for and admitted, an order has the same body, so it does not matter which of the two is written last.
    yield (
        msg.zone,
        msg.issued_at,
        msg.order_id,
        msg.action,
        msg.principal,
        msg.verdict,
        msg.verdict_reason,
        _json(m.unjudged(msg)),
        m.unjudged_digest(msg),
        msg.admission,
    )


def _audit(msg: m.Audit) -> Iterator[Row]:
    hashed = blake2b(m.encode(msg), digest_size=16).hexdigest()
    yield (msg.zone, msg.at, msg.audit_id, msg.principal, msg.action, msg.verdict, msg.detail, msg.digest, hashed)


def _order_state(msg: m.OrderState) -> Iterator[Row]:
    yield (
        msg.zone,
        msg.at,
        msg.order_id,
        msg.stage.value,
        msg.number,
        msg.reason,
        msg.decision_id,
        msg.moved_mwh,
        msg.lost,
    )


_ROWS: dict[type, tuple[Table, Callable[[Any], Iterator[Row]]]] = {
    m.SlotClosed: (TELEMETRY, _telemetry),
    m.Forecast: (FORECASTS, _forecasts),
    m.ActorBid: (BIDS, _bid),
    m.TraderBid: (BIDS, _bid),
    m.Setpoint: (SETPOINTS, _setpoint),
    m.AssetStatus: (ASSETS, _plain(*ASSETS.names)),
    m.LedgerEntry: (LEDGER, _plain(*LEDGER.names)),
    m.Trade: (TRADES, _plain(*TRADES.names)),
    m.Decision: (DECISIONS, _decision),
    m.Alert: (ALERTS, _alert),
    m.AlertAct: (ALERT_ACTS, _alert_act),
    m.Notice: (NOTICES, _plain(*NOTICES.names)),
    m.Skill: (SKILL, _skill),
    m.Order: (ORDERS, _order),
    m.OrderState: (ORDER_STATES, _order_state),
    m.Audit: (AUDIT, _audit),
    m.DeviceCommand: (COMMANDS, _plain(*COMMANDS.names)),
}


def rows_of(message: m.Message, topic: str, seen_at: datetime) -> Iterator[tuple[Table, Row]]:
    """Yield the table rows that a message of ``topic`` (short name) leaves in the store.

    A warm-up slot, an observation, publication, promotion or deadline leaves none. A correction is yielded as a
    ``telemetry`` row whose empty columns must keep the stored values (see ``Store.write``).

    Args:
        message: The decoded message.
        topic: Short topic name; what is forwarded counts only where it belongs: a correction on
            ``telemetry``, an order anywhere else, since whoever writes raw telemetry may forge one.
        seen_at: Broker time of the record, used where the message has no other time.
    """
    if isinstance(message, m.End):
        yield ENDS, (message.zone, seen_at, topic, message.producer, message.last_slot)
        return
    if isinstance(message, m.DeadLetter):
        yield (
            DLQ,
            (
                message.zone,
                seen_at,
                message.topic,
                message.partition,
                message.offset,
                message.reason,
                message.detail,
                message.raw,
            ),
        )
        return
    if isinstance(message, m.Correction):
        if topic == "telemetry":
            yield from ((TELEMETRY, row) for row in _telemetry(message))
        return
    if isinstance(message, m.Order) and topic == "telemetry":
        return
    if isinstance(message, m.SlotClosed) and message.history:
        return
    entry = _ROWS.get(type(message))
    if entry is not None:
        table, make = entry
        yield from ((table, row) for row in make(message))
