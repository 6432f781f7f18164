"""A change of a zone holds where it is signed, is a configuration of that zone, and needs no restart."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from agents.orders.zone_change import ACCEPTED, FORGED, audit_id, change_audit, change_digest, changed_zone, sealed
from tests.worlds.builders import T0, ZONE, make_zone
from vpp.errors import MessageError
from vpp.fleet.schema import Limits
from vpp.messages import Decoder, Orders, ZoneChange, encode

KEY = b"k" * 32
PLANT = make_zone()
TIGHTER = PLANT.model_copy(update={"limits": Limits(ramp_limit_mw=3.0, import_cap_mw=80.0)})


def change_to(config: Any = None, **fields: Any) -> ZoneChange:
    config = TIGHTER.model_dump(mode="json") if config is None else config
    return ZoneChange(**{"zone": ZONE, "at": T0, "config": config, "principal": "ops", "reason": "storm", **fields})


def refusal(change: ZoneChange, key: bytes | None = None) -> str:
    with pytest.raises(MessageError) as caught:
        changed_zone(PLANT, change, key)
    return caught.value.reason


def test_a_signed_change_survives_the_wire() -> None:
    arrived = Decoder(Orders)(encode(sealed(change_to(), KEY)), key=ZONE)
    assert changed_zone(PLANT, arrived, KEY) == TIGHTER


def test_without_a_key_nothing_is_signed() -> None:
    change = change_to()
    assert sealed(change, None) is change
    assert changed_zone(PLANT, change, None) == TIGHTER


@pytest.mark.parametrize("field", ["at", "config", "principal", "reason"])
def test_no_part_of_a_signed_change_can_be_altered(field: str) -> None:
    other = {
        "at": T0.replace(year=2023),
        "config": {**TIGHTER.model_dump(mode="json"), "hedge": 0.0},
        "principal": "someone",
        "reason": "none",
    }
    forged = msgspec.structs.replace(sealed(change_to(), KEY), **{field: other[field]})
    assert refusal(forged, KEY) == FORGED


@pytest.mark.parametrize("seal", ["", "ü", "0" * 64])
def test_a_missing_or_wrong_seal_is_refused(seal: str) -> None:
    assert refusal(change_to(seal=seal), KEY) == FORGED


@pytest.mark.parametrize(
    "config",
    [{}, {"zone": ZONE}, {**TIGHTER.model_dump(mode="json"), "hedge": 7}, {**TIGHTER.model_dump(), "zone": "OTHER"}],
)
def test_what_is_no_configuration_of_the_zone_is_refused(config: dict[str, Any]) -> None:
    assert refusal(change_to(config)) == "schema"


def test_what_needs_a_restart_is_refused_with_its_keys() -> None:
    config = {**TIGHTER.model_dump(mode="json"), "step_min": 15, "country": "DE"}
    with pytest.raises(MessageError, match="restart is needed to change country, step_min") as caught:
        changed_zone(PLANT, change_to(config), None)
    assert caught.value.reason == "restart"


def test_the_audit_answers_the_change_by_its_id() -> None:
    change = change_to()
    record = change_audit(sealed(change, KEY), ACCEPTED, "storm")
    assert record.audit_id == audit_id(change)
    assert record.digest == change_digest(change)
    assert (record.zone, record.at, record.principal, record.verdict) == (ZONE, T0, "ops", ACCEPTED)
