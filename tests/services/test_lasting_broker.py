"""On a broker that remembers, a run does not decide slots again."""

from __future__ import annotations

import json

import pytest

from tests.plant_fixtures import Place

pytestmark = [pytest.mark.services, pytest.mark.slow]

SPAN = ("--zone", "SIM_NORTH", "--no-train", "--to", "2025-06-02T06:00", "--speed", "max", "--until-done", "--json")


def test_decided_slots_are_refused_unless_the_run_has_a_name(kafka_address: str, place: Place) -> None:
    first = place.vpp("up", *SPAN)
    assert first.returncode == 0, first.stderr[-3000:]
    again = place.vpp("up", *SPAN)
    assert again.returncode == 0, again.stderr[-3000:]
    assert "nothing after 2025-06-02T05:30:00Z" in again.stderr
    assert json.loads(again.stdout)["slots"] == 12
    refused = place.vpp("up", *SPAN, "--seed", "1")
    assert refused.returncode == 4, refused.stderr[-3000:]
    assert "--run NAME" in refused.stderr
    other = place.environment["VPP_RUN"] + "-b"
    named = place.vpp("up", *SPAN, "--run", other)
    assert named.returncode == 0, named.stderr[-3000:]
    assert json.loads(named.stdout)["slots"] == json.loads(first.stdout)["slots"] == 12
