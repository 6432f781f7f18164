"""Offers of a trader: power in the next slot as a function of price and stored energy, and the curve for the market.

``W(e)`` is the value of e MWh in store after the slot, concave. At price p the battery charges while
``W'(e) eta_c > p`` and discharges while ``W'(e) / eta_d + wear < p``. The price used may lie between the expected
and the observed price: ``expected + trust (observed - expected)``; a fixed offer uses only the expected price.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vpp.numerics import storage_dp
from vpp.numerics.arrays import Floats
from vpp.numerics.storage_dp import Cell

BLOCKS = 10
"""Steps of a curve for charge and for discharge; markets accept 20 bands from a battery that bids both."""


def acted_on_per_mwh(expected_per_mwh: float, price_per_mwh: float, trust: float, *, fixed: bool) -> float:
    """Return the price per MWh that an offer uses.

    Args:
        expected_per_mwh: Expected price of the slot.
        price_per_mwh: The price that is observed.
        trust: Weight of the observed price: ``used = expected + trust (observed - expected)``.
        fixed: Whether the offer uses only the expected price.
    """
    observed_per_mwh = expected_per_mwh if fixed else price_per_mwh
    return expected_per_mwh + trust * (observed_per_mwh - expected_per_mwh)


@dataclass(frozen=True, slots=True)
class Offer:
    """One expert's offer of the next slot, per MW of power.

    ``value``: value of stored energy after the slot, per grid point, concave. ``expected_per_mwh``: expected price of
    the slot. ``trust``: weight of the observed price, above 0. ``fixed``: only the expected price is used.
    """

    value: Floats
    expected_per_mwh: float
    trust: float
    fixed: bool

    def move(self, price_per_mwh: float, hours: float, stored_mwh: float, cell: Cell) -> float:
        """Return the stored energy after the slot at an observed price; without a price (NaN) it does not change.

        Args:
            price_per_mwh: Observed price, NaN if missing.
            hours: Length of the slot.
            stored_mwh: Energy in store at the start.
            cell: Grid spacing, efficiencies and wear of the battery.
        """
        acted_on = acted_on_per_mwh(self.expected_per_mwh, price_per_mwh, self.trust, fixed=self.fixed)
        return float(storage_dp.move_to(self.value, acted_on, hours, stored_mwh / cell[0], cell) * cell[0])

    def curve(self, hours: float, stored_mwh: float, cell: Cell) -> list[tuple[float, float]]:
        """Return the offer as rising (price from, share of power) bands, at most ``2 * BLOCKS + 1``.

        The first band charges as much as possible; each block of energy is offered at the value of its middle.
        """
        spacing, gain, loss, wear = cell
        if self.fixed:
            moved = self.move(self.expected_per_mwh, hours, stored_mwh, cell) - stored_mwh
            return [(-np.inf, float(-(moved / gain if moved > 0 else moved * loss) / hours))]
        room = min(hours * gain, spacing * (len(self.value) - 1) - stored_mwh)
        stock = min(hours / loss, stored_mwh)
        parts = (np.arange(BLOCKS) + 0.5) / BLOCKS
        buy = self._seen(self._slopes(stored_mwh + room * parts, spacing) * gain)
        sell = self._seen(self._slopes(stored_mwh - stock * parts, spacing) / loss + wear)
        sell = np.maximum(sell, buy[0])
        shares = np.arange(1, BLOCKS + 1) / BLOCKS
        into, out = room / gain / hours, stock * loss / hours
        bands = [(-np.inf, -into)]
        bands += [(float(p), float(-into * (1.0 - s))) for p, s in zip(buy[::-1], shares, strict=True)]
        bands += [(float(p), float(out * s)) for p, s in zip(sell, shares, strict=True)]
        return _merged(bands)

    def _slopes(self, stored_mwh: Floats, spacing: float) -> Floats:
        """Return the value of one more MWh at the given energies, not increasing with energy."""
        steps = np.minimum.accumulate(np.diff(self.value)) / spacing
        index = np.clip((stored_mwh / spacing).astype(np.int64), 0, len(steps) - 1)
        return np.asarray(steps[index])

    def _seen(self, acted_on: Floats) -> Floats:
        """Return the observed prices that correspond to the prices used."""
        return self.expected_per_mwh + (acted_on - self.expected_per_mwh) / self.trust


@dataclass(frozen=True, slots=True)
class Offers:
    """Offers of the next slot with their shares, which sum to 1; the action is the weighted mean of their actions."""

    parts: tuple[tuple[float, Offer], ...]
    cell: Cell

    @property
    def expected_per_mwh(self) -> float:
        """Expected price of the slot."""
        return sum(share * part.expected_per_mwh for share, part in self.parts)

    def move(self, price_per_mwh: float, hours: float, stored_mwh: float) -> float:
        """Return the stored energy after the slot at an observed price; NaN: it does not change."""
        if np.isnan(price_per_mwh):
            return stored_mwh
        return sum(share * part.move(price_per_mwh, hours, stored_mwh, self.cell) for share, part in self.parts)

    def curve(self, hours: float, stored_mwh: float) -> list[tuple[float, float]]:
        """Return the common curve of all offers: rising (price from, share of power) bands."""
        curves = [(share, part.curve(hours, stored_mwh, self.cell)) for share, part in self.parts]
        prices = sorted({price for _, curve in curves for price, _ in curve})
        return _merged([(p, sum(share * cleared_share(curve, p) for share, curve in curves)) for p in prices])

    def cleared(self, price_per_mwh: float, hours: float, stored_mwh: float) -> float:
        """Return the stored energy after the slot with the curve cleared at a price; NaN: it does not change.

        Args:
            price_per_mwh: Price at which the curve is cleared.
            hours: Length of the slot.
            stored_mwh: Energy above the lower bound before it, per MW of power.
        """
        if np.isnan(price_per_mwh):
            return stored_mwh
        spacing, gain, loss, _ = self.cell
        energy = cleared_share(self.curve(hours, stored_mwh), price_per_mwh) * hours
        moved = -energy / loss if energy > 0 else -energy * gain
        return min(max(stored_mwh + moved, 0.0), spacing * (len(self.parts[0][1].value) - 1))


def cleared_share(curve: list[tuple[float, float]], price_per_mwh: float) -> float:
    """Return the share of power that a curve gives at a price: that of the last band that begins at or below it."""
    share = 0.0
    for price, band_share in curve:
        if price > price_per_mwh:
            break
        share = band_share
    return share


def scaled(value: Floats, spread: float) -> Floats:
    """Return the value with its slopes nearer to their mean (``spread`` below 1) or farther from it (above 1)."""
    line = np.arange(len(value)) * ((value[-1] - value[0]) / (len(value) - 1)) + value[0]
    line[-1] = value[-1]  # same result as numpy.linspace in a tenth of the time
    return np.asarray(line + spread * (value - line))


def from_slopes(slopes: Floats, points: int, spacing: float) -> Floats:
    """Return the value on a grid from opportunity values at equal steps of SoC, lowest first, made non-increasing."""
    falling = np.minimum.accumulate(slopes)
    middles = (np.arange(points - 1) + 0.5) / (points - 1) * (len(falling) - 1)
    steps = np.interp(middles, np.arange(len(falling)), falling) * spacing
    return np.concatenate([[0.0], np.cumsum(steps)])


def _merged(bands: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Return the bands without those that another replaces at the same price or that change nothing."""
    out: list[tuple[float, float]] = []
    for price, share in bands:
        if out and share <= out[-1][1] + 1e-12:
            continue
        if out and price <= out[-1][0]:
            out[-1] = (out[-1][0], share)
        else:
            out.append((price, share))
    return out
