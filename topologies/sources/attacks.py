"""Attacks on telemetry: values written instead of the true ones, seeded, and rounded like the meter."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vpp.domain import LOAD, SOLAR, WIND
from vpp.numerics.arrays import Floats

ALL_CHANNELS = "all"
PULSE_EVERY = 3
REPLAY_NOISE_PCT = 0.2


@dataclass(frozen=True, slots=True)
class Attack:
    """One kind of attack.

    ``size_pct``: of the mean level (step, ramp, half_sine, pulse), of each value (scale, noise), None if a kind has
    no size. ``channel``: what is forged; net load moves with it. ``moves_total``: an independent total is forged
    along. ``lag``: days (replay) or slots (time_shift) back. ``noise_pct``: noise on top.
    """

    name: str
    kind: str
    size_pct: float | None = None
    channel: str = LOAD
    moves_total: bool = True
    lag: int = 0
    noise_pct: float = 0.0


def _sized(kind: str, *sizes: float) -> list[Attack]:
    return [Attack(f"{kind} {size:g} %", kind, size) for size in sizes]


ATTACKS: tuple[Attack, ...] = (
    *_sized("step", 2, 5, 10, 20),
    *_sized("scale", 2, 5, 10),
    *_sized("ramp", 5, 10, 20, 30),
    *_sized("half_sine", 10, 20),
    *_sized("noise", 1, 2, 5),
    *_sized("pulse", 5, 10, 20),
    Attack("replay day", "replay", lag=1),
    Attack("replay week", "replay", lag=7),
    Attack("replay day + 0.2 %", "replay", lag=1, noise_pct=REPLAY_NOISE_PCT),
    Attack("replay week + 0.2 %", "replay", lag=7, noise_pct=REPLAY_NOISE_PCT),
    Attack("replay day, all channels", "replay", channel=ALL_CHANNELS, lag=1),
    Attack("replay day, all channels + 0.2 %", "replay", channel=ALL_CHANNELS, lag=1, noise_pct=REPLAY_NOISE_PCT),
    Attack("freeze", "freeze"),
    Attack("freeze + 0.2 %", "freeze", noise_pct=REPLAY_NOISE_PCT),
    Attack("time shift 1", "time_shift", lag=1),
    Attack("time shift 2", "time_shift", lag=2),
    Attack("load x 1.05 alone", "scale", 5, moves_total=False),
    Attack("wind x 1.1 alone", "scale", 10, WIND, moves_total=False),
    Attack("wind x 1.1", "scale", 10, WIND),
    Attack("wind x 1.2", "scale", 20, WIND),
    Attack("wind x 1.5", "scale", 50, WIND),
    Attack("solar x 1.2", "scale", 20, SOLAR),
)


def resolution(values: Floats) -> int:
    """Return the decimals that a meter writes: the fewest, at most 3, that leave its finite values as they are."""
    finite = values[np.isfinite(values)][:5000]
    for decimals in range(3):
        if np.allclose(finite, np.round(finite, decimals), rtol=0.0, atol=1e-9):
            return decimals
    return 3


def forge(  # noqa: PLR0917 - all of them say what is forged
    attack: Attack, truth: Floats, start: int, slots: int, per_day: int, sign: float, rng: np.random.Generator
) -> Floats:
    """Return the forged values for ``truth[start : start + slots]``.

    Args:
        attack: What is forged, and how.
        truth: True values from the attack's lag before ``start`` to its end at least, shape (n,), MW.
        start: Position of the first forged slot.
        slots: How many are forged.
        per_day: Slots of a day.
        sign: 1 or -1, the direction.
        rng: Source of noise, seeded by the caller.
    """
    original = truth[start : start + slots]
    k = np.arange(slots)
    size = (attack.size_pct or 0.0) / 100.0 * sign
    level = size * float(np.nanmean(np.abs(truth[max(start - 28 * per_day, 0) : start])))
    match attack.kind:
        case "step":
            out = original + level
        case "scale":
            out = original * (1.0 + size)
        case "ramp":
            out = original + level * (k + 1) / slots
        case "half_sine":
            out = original + level * np.sin(np.pi * (k + 0.5) / slots)
        case "noise":
            out = original * (1.0 + size * rng.standard_normal(slots))
        case "pulse":
            out = original + np.where(k % PULSE_EVERY == 0, level, 0.0)
        case "replay":
            back = start - attack.lag * per_day
            out = truth[back : back + slots].copy()
        case "freeze":
            out = np.full(slots, truth[start - 1])
        case "time_shift":
            out = truth[start - attack.lag : start - attack.lag + slots].copy()
        case _:
            raise ValueError(f"unknown kind of attack {attack.kind!r}")
    if attack.noise_pct:
        out = out * (1.0 + attack.noise_pct / 100.0 * rng.standard_normal(slots))
    return np.asarray(np.round(out, resolution(truth)))
