"""Deliveries of a fleet in a backtest, by slot index, from the plant's messages."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, field

import numpy as np

from vpp.fleet.schema import Zone
from vpp.messages import AssetStatus, Decision, Message
from vpp.numerics.arrays import Floats


@dataclass
class Deliveries:
    """Deliveries of a zone's fleet; A assets in the order of the fleet file.

    ``power_mw``, ``soc``: shape (A,) by slot index; SoC is NaN for assets without a store. ``reflexes``: indices of the
    slots that a reflex decided.
    """

    zone: Zone
    power_mw: dict[int, Floats] = field(default_factory=dict)
    soc: dict[int, Floats] = field(default_factory=dict)
    reflexes: set[int] = field(default_factory=set)

    def take(self, message: Message) -> None:
        """Add the deliveries of a message of the plant; other messages are ignored."""
        match message:
            case AssetStatus():
                index, count = self.zone.step.index(message.slot), len(self.zone.assets)
                row = next(i for i, asset in enumerate(self.zone.assets) if asset.asset_id == message.asset_id)
                self.power_mw.setdefault(index, np.zeros(count))[row] = message.power_mw
                soc = math.nan if message.soc is None else message.soc
                self.soc.setdefault(index, np.full(count, np.nan))[row] = soc
            case Decision() if message.is_reflex:
                self.reflexes.add(self.zone.step.index(message.for_slot))

    def arrays(self, first: int, slots: int) -> tuple[Floats, Floats]:
        """Return power (MW) and SoC of ``slots`` slots from index ``first`` on, each of shape (A, slots)."""
        indices = range(first, first + slots)
        power = np.stack([self.power_mw[index] for index in indices], axis=1)
        return power, np.stack([self.soc[index] for index in indices], axis=1)

    def reflexes_in(self, first: int, slots: int) -> int:
        """Return the number of reflex decisions among ``slots`` slots from index ``first`` on."""
        return sum(first <= index < first + slots for index in self.reflexes)

    def forget(self, before: int) -> None:
        """Drop deliveries of slots before index ``before``."""
        for deliveries in (self.power_mw, self.soc):
            for index in list(itertools.takewhile(lambda i: i < before, sorted(deliveries))):
                del deliveries[index]
