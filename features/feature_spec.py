"""The feature table: one declarative list that training, backfill and serving all compute with the same kernel.

A feature is a row: what to compute (``op``) of which series, with which lag, window or number of days, and which model
stages read it. Rows of ``ORIGIN`` ops depend on the origin slot t alone; the others on the target slot T = t + h too.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from enum import IntEnum, auto

import numpy as np
import numpy.typing as npt

from features.derived_series import MAX_TERMS, DerivedSeries
from vpp.domain import Step

KERNEL_VERSION = 2
"""Raised whenever the meaning of an op changes, so no model meets features it was not trained on."""


class Op(IntEnum):
    """What one feature computes; x, z are series, k a number of steps, d of days, D the slots of a day."""

    VALUE = auto()
    CHANGE = auto()
    MEAN = auto()
    STD = auto()
    MIN = auto()
    MAX = auto()
    MEAN_GAP = auto()
    POSITION = auto()
    GRADIENT = auto()
    PATH = auto()
    RATIO = auto()
    CLEARNESS = auto()
    LAST_PUBLISHED_GAP = auto()
    PRODUCT = auto()
    FIRST_TARGET_OP = auto()
    SUM = auto()
    TARGET_PRODUCT = auto()
    SEASON = auto()
    SEASON_MEAN = auto()
    SIMILAR = auto()
    SIMILAR_STEP = auto()
    SPLIT_SEASON = auto()
    SPLIT_CHANGE = auto()
    CLEAR_GAP = auto()
    CLEAR_CHANGE = auto()
    SLOT_MEAN = auto()
    SLOT_MEAN_GAP = auto()
    SLOT_MEAN_CHANGE = auto()
    AHEAD = auto()
    AHEAD_CHANGE = auto()
    AHEAD_STEP = auto()
    AHEAD_GAP = auto()
    SCALED_AHEAD = auto()
    AHEAD_RATIO = auto()
    AHEAD_SQUARE = auto()
    KNOWN = auto()
    CALENDAR = auto()
    WEEKDAY_IS = auto()
    NON_WORKDAY = auto()
    SUN_CHANGE = auto()
    ANNUAL_SIN = auto()
    ANNUAL_COS = auto()
    DAY_SIN = auto()
    DAY_COS = auto()
    WEEK_SIN = auto()
    WEEK_COS = auto()
    HORIZON = auto()


@dataclass(frozen=True, slots=True)
class Feature:
    """One column of the feature matrix.

    ``x``, ``z``: series names (empty = none). ``a``, ``b``: steps, days, or the calendar field, as the op needs.
    ``of``: names of earlier columns that the op multiplies or divides by. ``stages``: letters of the stages that
    read it (A first ridge stage, B second with the forecast known, F the same far ahead, U with it unknown, T trees,
    V spread).
    """

    name: str
    op: Op
    x: str = ""
    z: str = ""
    a: int = 0
    b: int = 0
    of: tuple[str, ...] = ()
    stages: str = "T"


@dataclass(frozen=True, slots=True)
class FeatureSpec:
    """A feature table bound to a step and to the series that a zone has.

    ``code``: shape (features, 8) int64, the program of the kernel: op, x, z, a, b, two columns, target flag.
    Columns are in the order of ``features``; those that depend on the origin alone come first.
    """

    step_min: int
    features: tuple[Feature, ...]
    series: tuple[DerivedSeries, ...]
    horizons_min: tuple[int, ...]
    code: npt.NDArray[np.int64] = field(repr=False)
    n_origin: int
    hash: str

    @property
    def horizon_steps(self) -> npt.NDArray[np.int64]:
        """Horizons in steps."""
        return np.array(self.horizons_min, dtype=np.int64) // self.step_min

    @property
    def names(self) -> tuple[str, ...]:
        """Column names."""
        return tuple(feature.name for feature in self.features)

    @property
    def channels(self) -> tuple[str, ...]:
        """Channels that the table reads, sorted."""
        return tuple(sorted({channel for series in self.series for channel, _ in series.terms}))

    def columns(self, stage: str) -> npt.NDArray[np.int64]:
        """Return the columns that a stage reads."""
        return np.array([i for i, f in enumerate(self.features) if stage in f.stages], dtype=np.int64)

    def column(self, name: str) -> int:
        """Return the column of a feature, -1 when the zone lacks it."""
        names = self.names
        return names.index(name) if name in names else -1

    def terms(self) -> tuple[list[list[str]], npt.NDArray[np.float64]]:
        """Return channel names and signs of every series, signs padded with 0 to ``MAX_TERMS``."""
        signs = np.zeros((len(self.series), MAX_TERMS))
        names = []
        for i, series in enumerate(self.series):
            names.append([channel for channel, _ in series.terms])
            signs[i, : len(series.terms)] = [sign for _, sign in series.terms]
        return names, signs


def spec_hash(step: Step, features: list[Feature], series: tuple[DerivedSeries, ...]) -> str:
    """Return the identity of a table: it changes with the kernel's version, the step, a feature or a series."""
    body = [
        KERNEL_VERSION,
        step.minutes,
        [(f.name, int(f.op), f.x, f.z, f.a, f.b, f.of, f.stages) for f in features],
        [(s.name, s.terms) for s in series],
    ]
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()[:16]
