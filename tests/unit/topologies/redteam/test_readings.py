"""Forged readings of batteries and prices: gross ones are found at once, those within tolerance are not claimed."""

from __future__ import annotations

import numpy as np
import pytest

from tests.worlds.builders import make_zone
from topologies.redteam.readings import READINGS, minutes_to_find

ZONE = make_zone()
PRICES = 80.0 + 30.0 * np.sin(np.arange(200) / 8.0)


@pytest.mark.parametrize(
    ("name", "least", "most"),
    [
        ("soc 5 %", 0.0, 0.0),
        ("soc 15 %", 0.7, 1.0),
        ("soc 30 %", 0.9, 1.0),
        ("soc freeze", 0.9, 1.0),
        ("price x 2", 0.0, 0.0),
    ],
)
def test_the_share_that_is_found(name: str, least: float, most: float) -> None:
    attack = next(attack for attack in READINGS if attack.name == name)
    minutes = minutes_to_find(attack, ZONE, PRICES, 12, 40, 0)
    assert minutes.size == 40
    assert least <= np.isfinite(minutes).mean() <= most
    np.testing.assert_array_equal(minutes, minutes_to_find(attack, ZONE, PRICES, 12, 40, 0))


def test_a_zone_without_battery_or_price_has_no_such_rows() -> None:
    bare = ZONE.model_copy(update={"assets": ()})
    assert [minutes_to_find(attack, bare, np.empty(0), 12, 5, 0).size for attack in READINGS] == [0] * len(READINGS)
