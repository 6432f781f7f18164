"""Promotes models during a run: the one known at its start, later those retrained on the records sent by then."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from itertools import takewhile
from typing import Any

import pandas as pd

from models.evaluation.promotion import PromotionVerdict, judge
from models.registry.artifact import Parts
from models.registry.registry import Registry
from models.registry.trainer import Trainer
from models.served import ServedModel
from topologies.sources.availability_order import refit_times
from topologies.sources.drift_watch import DriftedZones, DriftWatch, stored_drifts
from topologies.sources.feed import Feed
from topologies.sources.options import SourceOptions, pace_of, window_of
from vpp.domain import iso
from vpp.errors import DataError, ModelError
from vpp.files.cells.availability import MAX_LEAD
from vpp.fleet.schema import Zone
from vpp.messages import Promotion
from vpp.settings import Settings

log = logging.getLogger(__name__)

DRIFT_DAYS = 2
"""Fewest days on which a model that drifted is compared with a new one: what it no longer fits shows in two."""


class Retraining:
    """Retrains the models of a source's zones, on the rows before the time of each refit, as a backtest does.

    By the calendar, the version trained at the refit before competes with the model in force on the days since, which
    neither has seen; where it is better, the version that is trained now goes into force. After drift, a version that
    is trained without the last days competes on them at once.

    Args:
        feed: The rows.
        settings: Say where the registry is.
        start: First slot of the run.
        every: Time between refits.
        anchor: Where refits are counted from; None: ``start``.
        compare: Whether a version must be better than the model in force; else every refit goes into force, as in a
            backtest.
        drifted: Names zones whose forecasts have drifted; None: nothing is retrained out of turn.
    """

    def __init__(
        self,
        feed: Feed,
        settings: Settings,
        start: datetime,
        every: timedelta | None = None,
        *,
        anchor: datetime | None = None,
        compare: bool = True,
        drifted: DriftedZones | None = None,
    ) -> None:
        self._feed = feed
        self._registry = Registry(settings.models_dir)
        self._start = start
        self._times = (start, every, anchor)
        self._compare = compare
        self._drifted = drifted
        self._trainers: dict[str, Trainer] = {}
        self._challengers: dict[str, ServedModel] = {}
        self._serving: dict[str, Mapping[str, Any]] = {}

    def __call__(self, zone: Zone, now: datetime) -> Promotion | None:
        """Return the promotion of the model known at the start, later that of a refit; None: nothing changes."""
        if now <= self._start:
            metadata = known_model(self._registry, zone.zone, now)
            if metadata is None:
                return None
            self._serving[zone.zone] = metadata
            return _promotion(zone, metadata, now)
        frame = self._feed.frame(zone.zone, now + MAX_LEAD)
        trained = self._trained(zone, now, frame)
        if trained is None:
            return None
        if self._compare:
            challenger = self._challengers.get(zone.zone)
            verdict = judge(frame, zone, self._in_force(zone, now), now, challenger=challenger)
        else:
            verdict = PromotionVerdict(True, "as asked, without a comparison", "")
        return self._outcome(zone, now, trained, verdict, "schedule")

    def zones(self, now: datetime) -> Iterable[str]:
        """Return the zones that have drifted since they were last retrained, at most once a day each."""
        return () if self._drifted is None else self._drifted(now)

    def retrain(self, zone: Zone, now: datetime) -> Promotion | None:
        """Retrain a zone out of turn and return what came of it; None if no model serves."""
        in_force = self._in_force(zone, now)
        if in_force is None:
            return None
        frame = self._feed.frame(zone.zone, now + MAX_LEAD)
        try:
            trained = Trainer(zone).train(frame, now)
        except DataError as error:
            return _promotion(zone, in_force.metadata, now, cause="drift", verdict=str(error))
        verdict = judge(frame, zone, in_force, now, min_days=DRIFT_DAYS)
        return self._outcome(zone, now, trained, verdict, "drift")

    def _trained(self, zone: Zone, now: datetime, frame: pd.DataFrame) -> tuple[Parts, dict[str, Any]] | None:
        """Train on the rows before ``now``; a source that continues after a kill walks its refits so far again."""
        times: list[datetime] = [now]
        if zone.zone not in self._trainers:
            self._trainers[zone.zone] = Trainer(zone)
            times = [*takewhile(lambda instant: instant < now, refit_times(*self._times)), now]
        trained = None
        for instant in times:
            trained = self._try(zone, instant, frame)
            if trained is not None and self._start < instant < now:
                self._challengers[zone.zone] = self._registry.save(*trained)
        return trained

    def _try(self, zone: Zone, instant: datetime, frame: pd.DataFrame) -> tuple[Parts, dict[str, Any]] | None:
        rows = frame.loc[frame.index < pd.Timestamp(instant + MAX_LEAD)]
        try:
            return self._trainers[zone.zone].train(rows, instant)
        except DataError as error:
            log.warning("no refit zone=%s at=%s: %s", zone.zone, iso(instant), error)
            return None

    def _in_force(self, zone: Zone, now: datetime) -> ServedModel | None:
        """Return the model in force: as the registry says, where it is none of a later time, else the run's own."""
        metadata: Mapping[str, Any] | None = self._registry.in_force(zone.zone)
        if metadata is None or datetime.fromisoformat(str(metadata["until"])) > now:
            metadata = self._serving.get(zone.zone) or known_model(self._registry, zone.zone, self._start)
        if metadata is None:
            return None
        try:
            return self._registry.load(str(metadata["model_id"]))
        except ModelError as error:
            log.warning("the fallback serves in place of a model zone=%s: %s", zone.zone, error)
            return None

    def _outcome(
        self, zone: Zone, now: datetime, trained: tuple[Parts, dict[str, Any]], verdict: PromotionVerdict, cause: str
    ) -> Promotion | None:
        """Keep a version with its verdict, put it in force where that says so, and return what came of it."""
        parts, metadata = trained
        served = self._registry.save(parts, {**metadata, "cause": cause, "verdict": verdict.document()})
        log.info(
            "retrained zone=%s at=%s cause=%s model=%s promoted=%s: %s",
            zone.zone,
            iso(now),
            cause,
            served.model_id,
            verdict.promote,
            verdict.reason,
        )
        self._challengers[zone.zone] = served
        if verdict.promote:
            self._serving[zone.zone] = self._registry.promote(served.model_id)
        elif cause == "schedule":
            return None
        in_force = self._in_force(zone, now) or served
        return _promotion(zone, in_force.metadata, now, cause=cause, trained=served.model_id, verdict=verdict.reason)


