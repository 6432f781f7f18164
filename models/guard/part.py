"""The served guard of one zone: learned parameters and initial state."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from features.derived_series import Terms
from models.guard.channel_kernel import Fit
from models.guard.layout import Layout, Shape, state_size
from vpp.domain import Step
from vpp.errors import ModelError
from vpp.numerics.arrays import Floats32

FORMAT = 2


@dataclass(frozen=True, slots=True)
class GuardPart:
    """``start``: state after slot ``last``, the end of training."""

    layout: Layout
    shape: Shape
    fit: Fit
    start: Floats32
    last: int

    def to_arrays(self) -> dict[str, np.ndarray[Any, Any] | bytes]:
        """Return the part as arrays and JSON values."""
        layout = self.layout
        meta = {
            "format": FORMAT,
            "step_min": layout.step.minutes,
            "channels": layout.channels,
            "published": layout.published,
            "companions": layout.companions,
            "balances": layout.balances,
            "last": self.last,
        }
        fitted = {f"fit_{name}": value for name, value in self.fit._asdict().items()}
        return {"meta": json.dumps(meta, sort_keys=True).encode(), "start": self.start, **fitted}


def guard_from_arrays(arrays: Mapping[str, Any]) -> GuardPart:
    """Return the part that ``to_arrays`` wrote.

    Raises:
        ModelError: Another version made it.
    """
    meta = json.loads(arrays["meta"])
    if meta["format"] != FORMAT:
        raise ModelError(f"format {meta['format']} of the guard is not {FORMAT}", hint="train again: vpp train")
    layout = Layout(
        Step(meta["step_min"]),
        tuple(meta["channels"]),
        tuple(None if terms is None else _terms(terms) for terms in meta["published"]),
        tuple(meta["companions"]),
        tuple(_terms(terms) for terms in meta["balances"]),
    )
    shape = layout.shape()
    start = arrays["start"]
    if start.size != state_size(shape):
        raise ModelError("the guard's state has another size", hint="train again: vpp train")
    fit = Fit(**{name: arrays[f"fit_{name}"] for name in Fit._fields})
    return GuardPart(layout, shape, fit, start, int(meta["last"]))


def _terms(terms: list[list[Any]]) -> Terms:
    return tuple((str(name), float(sign)) for name, sign in terms)
