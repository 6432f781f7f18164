"""The handling state of an alert: owner, acknowledgement, silence and planned work."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from vpp.alerting.act_book import ActBook, act_of_row
from vpp.alerting.rules import AlertRules, Handling, MaintenanceWindow, Subject
from vpp.messages import AlertAct
from vpp.store import Store
from vpp.store.tables import ALERT_ACTS


@dataclass(frozen=True, slots=True)
class AlertStanding:
    """How an alert is handled by the rules, and what people have done about it; None: nothing."""

    handling: Handling
    acknowledgement: AlertAct | None
    silence: AlertAct | None
    maintenance: MaintenanceWindow | AlertAct | None

    def facts(self) -> dict[str, Any]:
        """Return it as plain values, as every face shows it."""
        acknowledgement, silence = self.acknowledgement, self.silence
        return {
            "owner": self.handling.owner,
            "action": self.handling.action,
            "acknowledged_by": None if acknowledgement is None else acknowledgement.principal,
            "acknowledged_at": None if acknowledgement is None else acknowledgement.at,
            "silenced_until": None if silence is None else silence.until,
            "in_maintenance": self.maintenance is not None,
        }


def read_acts(store: Store, zone: str | Sequence[str] | None = None, *, until: datetime | None = None) -> ActBook:
    """Return the acts of people on the alerts of one zone, or of all zones; ``until``: end by wall time, exclusive."""
    return ActBook.of(act_of_row(row) for row in store.read(ALERT_ACTS, zone=zone, end=until).dicts())


def standing_of(row: Mapping[str, Any], rules: AlertRules, acts: ActBook, now: datetime) -> AlertStanding:
    """Return the status of a stored alert: owner, acknowledgement, silence, maintenance.

    Args:
        row: The alert, as the store has it.
        rules: The rules in force.
        acts: What people have done.
        now: Wall time; silences end by it.
    """
    subject = Subject.of_row(row)
    return AlertStanding(
        rules.handling(subject),
        acts.acknowledgement(subject.zone, subject.alert_id),
        acts.silence(subject, now),
        rules.in_maintenance(subject) or acts.maintenance(subject),
    )
