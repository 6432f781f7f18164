"""Units of source columns: factors, and recognition in cells and column names."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache

from vpp.domain import PRICE
from vpp.files.cells.availability import DAY_AHEAD_MARK

UNITS: dict[str, tuple[float, float]] = {
    "W": (1e-6, 0.0),
    "kW": (1e-3, 0.0),
    "MW": (1.0, 0.0),
    "GW": (1e3, 0.0),
    "Wh": (1e-6, 0.0),
    "kWh": (1e-3, 0.0),
    "MWh": (1.0, 0.0),
    "GWh": (1e3, 0.0),
    "per_MWh": (1.0, 0.0),
    "per_kWh": (1e3, 0.0),
    "ct_per_kWh": (10.0, 0.0),
    "percent": (1e-2, 0.0),
    "fraction": (1.0, 0.0),
    "Hz": (1.0, 0.0),
    "mHz": (1e-3, 0.0),
    "degC": (1.0, 0.0),
    "degF": (5.0 / 9.0, -160.0 / 9.0),
    "K": (1.0, -273.15),
    "kmh": (1.0, 0.0),
    "m_per_s": (3.6, 0.0),
    "W_per_m2": (1.0, 0.0),
}
"""Unit of a source column to (factor, offset): canonical value = factor * value + offset."""

_KINDS = (
    ("W", "kW", "MW", "GW", "Wh", "kWh", "MWh", "GWh"),
    ("per_MWh", "per_kWh", "ct_per_kWh"),
    ("percent", "fraction"),
    ("Hz", "mHz"),
    ("degC", "degF", "K"),
    ("kmh", "m_per_s"),
    ("W_per_m2",),
)
"""Units that are converted into each other."""

ENERGY_UNITS = frozenset({"Wh", "kWh", "MWh", "GWh"})
"""Units of energy per row: the value is divided by the length of its row, which gives mean power in MW."""

_CURRENCY = r"(?:[€$£¥₹]|a\$|eur|usd|gbp|aud|nzd|cad|chf|sek|nok|dkk|pln|czk|huf|ron|jpy|inr)"
_CENT = r"(?:eurocents?|cents?|ct|c|p|pence|penny|[öøo]re|groszy|grosz|gr|hal[eé]r[uů]?|paise|sen|fils|rappen|rp)"
_IN_CELLS = {
    "per_MWh": rf"{_CURRENCY}?\s*(?:/|per\s)\s*mwh|{_CURRENCY}",
    "per_kWh": rf"{_CURRENCY}?\s*(?:/|per\s)\s*kwh",
    "ct_per_kWh": rf"{_CENT}\s*(?:(?:/|per\s)\s*kwh)?",
    "percent": r"%|percent|pct",
    "degC": r"°\s*c|degc",
    "degF": r"°\s*f|degf",
    "kmh": r"km/h|kmh",
    "m_per_s": r"m/s",
    "W_per_m2": r"w/m[2²]",
}
_BY_END = (("_per_mwh", "per_MWh"), ("_mw", "MW"), ("_hz", "Hz"), ("_c", "degC"), ("_kmh", "kmh"), ("_wm2", "W_per_m2"))

POWER_UNITS = {"w": "W", "kw": "kW", "mw": "MW", "gw": "GW", "wh": "Wh", "kwh": "kWh", "mwh": "MWh", "gwh": "GWh"}
TEMPERATURE_UNITS = {
    "c": "degC",
    "degc": "degC",
    "celsius": "degC",
    "f": "degF",
    "degf": "degF",
    "fahrenheit": "degF",
    "k": "K",
    "kelvin": "K",
}
_NAME = re.compile(
    rf"(?P<power>load|solar|wind|\w+{DAY_AHEAD_MARK.removesuffix('_')})_(?P<of_power>{'|'.join(POWER_UNITS)})"
    rf"|price_(?:(?P<cent>{_CENT})_|[a-z]{{3}}_)?(?:per_)?(?P<of_price>[km]wh)"
    rf"|temperature_(?P<of_temperature>{'|'.join(TEMPERATURE_UNITS)})"
    r"|frequency_(?P<of_frequency>m?hz)"
)
_SIGNS = (("€", "eur"), ("£", "gbp"), ("$", "usd"), ("°", ""), ("ö", "o"), ("ø", "o"), ("é", "e"), ("ů", "u"))
_FOREIGN = r"\b(?:twh?|[mkg]?va|[mk]?varh?|hp|ps|btu|mmbtu|[kmg]j|therms?|kcal|(?:eur|usd|gbp|price|per) (?:[gt]?wh))\b"
"""Units of power, energy and price that nothing converts."""
_CENT_WORD = re.compile(_CENT)


def unit_of_channel(channel: str) -> str | None:
    """Return the unit that the end of a canonical channel's name states, None if it states none."""
    return next((unit for end, unit in _BY_END if channel.endswith(end)), None)


