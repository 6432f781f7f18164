"""A drill needs a running plant, and says so where there is none."""

from __future__ import annotations

import pytest

from tests.plant_fixtures import Place

pytestmark = [pytest.mark.e2e, pytest.mark.slow]


def test_a_drill_without_a_plant_says_so(place: Place) -> None:
    done = place.vpp("redteam", "--live", "replay")
    assert done.returncode != 0
    assert "vpp up" in done.stderr
