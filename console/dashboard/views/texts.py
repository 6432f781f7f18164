"""Texts and number formats of the page."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from vpp.fleet.scale import power_unit


def source_words(source: str) -> str:
    """Return the display name of a forecast's source: the model, or a fallback by its name.

    >>> source_words("model"), source_words("fallback_profile")
    ('model', 'profile fallback')
    """
    return source if source == "model" else f"{source.removeprefix('fallback_').replace('_', ' ')} fallback"


def short_times(text: str, near: datetime) -> str:
    """Return a text with its UTC times as people read them: the hour, and the day where it is not that of ``near``.

    >>> from datetime import UTC
    >>> near = datetime(2025, 6, 3, tzinfo=UTC)
    >>> short_times("none since 2025-06-03T06:30:00Z, or 2025-06-02T23:00:00Z", near)
    'none since 06:30, or 23:00 on 2 Jun'
    """

    def short(match: re.Match[str]) -> str:
        at = datetime.fromisoformat(match[0])
        return f"{at:%H:%M}" if at.date() == near.date() else f"{at:%H:%M} on {at.day} {at:%b}"

    return re.sub(r"\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?Z", short, text)


def signed(value: float, digits: int = 1) -> str:
    """Return a number with its sign, a true minus, and no sign at zero.

    >>> signed(-0.04), signed(8.0), signed(-1234.5)
    ('0.0', '+8.0', '−1,234.5')
    """
    text = f"{abs(value):,.{digits}f}"
    if not float(text.replace(",", "")):
        return text
    return ("+" if value > 0 else "−") + text


def power_scale(size_mw: float) -> dict[str, Any]:
    """Return the unit and decimals for the powers of a zone of this size.

    ``unit``: W, kW, MW or GW. ``factor``: how many of it are one MW. ``digits``: decimals more than of hundreds.

    >>> power_scale(0.003), power_scale(50_000.0)
    ({'unit': 'kW', 'factor': 1000.0, 'digits': 1}, {'unit': 'GW', 'factor': 0.001, 'digits': 0})
    """
    unit, factor = power_unit(size_mw)
    return {"unit": unit, "factor": factor, "digits": max(0, 1 - math.floor(math.log10(size_mw * factor)))}


def plural(count: int, noun: str) -> str:
    """Return a count with its noun, e.g. ``2 plans``."""
    return f"{count} {noun}" + ("" if count == 1 else "s")


def joined(words: Iterable[str]) -> str:
    """Return words with commas, the first letter capital."""
    text = ", ".join(words)
    return text[:1].upper() + text[1:]


def span(start: datetime, end: datetime) -> str:
    """Return a span of time as ``08:00–08:30``."""
    return f"{start:%H:%M}–{end:%H:%M}"


def ago(delta: timedelta) -> str:
    """Return a duration in one unit: ``9 s``, ``12 min``, ``3 h``, ``11 days``."""
    seconds = delta.total_seconds()
    if seconds < 120:
        return f"{seconds:.0f} s"
    if seconds < 7200:
        return f"{seconds / 60:.0f} min"
    if seconds < 172_800:
        return f"{seconds / 3600:.0f} h"
    return f"{seconds / 86_400:.0f} days"
