"""A change of a zone holds where it is signed, is a configuration of that zone, and needs no restart."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import msgspec
import pytest

from agents.orders.zone_change import (
    ACCEPTED,
    ADMITTED_LIFE,
    FORGED,
    LIFE,
    OPEN_AUTHORITY,
    ChangeAuthority,
    audit_id,
    change_audit,
    change_digest,
    changed_zone,
    sealed,
)
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


AUTHORITY = ChangeAuthority("winter", KEY)
SECOND = timedelta(seconds=1)


def reason_of(change: ZoneChange, at: datetime | None = T0, *, authority: ChangeAuthority = AUTHORITY) -> str:
    """Return why admission refuses a change that is appended at ``at``."""
    with pytest.raises(MessageError) as caught:
        authority.check_request(change, at)
    return caught.value.reason


def request(**fields: Any) -> ZoneChange:
    return sealed(change_to(run="winter", **fields), KEY)


def test_a_signed_change_survives_the_wire() -> None:
    arrived = Decoder(Orders)(encode(request()), key=ZONE)
    AUTHORITY.check_request(arrived, T0 + LIFE)
    admitted = Decoder(Orders)(encode(AUTHORITY.admit(arrived)), key=ZONE)
    AUTHORITY.check_admitted(admitted, T0 + ADMITTED_LIFE)
    assert changed_zone(PLANT, admitted) == TIGHTER


def test_without_a_key_nothing_is_signed() -> None:
    change = change_to()
    assert sealed(change, None) is change
    assert OPEN_AUTHORITY.admit(change) is change
    OPEN_AUTHORITY.check_request(change, T0)
    OPEN_AUTHORITY.check_admitted(change, T0)


@pytest.mark.parametrize("field", ["at", "config", "principal", "reason", "run"])
def test_no_part_of_a_signed_change_can_be_altered(field: str) -> None:
    other = {
        "at": T0.replace(year=2023),
        "config": {**TIGHTER.model_dump(mode="json"), "hedge": 0.0},
        "principal": "someone",
        "reason": "none",
        "run": "",
    }
    forged = msgspec.structs.replace(AUTHORITY.admit(request()), **{field: other[field]})
    assert reason_of(forged) == FORGED
    with pytest.raises(MessageError, match="did not sign"):
        AUTHORITY.check_admitted(forged, T0)


@pytest.mark.parametrize("seal", ["", "ü", "0" * 64])
def test_a_missing_or_wrong_seal_is_refused(seal: str) -> None:
    assert reason_of(change_to(run="winter", seal=seal)) == FORGED


def test_the_seal_of_who_asks_is_no_signature_of_admission() -> None:
    change = request()
    with pytest.raises(MessageError, match="did not sign"):
        AUTHORITY.check_admitted(msgspec.structs.replace(change, admission=change.seal), T0)


@pytest.mark.parametrize("authority", [ChangeAuthority("summer", KEY), ChangeAuthority("summer"), OPEN_AUTHORITY])
def test_a_recorded_change_does_not_hold_in_another_run(authority: ChangeAuthority) -> None:
    admitted = AUTHORITY.admit(request())
    assert reason_of(admitted, authority=authority) == "run"
    with pytest.raises(MessageError) as caught:
        authority.check_admitted(admitted, T0)
    assert caught.value.reason == "run"


@pytest.mark.parametrize("authority", [AUTHORITY, ChangeAuthority("winter")])
def test_a_recorded_change_does_not_hold_later_nor_one_of_a_wrong_clock(authority: ChangeAuthority) -> None:
    admitted = AUTHORITY.admit(request())
    assert reason_of(admitted, T0 + LIFE + SECOND, authority=authority) == "expired"
    assert reason_of(admitted, T0 - timedelta(minutes=2), authority=authority) == "future"
    with pytest.raises(MessageError, match="no longer holds"):
        authority.check_admitted(admitted, T0 + ADMITTED_LIFE + SECOND)


def refusal(change: ZoneChange) -> str:
    with pytest.raises(MessageError) as caught:
        changed_zone(PLANT, change)
    return caught.value.reason


@pytest.mark.parametrize(
    "config",
    [{}, {"zone": ZONE}, {**TIGHTER.model_dump(mode="json"), "hedge": 7}, {**TIGHTER.model_dump(), "zone": "OTHER"}],
)
def test_what_is_no_configuration_of_the_zone_is_refused(config: dict[str, Any]) -> None:
    assert refusal(change_to(config)) == "schema"


def test_what_needs_a_restart_is_refused_with_its_keys() -> None:
    config = {**TIGHTER.model_dump(mode="json"), "step_min": 15, "country": "DE"}
    with pytest.raises(MessageError, match="restart is needed to change country, step_min") as caught:
        changed_zone(PLANT, change_to(config))
    assert caught.value.reason == "restart"


def test_the_audit_answers_the_change_by_its_id() -> None:
    change = sealed(change_to(), KEY)
    record = change_audit(AUTHORITY.admit(change), ACCEPTED, "storm")
    assert record.audit_id == audit_id(change)
    assert record.digest == change_digest(change_to())
    assert (record.zone, record.at, record.principal, record.verdict) == (ZONE, T0, "ops", ACCEPTED)


@pytest.mark.parametrize("seal", ["", "0" * 64])
def test_a_refused_copy_with_another_seal_is_no_answer_to_the_change(seal: str) -> None:
    change = request()
    assert audit_id(msgspec.structs.replace(change, seal=seal)) != audit_id(change)
