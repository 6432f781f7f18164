"""Queries for model features of a slot: value, unit and inputs, as trained and as served."""

from __future__ import annotations

from datetime import datetime

from mcp_server.answers.reading import FeaturesAnswer
from mcp_server.queries.context import NOTHING_YET, QuestionError, ReadContext, UnknownNameError, utc
from vpp.domain import iso
from vpp.errors import VppError

MAX_FEATURES = 240
MAX_HISTORY = 96


LATEST = "latest"


def features_at(context: ReadContext, zone: str, time: str) -> FeaturesAnswer:
    """Return the features of the slot at a time, written in ISO 8601 or as ``latest``.

    Raises:
        QuestionError: The zone is unknown, or the time cannot be read.
    """
    try:
        at = None if time == LATEST else datetime.fromisoformat(time)
    except ValueError as error:
        raise QuestionError(f"{time!r} is not a time", hint="write 2022-01-31T18:30Z, or latest") from error
    return get_features(context, zone, at, None, None, 0)


def get_features(
    context: ReadContext,
    zone: str | None,
    at: datetime | None,
    names: list[str] | None,
    horizon_min: int | None,
    history_slots: int,
) -> FeaturesAnswer:
    """Return features of the slot at ``at``, or of the newest closed slot.

    Args:
        context: Store, fleet and clock of the run.
        zone: Name of the zone; None if there is only one.
        at: A time in the slot; None: the newest closed slot.
        names: Parts of feature names; a feature is returned if its name contains one of them. None: all features.
        horizon_min: Horizon in minutes, for features of a target; None: one step.
        history_slots: Number of slots up to this one with values in ``history``.

    Raises:
        QuestionError: The zone is unknown or not configured.
        DataError: The slot or horizon does not exist, or there are no rows to compute features from.
    """
    from topologies.control.feature_table import feature_table  # loads the models' libraries

    chosen = context.choose(zone)
    if chosen is None:
        return FeaturesAnswer(hint=NOTHING_YET)
    config = context.config(chosen)
    if config is None:
        raise UnknownNameError(f"no fleet file has zone {chosen}", hint="give its fleet.yaml")
    try:
        answered = feature_table(
            context.settings, context.store, config, utc(at), horizon_min=horizon_min, history_slots=history_slots
        )
    except VppError as error:
        return FeaturesAnswer(as_of=context.as_of(chosen), zone=chosen, hint=f"{error}. {error.hint or ''}".strip())
    words = [name.lower() for name in names or ()]
    matching = [
        feature for feature in answered.features if not words or any(word in feature.name.lower() for word in words)
    ]
    listed = matching[:MAX_FEATURES]
    return FeaturesAnswer(
        as_of=context.as_of(chosen),
        zone=chosen,
        slot=answered.slot,
        horizon_min=answered.horizon_min,
        model_id=answered.model_id,
        spec_hash=answered.spec_hash,
        columns=["feature", "trained", "served", "unit", "rule", "inputs"],
        features=[
            [
                feature.name,
                feature.trained,
                feature.served,
                feature.unit,
                feature.rule,
                [[i.name, " ".join(i.channels), i.value] for i in feature.inputs],
            ]
            for feature in listed
        ],
        history={
            feature.name: [[iso(slot), trained, served] for slot, trained, served in answered.history[feature.name]]
            for feature in listed
            if feature.name in answered.history
        },
        truncated=len(listed) < len(matching),
        hint=None if listed else "no feature name contains these words; leave names out to get all features",
    )
