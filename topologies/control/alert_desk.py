"""Acknowledgements, silences and maintenance windows of people: each is a record on ``vpp.alerts`` and in the audit."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import msgspec

from vpp.alerting.standing import read_acts
from vpp.domain import iso
from vpp.errors import DataError, RefusedError
from vpp.messages import AlertAct, AlertAction, AlertCode, Audit, Message
from vpp.store import Store
from vpp.store.tables import ALERTS as ALERT_TABLE
from vpp.streams.topics import ALERTS, AUDIT

LONGEST = timedelta(days=30)
"""Of a silence and of a maintenance window."""
FARTHEST = timedelta(days=366)
"""Start of a maintenance window, from now."""


@dataclass(frozen=True)
class AlertDesk:
    """Writes acts on alerts.

    Attributes:
        store: Tells which alerts there are.
        post: Writes one message to a topic and waits for the broker.
        now: The wall clock.
    """

    store: Store
    post: Callable[[str, Message], None]
    now: Callable[[], datetime] = lambda: datetime.now(UTC)

    def acknowledge(
        self, alert_ids: Sequence[str], principal: str, reason: str = "", zone: str | None = None
    ) -> list[AlertAct]:
        """Take alerts on; one that somebody has taken on already stays theirs.

        Args:
            alert_ids: The alerts.
            principal: Who does.
            reason: A note.
            zone: Their zone; needed only where several zones have an alert of that id.

        Returns:
            The acknowledgement in force of each alert.

        Raises:
            DataError: There is no such alert, or several zones have it.
            UnreachableError: The broker does not take it.
        """
        zones = [self._zone_of(alert_id, zone) for alert_id in alert_ids]
        acts = []
        for alert_id, its_zone in zip(alert_ids, zones, strict=True):
            act = read_acts(self.store, its_zone).acknowledgement(its_zone, alert_id)
            if act is None:
                act = AlertAct(
                    zone=its_zone,
                    act_id=_new_id(),
                    at=self.now(),
                    action=AlertAction.ACKNOWLEDGE,
                    principal=principal,
                    reason=reason,
                    alert_id=alert_id,
                )
                self._write(act, f"alert {alert_id}")
            acts.append(act)
        return acts

    def silence(
        self,
        zone: str,
        principal: str,
        reason: str,
        lasts: timedelta,
        *,
        alert_id: str | None = None,
        code: AlertCode | None = None,
        asset_id: str | None = None,
        channel: str | None = None,
    ) -> AlertAct:
        """Silence alerts of a zone for a while: no notices are sent, and the alerts are still shown.

        Args:
            zone: The zone.
            principal: Who does.
            reason: Why.
            lasts: For how long, from now on; 0 ends the silence of the same scope.
            alert_id: Only this alert.
            code: Only alerts of this code.
            asset_id: Only alerts of this asset.
            channel: Only alerts of this telemetry channel.

        Raises:
            RefusedError: It would last longer than 30 days.
            UnreachableError: The broker does not take it.
        """
        if not timedelta(0) <= lasts <= LONGEST:
            raise RefusedError(
                "a silence lasts at most 30 days", hint="plan longer work as a maintenance window in the alert rules"
            )
        at = self.now()
        act = AlertAct(
            zone=zone,
            act_id=_new_id(),
            at=at,
            action=AlertAction.SILENCE,
            principal=principal,
            reason=reason,
            alert_id=alert_id,
            code=code,
            asset_id=asset_id,
            channel=channel,
            until=at + lasts,
        )
        self._write(act, f"{_scope_of(act)} until {iso(at + lasts)}")
        return act

    def maintain(
        self,
        zone: str,
        principal: str,
        reason: str,
        since: datetime,
        until: datetime,
        *,
        code: AlertCode | None = None,
        asset_id: str | None = None,
    ) -> AlertAct:
        """Plan work on a zone: nobody is notified of alerts that begin in the window, and they are still shown.

        Args:
            zone: The zone.
            principal: Who does.
            reason: Why.
            since: Start of the work; a window of the same scope and start is replaced.
            until: Its end, in the future.
            code: Only alerts of this code.
            asset_id: Only alerts of this asset.

        Raises:
            RefusedError: It ends before it starts or in the past, lasts longer than 30 days, or starts more than a year
                ahead.
            UnreachableError: The broker does not take it.
        """
        if not timedelta(0) < until - since <= LONGEST:
            raise RefusedError(
                "a maintenance window lasts at most 30 days and ends after its start",
                hint="plan longer work in the alert rules",
            )
        at = self.now()
        if until <= at:
            raise RefusedError(
                f"the maintenance window would end at {until.isoformat()}, which is in the past",
                hint="check its date; times without an offset are UTC",
            )
        if since - at > FARTHEST:
            raise RefusedError("a maintenance window starts within a year", hint="plan it in the alert rules")
        act = AlertAct(
            zone=zone,
            act_id=_new_id(),
            at=at,
            action=AlertAction.MAINTENANCE,
            principal=principal,
            reason=reason,
            code=code,
            asset_id=asset_id,
            until=until.astimezone(UTC),
            since=since.astimezone(UTC),
        )
        self._write(act, _window_words(act))
        return act

    def end_maintenance(
        self,
        zone: str,
        principal: str,
        reason: str,
        since: datetime,
        *,
        code: AlertCode | None = None,
        asset_id: str | None = None,
    ) -> AlertAct:
        """End a maintenance window now, or take it back if it has not begun.

        Alerts that began in it still notify nobody.

        Args:
            zone: The zone.
            principal: Who does.
            reason: Why.
            since: Start of the window.
            code: The code that it was planned for.
            asset_id: The asset that it was planned for.

        Raises:
            RefusedError: There is no such window, or it has ended.
            UnreachableError: The broker does not take it.
        """
        at = self.now()
        windows = {(act.since, act.code, act.asset_id): act for act in read_acts(self.store, zone).windows(at)}
        window = windows.get((since, code, asset_id))
        if window is None:
            raise RefusedError(
                f"{zone} has no maintenance window of this scope that starts at {since.isoformat()} and has not ended",
                hint="list the windows with `vpp alerts silences`",
            )
        act = msgspec.structs.replace(
            window, act_id=_new_id(), at=at, principal=principal, reason=reason, until=max(window.since or at, at)
        )
        self._write(act, _window_words(act))
        return act

    def _zone_of(self, alert_id: str, zone: str | None) -> str:
        rows = self.store.read(ALERT_TABLE, zone=zone, filters={"alert_id": alert_id}, columns=("zone",))
        zones: list[str] = sorted(set(rows.column("zone")))
        if not zones:
            in_zone = "" if zone is None else f" in {zone}"
            raise DataError(f"there is no alert {alert_id!r}{in_zone}", hint="see `vpp alerts list --json`")
        if len(zones) > 1:
            raise DataError(
                f"{len(zones)} zones have an alert {alert_id!r}", hint="give --zone, one of " + ", ".join(zones[:20])
            )
        return zones[0]

    def _write(self, act: AlertAct, detail: str) -> None:
        record = Audit(
            zone=act.zone,
            audit_id=act.act_id,
            at=act.at,
            principal=act.principal,
            action=f"alert:{act.action.value}",
            verdict="ok",
            detail=f"{detail}: {act.reason}" if act.reason else detail,
        )
        self.post(AUDIT.name, record)
        self.post(ALERTS.name, act)


def _scope_of(act: AlertAct) -> str:
    return " ".join(filter(None, (act.alert_id, act.code, act.asset_id, act.channel))) or "all"


def _window_words(act: AlertAct) -> str:
    return f"{_scope_of(act)} from {iso(act.since or act.at)} until {iso(act.until or act.at)}"


def _new_id() -> str:
    return "a" + secrets.token_hex(8)
