"""The power scale of a zone: the resolution of its power, and the share below which a power counts as zero.

No module decides or rounds by a fixed number of MW. A home of 5 kW and a region of 50 GW run through the same code and
keep the same relative resolution.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

_PLACES = 6
_PLACES_OF_ERRORS = 2


@dataclass(frozen=True, slots=True)
class PowerScale:
    """A reference power and what follows from it.

    Attributes:
        reference_mw: Reference power of the site or region, MW, above 0.
        decimals: Decimals to which power in MW is written: six places below the leading digit of ``reference_mw``, so
            a step is at most a millionth of it. 100 MW gives 4 decimals (100 W), 5 kW gives 9.
    """

    reference_mw: float
    decimals: int

    @staticmethod
    @lru_cache(maxsize=4096)
    def of(reference_mw: float) -> PowerScale:
        """Return the scale of a reference power.

        Args:
            reference_mw: Power in MW, above 0 and finite.
        """
        return PowerScale(reference_mw, _PLACES - math.floor(math.log10(reference_mw)))

    @property
    def forecast_decimals(self) -> int:
        """Decimals to which a forecast of power is written: a step is at most a ten-thousandth of ``reference_mw``.

        The best forecasts err by a hundred times as much.
        """
        return self.decimals - _PLACES_OF_ERRORS

    def rounded(self, power_mw: float) -> float:
        """Return a power in MW rounded to the decimals of the scale."""
        return float(round(power_mw, self.decimals))

    def money(self, amount: float) -> float:
        """Return money rounded to the decimals of the scale: what energy is rounded to, at 1 per MWh."""
        return float(round(amount, self.decimals)) + 0.0

    def share(self, share: float) -> float:
        """Return this share (0-1) of the reference power, in MW."""
        return self.reference_mw * share


_LEAST_SHARE = 1e-6
_UNITS = ((1e3, "GW", 1e-3), (1.0, "MW", 1.0), (1e-3, "kW", 1e3))


def power_unit(size_mw: float) -> tuple[str, float]:
    """Return the unit in which powers of this size are read (W, kW, MW or GW), and how many of it are one MW."""
    return next(((unit, factor) for least, unit, factor in _UNITS if abs(size_mw) >= least), ("W", 1e6))


def significant(value: float) -> float:
    """Return a value with six significant digits.

    >>> significant(0.00031234567), significant(41234.5678)
    (0.000312346, 41234.6)
    """
    return float(f"{value:.6g}")


def money_text(amount: float) -> str:
    """Return a size of money as a person reads it: cents, or two digits of less than a tenth.

    >>> money_text(-1234.5), money_text(0.0042), money_text(0.0)
    ('1,234.50', '0.0042', '0.00')
    """
    size = abs(amount)
    places = 2 if size >= 0.1 or size == 0.0 else 1 - math.floor(math.log10(size))
    return f"{size:,.{places}f}"


def energy_text(energy_mwh: float, reference_mw: float | None = None) -> str:
    """Return an energy as a person reads it, in Wh, kWh, MWh or GWh with four significant digits.

    ``reference_mw`` chooses the unit as in ``power_text``.
    """
    return f"{power_text(energy_mwh, reference_mw)}h"


def power_text(power_mw: float, reference_mw: float | None = None, *, signed: bool = False) -> str:
    """Return a power as a person reads it, in W, kW, MW or GW with four significant digits; zero is ``0 MW``.

    Args:
        power_mw: Power in MW.
        reference_mw: Power that chooses the unit, so the powers of one table or screen share it; None: the power
            itself. A power from a millionth of it that would read as 0 in that unit has its own unit.
        signed: Whether a power into the grid gets a plus sign.
    """
    if not math.isfinite(power_mw):
        return f"{power_mw:g} MW"
    size = abs(power_mw if reference_mw is None else reference_mw) or 1.0
    unit, factor = power_unit(size)
    text = _digits(power_mw * factor)
    if text == "0" and reference_mw is not None and abs(power_mw) >= _LEAST_SHARE * abs(reference_mw) > 0.0:
        return power_text(power_mw, signed=signed)
    return f"{'+' if signed and power_mw > 0 and text != '0' else ''}{text} {unit}"


def _digits(value: float) -> str:
    decimals = 3 if value == 0.0 else max(0, min(3, 3 - math.floor(math.log10(abs(value)))))
    text = f"{value:,.{decimals}f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text == "-0" else text
