"""The rules of alerts: owner, severity, contacts, times, and periods without notices.

A file of the user's (setting ``alert_rules``) comes before the shipped defaults: each property of an alert is that of
the first rule that matches and gives it.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, time
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    model_validator,
)

from vpp.errors import ConfigError, nearest_hint
from vpp.local_time import check_time_zone, local_time
from vpp.messages import Alert, AlertCode, Severity
from vpp.messages.alert_words import ACTIONS
from vpp.validation_text import describe
from vpp.yaml_text import read_yaml, text_of

MAX_STEPS = 20
"""Most escalations of one alert."""
NAME = r"^[a-z0-9][a-z0-9_-]{0,39}$"
_REFERENCE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_CLOCK = r"^([01]\d|2[0-3]):[0-5]\d$"


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Contact(_Part):
    """Where messages go: an address of Apprise. ``${NAME}`` is read from files of secrets or the environment.

    ``severities``: those that it is notified of; ``gap_s``: shortest time between two messages (s): alerts in between
    wait and are sent in one.
    """

    url: SecretStr
    severities: tuple[Severity, ...] = ("warning", "critical")
    gap_s: float = Field(default=60.0, ge=0, le=86_400)

    @model_validator(mode="before")
    @classmethod
    def _from_url(cls, value: Any) -> Any:
        return {"url": value} if isinstance(value, str) else value

    def address(self, environment: Mapping[str, str]) -> str:
        """Return the address with the values of its names filled in.

        Raises:
            ConfigError: A name has no value.
        """

        def value_of(match: re.Match[str]) -> str:
            value = environment.get(match[1])
            if not value:
                raise ConfigError(
                    f"a contact needs {match[1]}",
                    hint=f"set the environment variable {match[1]}, or write the file to VPP_CONTACT_SECRETS_DIR",
                )
            return value

        return _REFERENCE.sub(value_of, self.url.get_secret_value())


class QuietHours(_Part):
    """Hours, in a time zone, in which an owner is notified of critical alerts alone; the rest follows afterwards."""

    start: str = Field(pattern=_CLOCK, alias="from")
    end: str = Field(pattern=_CLOCK, alias="to")
    time_zone: Annotated[str, AfterValidator(check_time_zone)] = "UTC"

    def cover(self, instant: datetime) -> bool:
        """Return whether they hold at a moment; where the end is before the start, they last over midnight."""
        at = local_time(instant, self.time_zone).time().replace(tzinfo=None)
        start, end = time.fromisoformat(self.start), time.fromisoformat(self.end)
        return start <= at < end if start <= end else at >= start or at < end


class Owner(_Part):
    """A person or team that alerts belong to. ``contacts``: None means every contact."""

    contacts: tuple[str, ...] | None = None
    quiet_hours: QuietHours | None = None


class Escalation(_Part):
    """Notify ``to`` too, where nobody has acknowledged ``after_min`` minutes after the first notice."""

    after_min: float = Field(ge=0, le=10_080)
    to: str


class _Scope(_Part):
    codes: tuple[AlertCode, ...] = ()
    zones: tuple[str, ...] = ()
    assets: tuple[str, ...] = ()

    def covers(self, subject: Subject) -> bool:
        """Return whether an alert is of one of the codes, zones and assets that are named."""
        return (
            (not self.codes or subject.code in self.codes)
            and (not self.zones or subject.zone in self.zones)
            and (not self.assets or subject.asset_id in self.assets)
        )


class AlertRule(_Scope):
    """What holds for the alerts that it covers; a property that is None is left to later rules."""

    severities: tuple[Severity, ...] = ()
    severity: Severity | None = None
    owner: str | None = None
    action: str | None = Field(default=None, max_length=200)
    tell: bool | None = None
    tell_end: bool | None = None
    escalate: tuple[Escalation, ...] | None = Field(default=None, max_length=MAX_STEPS)

    def covers(self, subject: Subject) -> bool:
        """Return whether an alert is of one of the codes, zones, assets and severities that are named."""
        return super().covers(subject) and (not self.severities or subject.severity in self.severities)


class MaintenanceWindow(_Scope):
    """Planned work: nobody is notified of alerts whose first slot lies in it."""

    start: AwareDatetime = Field(alias="from")
    end: AwareDatetime = Field(alias="to")
    reason: str = Field(min_length=3, max_length=200)

    def covers(self, subject: Subject) -> bool:
        """Return whether an alert began in the window and is of the codes, zones and assets that are named."""
        return self.start <= subject.slot < self.end and super().covers(subject)


@dataclass(frozen=True, slots=True)
class Subject:
    """What rules and silences look at in an alert."""

    zone: str
    alert_id: str
    code: AlertCode
    severity: Severity
    slot: datetime
    asset_id: str | None = None
    channel: str | None = None

    @staticmethod
    def of(alert: Alert) -> Subject:
        """Return it for an alert."""
        return Subject(
            alert.zone, alert.alert_id, alert.code, alert.severity, alert.slot, alert.asset_id, alert.channel
        )

    @staticmethod
    def of_row(row: Mapping[str, Any]) -> Subject:
        """Return it for a stored alert."""
        code = AlertCode(row["code"] or AlertCode.OTHER)
        return Subject(
            row["zone"], row["alert_id"], code, row["severity"], row["slot"], row["asset_id"], row["channel"]
        )


@dataclass(frozen=True, slots=True)
class Handling:
    """How an alert is handled: ``tell``: people are notified of it; ``tell_end``: also of its end."""

    severity: Severity
    owner: str
    action: str | None
    tell: bool
    tell_end: bool
    escalate: tuple[Escalation, ...]


class AlertRules(_Part):
    """A whole file of rules.

    ``live_within_min``: people are notified of an alert that the broker got within this many minutes of its slot
    (either way): a replay of the past calls nobody. None: of all.
    """

    contacts: dict[str, Contact] = {}
    owners: dict[str, Owner] = {}
    rules: tuple[AlertRule, ...] = ()
    maintenance: tuple[MaintenanceWindow, ...] = ()
    live_within_min: float | None = Field(default=180.0, gt=0)

    @model_validator(mode="after")
    def _names_exist(self) -> AlertRules:
        for name in (*self.contacts, *self.owners):
            if not re.fullmatch(NAME, name):
                raise ValueError(f"the name {name!r} must be small letters, digits, - and _, at most 40")
        for owner, entry in self.owners.items():
            _must_exist(f"owners.{owner}: contact", entry.contacts or (), self.contacts)
        for number, rule in enumerate(self.rules):
            targets = [escalation.to for escalation in rule.escalate or ()]
            _must_exist(f"rules.{number}: escalation to owner", targets, self.owners)
            if rule.owner is not None and self.contacts:
                _must_exist(f"rules.{number}: owner", (rule.owner,), {*self.owners, *_shipped_owners()})
        for number, window in enumerate(self.maintenance):
            if window.start >= window.end:
                raise ValueError(f"maintenance.{number}: from must be before to")
        return self

    def handling(self, subject: Subject) -> Handling:
        """Return how an alert is handled: each property by the first rule that covers it and gives it."""
        fields: dict[str, Any] = {}
        for rule in (*self.rules, *shipped_rules().rules):
            if rule.covers(subject):
                for name in ("severity", "owner", "action", "tell", "tell_end", "escalate"):
                    value = getattr(rule, name)
                    if value is not None:
                        fields.setdefault(name, value)
        severity = fields.get("severity", subject.severity)
        return Handling(
            severity=severity,
            owner=fields.get("owner", "operators"),
            action=fields.get("action", ACTIONS.get(subject.code) if severity != "info" else None),
            tell=fields.get("tell", severity != "info"),
            tell_end=fields.get("tell_end", True),
            escalate=fields.get("escalate", ()),
        )

    def contacts_of(self, owner: str, severity: Severity) -> tuple[str, ...]:
        """Return the contacts by which an owner is notified of alerts of a severity."""
        entry = self.owners.get(owner, Owner())
        names = tuple(self.contacts) if entry.contacts is None else entry.contacts
        return tuple(name for name in names if severity in self.contacts[name].severities)

    def is_quiet(self, owner: str, severity: Severity, now: datetime) -> bool:
        """Return whether an owner's quiet hours keep an alert back now."""
        hours = self.owners.get(owner, Owner()).quiet_hours
        return severity != "critical" and hours is not None and hours.cover(now)

    def in_maintenance(self, subject: Subject) -> MaintenanceWindow | None:
        """Return the maintenance window that an alert began in, None if there is none."""
        return next((window for window in self.maintenance if window.covers(subject)), None)


