"""Remote inference: the input row of a net-load model, and the model's answer."""

from __future__ import annotations

from enum import StrEnum

from vpp.messages.integers import Integer
from vpp.messages.telemetry import Record
from vpp.messages.times import Time


class InferenceFailure(StrEnum):
    """Why a row has no forecast: the registry there lacks the model, or it was made for other features."""

    MODEL_MISSING = "model_missing"
    OTHER_FEATURES = "other_features"


class FeatureRow(Record, kw_only=True, frozen=True, tag="feature_row"):
    """Input of the net-load model ``model_id`` for a forecast from the closed ``slot``; the fields of ``NetLoadRow``.

    Arrays are base64 of float64 numbers, little-endian, in C order; NaN is missing. H is the number of horizons.
    ``rows``: (features, H) of the table ``spec_hash``. ``levels``: (H, 7). ``volatility``: (5, H), MW. ``newest``:
    (4,), MW. ``groups``: slot of the local day of each target. ``receipt``: SHA-256 of model and numbers, which the
    answer repeats.
    """

    slot: Time
    model_id: str
    sha256: str
    spec_hash: str
    receipt: str
    now_mw: float
    rows: bytes
    levels: bytes
    volatility: bytes
    newest: bytes
    groups: list[Integer]


class Inference(Record, kw_only=True, frozen=True, tag="inference", omit_defaults=True):
    """Result of the model for the row with this ``receipt``: arrays as in ``FeatureRow``, empty after a ``failure``.

    ``quantiles``: (H, 7), MW. ``mean``: (H,), MW. ``scale``: (H,), MW, the width that the quantiles were scaled with.
    ``xgboost_weight``: of the first horizons.
    """

    slot: Time
    receipt: str
    quantiles: bytes = b""
    mean: bytes = b""
    scale: bytes = b""
    xgboost_weight: list[float] = []
    failure: InferenceFailure | None = None
