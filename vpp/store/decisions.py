"""Finds a decision by its reference: an id, a zone and a time, or the newest."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from vpp.domain import iso
from vpp.errors import ConfigError, DataError
from vpp.messages import Decision, read_decision
from vpp.store.contract import Store
from vpp.store.tables import DECISIONS, LEDGER, SETPOINTS

LATEST = "latest"


@dataclass(frozen=True, slots=True)
class StoredDecision:
    """A decision as it was stored (``body``: its JSON, keys sorted) and as it reads."""

    decision: Decision
    body: str


def find_decision(store: Store, reference: str = LATEST, *, zone: str | None = None) -> StoredDecision:
    """Return one decision.

    Args:
        store: Where decisions are.
        reference: An id, ``ZONE@TIME`` (the decision for the slot that holds the time; UTC if no zone is said),
            ``ZONE@latest``, ``ZONE`` or ``latest``.
        zone: Zone, where ``reference`` names none.

    Raises:
        ConfigError: The time cannot be read, or no zone is named and there are several.
        DataError: There is no such decision.
    """
    name, at, time_text = reference.partition("@")
    if at:
        return newest(store, name) if time_text == LATEST else decision_at(store, name, utc_time(time_text))
    zones = [span.zone for span in store.spans(DECISIONS)]
    if reference in zones:
        return newest(store, reference)
    if reference != LATEST:
        return by_id(store, reference, zone)
    if zone is None and len(zones) > 1:
        raise ConfigError("which zone's decision?", hint=f"name one, e.g. {zones[0]}@latest; zones: {', '.join(zones)}")
    return newest(store, zone or next(iter(zones), ""))


def by_id(store: Store, decision_id: str, zone: str | None = None) -> StoredDecision:
    """Return the decision of this id.

    Raises:
        DataError: There is none.
    """
    rows = store.read(DECISIONS, zone=zone, filters={"decision_id": decision_id}, limit=1)
    return _first(rows.dicts(), f"there is no decision {decision_id!r}", store)


def newest(store: Store, zone: str) -> StoredDecision:
    """Return a zone's newest decision, revisions by orders left out.

    Raises:
        DataError: There is none.
    """
    rows = store.latest(DECISIONS, zone, filters={"revision": 0})
    return _first(rows.dicts(), f"nothing is decided in {zone!r}" if zone else "nothing is decided yet", store)


def decision_at(store: Store, zone: str, instant: datetime) -> StoredDecision:
    """Return the decision for the slot that holds ``instant``, revisions by orders left out.

    Raises:
        DataError: There is none.
    """
    # The decision for a slot follows the slot before it, which is one of the last two that began before that time.
    rows = store.read(DECISIONS, zone=zone, end=instant, filters={"revision": 0}, order="desc", limit=2)
    due = [
        row for row in rows.dicts() if row["for_slot"] <= instant < row["for_slot"] + (row["for_slot"] - row["slot"])
    ]
    return _first(due[:1], f"there is no decision of {zone!r} for {iso(instant)}", store)


def decisions_of(
    store: Store, zone: str | None = None, *, start: datetime | None = None, end: datetime | None = None
) -> Iterator[StoredDecision]:
    """Yield the decisions of one zone or of all, revisions included, in the order of their key.

    Args:
        store: The store to read.
        zone: One zone, several, or None for all.
        start: First decided slot, inclusive; None: from the first.
        end: Last decided slot, exclusive; None: to the last.
    """
    for chunk in store.scan(DECISIONS, zone=zone, start=start, end=end, columns=("body",)):
        for (body,) in chunk:
            yield StoredDecision(read_decision(body), body)


def setpoints_of(store: Store, decision: Decision) -> list[dict[str, Any]]:
    """Return the rows of the setpoints that a decision made, in the order of their key."""
    rows = store.read(
        SETPOINTS,
        zone=decision.zone,
        start=decision.for_slot,
        end=decision.for_slot + timedelta(seconds=1),
        filters={"revision": decision.revision},
    )
    return rows.dicts()


def frequency_answers(store: Store, decision: Decision) -> dict[str, float]:
    """Return the energy (MWh into the grid) by asset that answers to frequency added in the slot that was decided.

    Empty while the slot is not settled, and where nothing answered.
    """
    end = decision.for_slot + timedelta(seconds=1)
    rows = store.read(
        LEDGER, zone=decision.zone, start=decision.for_slot, end=end, columns=("asset_id", "frequency_mwh")
    )
    answers: dict[str, float] = {}
    for asset_id, energy_mwh in rows:
        if energy_mwh:
            answers[asset_id] = answers.get(asset_id, 0.0) + energy_mwh
    return answers


def _first(rows: list[dict[str, Any]], nothing: str, store: Store) -> StoredDecision:
    if not rows:
        raise DataError(nothing, hint=_what_there_is(store))
    body = str(rows[0]["body"])
    return StoredDecision(read_decision(body), body)


def _what_there_is(store: Store) -> str:
    spans = [f"{span.zone} from {iso(span.first)} to {iso(span.last)}" for span in store.spans(DECISIONS)]
    return "decisions follow slots of " + "; ".join(spans) if spans else "start a plant first: vpp up"


def utc_time(text: str) -> datetime:
    """Return a time written by a person, in UTC if it has no offset.

    Raises:
        ConfigError: It cannot be read.
    """
    try:
        instant = datetime.fromisoformat(text)
    except ValueError as error:
        raise ConfigError(f"{text!r} is not a time", hint="write ZONE@2022-01-31T18:30 (UTC)") from error
    return instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant.astimezone(UTC)