def retraining_of(feed: Feed, settings: Settings, start: datetime, options: SourceOptions) -> Retraining:
    """Return what retrains the models of a source run; after drift where the source has a pace.

    Args:
        feed: The rows.
        settings: Say where registry and store are.
        start: First slot of the run.
        options: What the source was asked for.

    A replay as fast as possible is far ahead of the forecasts that it makes, so it retrains by the calendar only and
    gives the same decisions each time.
    """
    every = timedelta(days=options.refit_days) if options.refit_days else None
    paced = options.kind == "feed" or pace_of(options, feed.step_min, settings.live.pulse_s) is not None
    since = start + (window_of(options, feed, datetime.now(UTC)).shift if options.live else timedelta(0))
    drifted = DriftWatch(stored_drifts(settings), since) if paced and every is not None else None
    return Retraining(feed, settings, start, every, anchor=options.refit_from, drifted=drifted)


def _promotion(
    zone: Zone, metadata: Mapping[str, Any], now: datetime, *, cause: str = "", trained: str = "", verdict: str = ""
) -> Promotion:
    model_id, sha256 = str(metadata["model_id"]), str(metadata["sha256"])
    log.info("in force zone=%s model=%s at=%s", zone.zone, model_id, iso(now))
    return Promotion(
        zone=zone.zone,
        available_at=now,
        model_id=model_id,
        sha256=sha256,
        cause=cause,
        trained=trained,
        verdict=verdict,
    )


def known_model(registry: Registry, zone: str, now: datetime) -> Mapping[str, Any] | None:
    """Return the metadata of the model in force, or of the newest, that was trained on rows before ``now`` only."""
    candidates: list[Mapping[str, Any] | None] = [registry.in_force(zone), *reversed(registry.versions(zone))]
    for metadata in candidates:
        if metadata is not None and datetime.fromisoformat(str(metadata["until"])) <= now:
            return metadata
    return None
