"""Reads decision records of version 1, which have no version field: converts their texts to codes where one exists."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

import msgspec

from vpp.domain import Step
from vpp.messages.decision import Decision

_NO_BID = "no bid came"


def read_form_1(payload: bytes | str) -> Decision | None:
    """Return a decision record of form 1, None if ``payload`` is not one.

    Raises:
        msgspec.ValidationError: It is one, but not whole.
        msgspec.DecodeError: It is not JSON.
    """
    record = msgspec.json.decode(payload)
    if not isinstance(record, dict) or record.get("kind") != "decision" or "version" in record:
        return None
    try:
        return msgspec.convert(_upgraded(record), Decision)
    except (LookupError, TypeError, AttributeError, ValueError, ArithmeticError) as error:
        raise msgspec.ValidationError(f"a decision record of form 1 without {error}") from error


def _upgraded(record: dict[str, Any]) -> dict[str, Any]:
    duals = dict(record.get("duals", {}))
    entries = record.get("verdicts", [])
    return {
        **record,
        "version": 1,
        "missing": [_missing(text) for text in record.get("missing", [])],
        "state": _state(record.get("state", {}), record),
        "verdicts": [_order_verdict(entry) for entry in entries if "order_id" in entry],
        "checks": [entry for entry in entries if "wanted_mw" in entry],
        "notes": [{"code": "words", "detail": entry["note"]} for entry in entries if "note" in entry],
        "costs": duals.pop("costs", {}),
        "duals": duals,
        "plan": _plan(record.get("plan", {})),
    }


def _missing(text: str) -> dict[str, Any]:
    policy, _, reason = text.partition(": ")
    if reason == _NO_BID:
        return {"policy": policy, "cause": "no_bid"}
    return {"policy": policy, "cause": "empty", "detail": reason}


def _order_verdict(entry: Mapping[str, Any]) -> dict[str, Any]:
    content = dict(entry)
    detail = content.pop("reason", None)
    return content if detail is None else {**content, "detail": detail}


def _state(state: Mapping[str, Any], record: Mapping[str, Any]) -> dict[str, Any]:
    content = dict(state)
    observation = content.pop("observation", None)
    if observation is not None and observation.get("values") is not None:
        content["observation"] = observation
    planned = content.pop("planned", None)
    if planned is not None:
        step = _step(record)
        content["previous"] = {
            "starts": [step.start(index) for index in planned["index"]],
            "power_mw": planned["power_mw"],
        }
    return content


def _step(record: Mapping[str, Any]) -> Step:
    slot, for_slot = (msgspec.convert(record[name], type=datetime) for name in ("slot", "for_slot"))
    return Step(round((for_slot - slot).total_seconds() / 60.0))


def _plan(columns: Mapping[str, list[Any]]) -> dict[str, Any] | None:
    if not columns:
        return None
    assets = {name: {"power_mw": values} for name, values in _named(columns, "power_mw:")}
    for name, values in _named(columns, "soc:"):
        assets[name]["soc"] = values
    return {
        **{name: columns[name] for name in ("horizon_min", "net_mw", "price_per_mwh", "grid_mw")},
        "assets": assets,
    }


def _named(columns: Mapping[str, list[Any]], prefix: str) -> Iterable[tuple[str, list[Any]]]:
    return [(name.removeprefix(prefix), values) for name, values in columns.items() if name.startswith(prefix)]