def _must_exist(kind: str, names: Collection[str], existing: Collection[str]) -> None:
    for name in names:
        if name not in existing:
            raise ValueError(f"{kind} {name!r} does not exist ({nearest_hint(name, sorted(existing))})")


def parse_rules(text: str, name: str) -> AlertRules:
    """Return the rules of a YAML text; ``name`` appears in errors.

    Raises:
        ConfigError: The file is not YAML, or does not fit the schema of alert rules.
    """
    content = read_yaml(text, name)
    try:
        return AlertRules.model_validate({} if content is None else content)
    except ValidationError as error:
        hint = "see docs/guide/alerts.md"
        raise ConfigError(f"{name}: {describe(error, _keys())}", hint=hint) from error


def load_rules(path: Path | None) -> AlertRules:
    """Return the rules in force: those of the user's file, then the defaults; without a file only the defaults.

    Raises:
        ConfigError: The file cannot be read or is wrong.
    """
    if path is None:
        return AlertRules()
    try:
        stamp = path.stat().st_mtime_ns
        return _parsed(path, stamp)
    except OSError as error:
        raise ConfigError(f"cannot read alert rules {path}: {error.strerror}", hint="set VPP_ALERT_RULES") from error


@lru_cache(maxsize=8)
def _parsed(path: Path, _stamp: int) -> AlertRules:
    return parse_rules(text_of(path), path.name)


@lru_cache(maxsize=1)
def shipped_rules() -> AlertRules:
    """Return the rules that come with the package."""
    text = resources.files("vpp").joinpath("_assets", "alert_rules.yaml").read_text(encoding="utf-8")
    return parse_rules(text, "alert_rules.yaml")


def _shipped_owners() -> set[str]:
    return {"operators", *(rule.owner for rule in shipped_rules().rules if rule.owner)}


def _keys() -> set[str]:
    parts = (AlertRules, Contact, Owner, QuietHours, AlertRule, Escalation, MaintenanceWindow)
    return {field.alias or name for part in parts for name, field in part.model_fields.items()}
