"""Brings a changed fleet file into a running plant: as one record per zone in the log, answered by the audit."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from agents.orders.zone_change import ACCEPTED, audit_id, sealed
from topologies.control.started_settings import changed_settings
from topologies.sources.options import noted_source
from vpp.errors import ConfigError, RefusedError, UnreachableError, did_you_mean
from vpp.files.zone_fitting import Overrides, zone_for
from vpp.fleet.in_force import fleet_in_force, fleet_path, keep_superseded
from vpp.fleet.live_change import KeyChange, differences, with_start_of
from vpp.fleet.lookup import write_fleet
from vpp.fleet.schema import Fleet, Zone, load_fleet
from vpp.messages import Audit, Message, ZoneChange
from vpp.settings import Settings
from vpp.store import Store
from vpp.store.tables import AUDIT
from vpp.streams.topics import ORDERS

ANSWER_S = 20.0
_PAUSE_S = 0.2


@dataclass(frozen=True, slots=True)
class ZoneReload:
    """A zone of the run by the current fleet file, and its changes; None: only the workers know them."""

    zone: Zone
    differences: tuple[KeyChange, ...] | None


def read_changes(settings: Settings, overrides: Mapping[str, Any] | None = None) -> list[ZoneReload]:
    """Return the changes of the run's zones by the fleet file of the settings; zones without a change are left out.

    In a run of `vpp up` the file is fitted to the source as at the start, and zones that the run does not have count
    for nothing. Workers that were started by themselves read the file as it is: all its zones are returned.

    Args:
        settings: The settings now; their fleet file is the changed one.
        overrides: Options of this command, which are no changes of the run's settings.

    Raises:
        ConfigError: No fleet file is named, it is wrong, or it lacks a zone of the run.
        RefusedError: A change of a setting or of the fleet needs a restart; all such keys are named.
    """
    fixed = changed_settings(settings, overrides or {})
    if settings.fleet is None and fixed:
        raise _not_live(fixed)
    if settings.fleet is None:
        raise ConfigError(
            "no fleet file is named",
            hint=f"give it with --fleet; the one in force is {fleet_path(settings)}: copy and change it",
        )
    fleet_file = load_fleet(settings.fleet)
    if not fleet_path(settings).is_file():
        if fixed:
            raise _not_live(fixed)
        return [ZoneReload(zone, None) for zone in fleet_file.zones]
    reloads = [_reload(zone, fleet_file, settings) for zone in fleet_in_force(settings).zones]
    fixed += [
        f"{reload.zone.zone} {difference}"
        for reload in reloads
        for difference in reload.differences or ()
        if not difference.live
    ]
    if fixed:
        raise _not_live(fixed)
    return [reload for reload in reloads if reload.differences]


def _not_live(fixed: list[str]) -> RefusedError:
    return RefusedError(
        f"nothing was changed; not live: {'; '.join(fixed)}",
        hint="restart the run: stop `vpp up` and start it again with this file and these settings; it goes on with its "
        "history. A setting that only this shell has otherwise: give it here as the run has it",
    )


def _reload(zone: Zone, fleet_file: Fleet, settings: Settings) -> ZoneReload:
    if fleet_file.get(zone.zone) is None:
        names = [entry.zone for entry in fleet_file.zones]
        raise ConfigError(
            f"{settings.fleet} has no zone {zone.zone}{did_you_mean(zone.zone, names)}",
            hint="a zone leaves a run only by a restart",
        )
    source = noted_source(settings)
    overrides = Overrides() if source is None else Overrides(source.time_zone, source.market)
    wanted, _ = zone_for(
        zone.zone, step_min=zone.step_min, channels=zone.channels or (), own_fleet=fleet_file, overrides=overrides
    )
    return ZoneReload(with_start_of(zone, wanted), tuple(differences(zone, wanted)))


def send_changes(
    reloads: list[ZoneReload],
    settings: Settings,
    store: Store,
    post: Callable[[str, Message], None],
    *,
    principal: str,
    reason: str,
    now: datetime,
) -> list[Audit]:
    """Write the changes into the log, wait for the answers of admission, and write the fleet that is in force.

    Args:
        reloads: The zones to change.
        settings: Name the run, its data directory and the approval key.
        store: Where the audit is.
        post: Writes a message to a topic and waits for the receipt.
        principal: Who asks.
        reason: Why, for the audit.
        now: Wall time.

    Returns:
        What admission wrote into the audit, in the order of the zones.

    Raises:
        RefusedError: Admission refused a change; the message has the reason.
        UnreachableError: There is no broker, or admission does not answer.
    """
    changes = [
        sealed(
            ZoneChange(
                zone=reload.zone.zone,
                at=now,
                config=reload.zone.model_dump(mode="json"),
                principal=principal,
                reason=reason,
                run=settings.run,
            ),
            settings.approval_secret,
        )
        for reload in reloads
    ]
    for change in changes:
        post(ORDERS.name, change)
    answers: list[Audit] = []
    try:
        answers += (_answer(store, change) for change in changes)
    finally:
        accepted = {answer.zone for answer in answers if answer.verdict == ACCEPTED}
        _put_in_force([reload.zone for reload in reloads if reload.zone.zone in accepted], settings)
    refused = [f"{answer.zone}: {answer.detail}" for answer in answers if answer.verdict != ACCEPTED]
    if refused:
        raise RefusedError("; ".join(refused), hint="the audit has it: vpp export audit")
    return answers


def _put_in_force(zones: list[Zone], settings: Settings) -> None:
    if zones and fleet_path(settings).is_file():
        keep_superseded(settings)
        write_fleet(fleet_path(settings), fleet_in_force(settings).merged(Fleet(zones=tuple(zones))).zones)


def _answer(store: Store, change: ZoneChange) -> Audit:
    end = time.monotonic() + ANSWER_S
    while time.monotonic() < end:
        rows = store.read(AUDIT, zone=change.zone, filters={"audit_id": audit_id(change)}).dicts()
        if rows:
            # A change that somebody sends again is refused beside the answer to the first.
            row = next((row for row in rows if row["verdict"] == ACCEPTED), rows[0])
            return Audit(**{name: row[name] for name in Audit.__struct_fields__})
        time.sleep(_PAUSE_S)
    raise UnreachableError(
        f"the change of {change.zone} is in the log, but admission did not answer within {ANSWER_S:g} s",
        hint="is the plant running? see `vpp status`. A zone that the plant does not have gets no answer: see "
        "`vpp export dlq`",
    )