def units_like(unit: str) -> tuple[str, ...]:
    """Return the units of the same quantity.

    >>> units_like("degC")
    ('degC', 'degF', 'K')
    """
    return next(kind for kind in _KINDS if unit in kind)


def without_unit(cell: str, unit: str) -> str | None:
    """Return a cell without the unit that it carries, None if it carries none or another.

    >>> without_unit("1.5 MW", "MW"), without_unit("€40", "per_MWh"), without_unit("1.5 kW", "MW")
    ('1.5', '40', None)
    """
    match = _written(unit).fullmatch(cell.strip())
    return None if match is None else (match["behind"] or match["before"]).strip()


def unit_in_cells(cells: Iterable[str], channel: str) -> str | None:
    """Return the one unit that the cells of a channel carry, None where they carry none or several.

    >>> unit_in_cells(["3,5 kW", "", "4"], "load_mw"), unit_in_cells(["3.5 kW", "1 MW"], "load_mw")
    ('kW', None)
    """
    own_unit = unit_of_channel(channel)
    like = units_like(own_unit) if own_unit is not None else ()
    named = {unit for cell in cells for unit in like if without_unit(cell, unit) is not None}
    return named.pop() if len(named) == 1 else None


def named_unit(column: str) -> tuple[str, str] | None:
    """Return the channel and the unit that a column's name states, None if it states none.

    Only quantities of the canonical shape are read: ``load_kw``, ``Solar (W)``, ``wind_forecast_da_gw``,
    ``price_ct_kwh``, ``temperature_f``.

    >>> named_unit("Load [kW]"), named_unit("price (EUR/MWh)"), named_unit("demand_kw")
    (('load_mw', 'kW'), ('price_per_mwh', 'per_MWh'), None)
    """
    plain = column.casefold()
    for sign, word in _SIGNS:
        plain = plain.replace(sign, word)
    match = _NAME.fullmatch(re.sub(r"[^a-z0-9]+", "_", plain).strip("_"))
    if match is None:
        return None
    if match["of_power"] is not None:
        return f"{match['power']}_mw", POWER_UNITS[match["of_power"]]
    if match["of_price"] is not None:
        energy_unit = "per_MWh" if match["of_price"] == "mwh" else "per_kWh"
        if match["cent"] is not None:
            return (PRICE, "ct_per_kWh") if match["of_price"] == "kwh" else None
        return PRICE, energy_unit
    if match["of_temperature"] is not None:
        return "temperature_c", TEMPERATURE_UNITS[match["of_temperature"]]
    return "frequency_hz", "Hz" if match["of_frequency"] == "hz" else "mHz"


def unit_of_price(column: str) -> str | None:
    """Return the unit of a price that a column's name states, None if it states none (then it is per MWh).

    >>> unit_of_price("Spotpris (öre/kWh)"), unit_of_price("Tariff $/kWh"), unit_of_price("mills per kWh")
    ('ct_per_kWh', 'per_kWh', 'per_MWh')
    """
    words = re.findall(r"[^\W\d_]+", column.casefold())
    if "kwh" not in words:
        return None
    if "mill" in words or "mills" in words:
        return "per_MWh"
    return "ct_per_kWh" if any(_CENT_WORD.fullmatch(word) for word in words) else "per_kWh"


def foreign_unit(column: str) -> str | None:
    """Return the word of a column's name that is a unit which nothing converts, None if it has none.

    >>> foreign_unit("Load (MVA)"), foreign_unit("Price per GWh"), foreign_unit("Load (GW)")
    ('mva', 'per gwh', None)
    """
    plain = " ".join(re.findall(r"[^\W\d_]+", column.casefold()))
    match = re.search(_FOREIGN, plain)
    return None if match is None else match[0]


@cache
def _written(unit: str) -> re.Pattern[str]:
    mark = _IN_CELLS.get(unit, re.escape(unit))
    number = r"[-+\u2212.,'\u2019\u066b\u066c\d\s]+(?:e[+-]?\d+)?"
    return re.compile(rf"(?P<behind>{number})\s*(?:{mark})|(?:{mark})\s*(?P<before>{number})", re.IGNORECASE)
