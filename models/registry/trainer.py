"""Training of a zone's whole model: net load and price, with metadata for the registry."""

from __future__ import annotations

import hashlib
import platform
from datetime import datetime, timedelta
from importlib.metadata import version
from typing import Any

import numpy as np
import pandas as pd

from models.guard.part import GuardPart
from models.guard.training import GuardTrainer
from models.net_load.model import ServedNetLoad
from models.net_load.training import NetLoadTrainer
from models.price.contract import PricePart
from models.registry.artifact import GUARD_PART, NET_LOAD_PART, PRICE_PART, Parts
from models.registry.price_trainer import PriceTrainer
from models.registry.tree_card import tree_card
from vpp.domain import iso
from vpp.errors import DataError
from vpp.fleet.schema import Zone
from vpp.progress import Progress, no_progress

GUARD_EVERY = timedelta(days=91)
"""The guard's channel forecasts are as good half a year later; its scales and windows follow in the stream."""


class Trainer:
    """Trains the model of one zone, and refits it over time: what net load has learned is kept between refits.

    Args:
        zone: Its configuration.
        progress: Called with the share done (0-1) and the name of the current part.
    """

    def __init__(self, zone: Zone, progress: Progress = no_progress) -> None:
        self._zone = zone
        self._progress = progress
        self._net_load = NetLoadTrainer(zone, progress)
        self._price = PriceTrainer(zone)
        self._guard = GuardTrainer(zone)
        self._guarded: tuple[datetime, GuardPart | None] | None = None

    def train(
        self, frame: pd.DataFrame, until: datetime, *, net_load: bool = True, price: bool = True, guard: bool = True
    ) -> tuple[Parts, dict[str, Any]]:
        """Train on the rows of ``frame`` before ``until``; later calls learn what has come since.

        Args:
            frame: Regular UTC slot starts as index, one float column per channel, NaN missing.
            until: End of the training rows (exclusive, aware UTC).
            net_load: Whether to train the net-load part.
            price: Whether to train the price part.
            guard: Whether to train the guard, where net load is; it stays for a quarter.

        Returns:
            Arrays by part and metadata, for ``Registry.save``.

        Raises:
            DataError: There is too little history for any part.
        """
        net = self._net_load.refit(frame, until) if net_load else None
        self._progress(0.98, "price")
        prices = self._price.refit(frame, until) if price else None
        watch = self._watch(frame, until) if guard and net_load else None
        parts: dict[str, Any] = {}
        if net is not None:
            parts[NET_LOAD_PART] = net.to_arrays()
        if prices is not None:
            parts[PRICE_PART] = prices.to_arrays()
        if parts and watch is not None:
            parts[GUARD_PART] = watch.to_arrays()
        if not parts:
            days = len(frame.loc[frame.index < pd.Timestamp(until)]) // self._zone.step.per_day
            raise DataError(
                f"{self._zone.zone} has {days} days before {iso(until)}, too few to train on",
                hint="give at least four weeks of history; until then the fallbacks serve",
            )
        described = {**_metadata(frame, self._zone, until, net, prices), "parts": list(parts)}
        return parts, {**described, "metrics": {"net_load": self._net_load.metrics}}

    def _watch(self, frame: pd.DataFrame, until: datetime) -> GuardPart | None:
        """Return the guard, trained again where a quarter has passed."""
        if self._guarded is None or until - self._guarded[0] >= GUARD_EVERY:
            self._progress(0.99, "guard")
            self._guarded = (until, self._guard.fit(frame, until))
        return self._guarded[1]


def _metadata(
    frame: pd.DataFrame, zone: Zone, until: datetime, net: ServedNetLoad | None, prices: PricePart | None
) -> dict[str, Any]:
    rows = frame.loc[frame.index < pd.Timestamp(until)]
    packages = ("numpy", "numba", "pandas")
    return {
        "zone": zone.zone,
        "step_min": zone.step_min,
        "since": iso(rows.index[0].to_pydatetime()),
        "until": iso(until),
        "rows": len(rows),
        "data_sha256": data_hash(rows),
        "spec_hash": net.spec.hash if net is not None else None,
        "features": len(net.spec.features) if net is not None else 0,
        "xgboost": None if net is None else tree_card(net.trees),
        "versions": {"python": platform.python_version(), **{name: version(name) for name in packages}, **_xgboost()},
    }


def _xgboost() -> dict[str, str]:
    import xgboost

    return {"xgboost": xgboost.__version__}


def data_hash(frame: pd.DataFrame) -> str:
    """Return the sha256 of a frame's times, columns and values."""
    digest = hashlib.sha256()
    digest.update(pd.DatetimeIndex(frame.index).as_unit("s").asi8.tobytes())
    for column in sorted(frame.columns):
        digest.update(column.encode())
        digest.update(np.ascontiguousarray(frame[column].to_numpy(dtype=float)).tobytes())
    return digest.hexdigest()
