"""Setpoints of devices that take an upper limit of their output, such as PV inverters."""

from __future__ import annotations

from msgspec.structs import replace

from vpp.messages import Setpoint


def limit_setpoint(setpoint: Setpoint, free_output_mw: float | None, nameplate_mw: float) -> Setpoint:
    """Return a setpoint whose power and fallback are limits of the output (MW) instead of curtailed power.

    A curtailable renewable's setpoint u is 0 or negative: curtail by -u. With the output p without a limit and the
    rated power P the limit is ``max(p + u, 0)`` for u < 0 and P, which is no limit, for u = 0.

    Args:
        setpoint: The plant's setpoint.
        free_output_mw: Last output that no limit held down; None if it was never measured: the rated power.
        nameplate_mw: Rated power.
    """
    output = nameplate_mw if free_output_mw is None else free_output_mw

    def limit(power_mw: float) -> float:
        return nameplate_mw if power_mw >= 0.0 else max(output + power_mw, 0.0)

    return replace(setpoint, power_mw=limit(setpoint.power_mw), fallback_mw=limit(setpoint.fallback_mw))
