"""Raw records of sources, and the closed slots that the intake makes of them."""

from __future__ import annotations

import msgspec

from vpp.messages.integers import Integer
from vpp.messages.times import Time

Values = dict[str, float | None]
"""Channel name (``load_mw``, ``price_per_mwh``, ...) to its value; None is missing."""


class Record(msgspec.Struct, kw_only=True, frozen=True, tag_field="kind"):
    """What all messages share: the zone they are keyed by."""

    zone: str


class AssetReading(msgspec.Struct, kw_only=True, frozen=True, omit_defaults=True):
    """Measured state of one asset: mean power over the slot (MW, positive into the grid), SoC (0-1) at its end.

    ``outcome``: outcome of its newest command, a code of ``CommandOutcome``; None without a gateway.
    """

    power_mw: float | None = None
    soc: float | None = None
    available: bool | None = None
    outcome: str | None = None


class Observation(Record, kw_only=True, frozen=True, tag="observation", omit_defaults=True):
    """Measured values of one zone over ``[slot, slot + duration)``.

    ``duration_s`` is None for a whole slot (which it closes); a shorter one is a tick, averaged into its slot.
    ``history`` marks warm-up rows: they fill state and yield nothing. ``run_from`` on them is the first slot of the
    run: slots without a row before it are history too. ``sent_at`` is the run clock of the source.
    """

    slot: Time
    values: Values
    duration_s: float | None = None
    assets: dict[str, AssetReading] = {}
    history: bool = False
    sent_at: Time | None = None
    run_from: Time | None = None


class Publication(Record, kw_only=True, frozen=True, tag="publication", omit_defaults=True):
    """Values published for contiguous slots, usable from ``available_at`` on: day-ahead forecasts, auction prices.

    ``series`` maps a channel to one value per slot from ``first_slot`` on; all lists have one length. A channel of
    another zone is named ``ZONE:channel``. None: this publication has no value for the slot, and an
    earlier published value stays valid. ``step_min`` is the spacing of the values, a multiple of the zone's step.
    """

    available_at: Time
    first_slot: Time
    step_min: Integer
    series: dict[str, list[float | None]]
    history: bool = False
    sent_at: Time | None = None


class Promotion(Record, kw_only=True, frozen=True, tag="promotion", omit_defaults=True):
    """The model in force for this zone from the next slot closed on; the registry holds the artifact.

    ``cause``: why it was retrained, ``schedule`` or ``drift``; empty if a run starts or a person chose. ``trained``:
    the version that the retraining made; differs from ``model_id`` if the model in force stays. ``verdict``: what
    the result of the comparison.
    """

    available_at: Time
    model_id: str
    sha256: str
    sent_at: Time | None = None
    cause: str = ""
    trained: str = ""
    verdict: str = ""


class Deadline(Record, kw_only=True, frozen=True, tag="deadline", omit_defaults=True):
    """Live mode: ``slot`` and all earlier slots close (raw) or are decided (bids) with the records received so far."""

    slot: Time
    sent_at: Time | None = None


class End(Record, kw_only=True, frozen=True, tag="end"):
    """The producer has sent everything of this zone; every step forwards the mark under its own name."""

    producer: str
    last_slot: Time | None = None


class SlotClosed(Record, kw_only=True, frozen=True, tag="slot", omit_defaults=True):
    """One closed slot: means of its ticks, quality by channel, net load (null when a part it has is missing).

    ``quality`` holds only channels that are not ``ok``. ``history`` slots fill state and yield no decision.
    ``frequency_shares``: where ticks came, (mean Hz, share of the ticks) of each class of 5 mHz, rising; what answers
    frequency beyond a dead band cannot be settled by the slot's mean.
    """

    slot: Time
    step_min: Integer
    values: Values
    net_load_mw: float | None
    quality: dict[str, str] = {}
    assets: dict[str, AssetReading] = {}
    history: bool = False
    frequency_shares: list[tuple[float, float]] = []


class Correction(Record, kw_only=True, frozen=True, tag="correction", omit_defaults=True):
    """Late or corrected values of a slot that is closed already: they decide nothing, but settle once.

    ``revision`` counts from 1 per slot; ``values`` holds only what changed; ``net_load_mw`` is the corrected one.
    """

    slot: Time
    step_min: Integer
    values: Values
    net_load_mw: float | None
    revision: Integer
