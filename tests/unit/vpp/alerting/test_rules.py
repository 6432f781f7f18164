"""Rules of alerts: what matches first counts, and a file that is wrong says where."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.worlds.alerting.records import T0, alert, rules_of
from vpp.alerting.rules import AlertRules, Handling, QuietHours, Subject, load_rules, parse_rules, shipped_rules
from vpp.errors import ConfigError
from vpp.messages import AlertCode


def handled(rules: AlertRules, **fields: object) -> Handling:
    return rules.handling(Subject.of(alert(**fields)))  # type: ignore[arg-type]


class TestDefaults:
    def test_each_code_has_an_owner(self) -> None:
        owners = {code: handled(AlertRules(), code=code).owner for code in AlertCode}
        assert owners[AlertCode.CAP_BREACH] == "operators"
        assert owners[AlertCode.ATTACK_FORGED] == "security"
        assert owners[AlertCode.FLAT] == "metering"
        assert owners[AlertCode.ASSET_DERATED] == "assets"
        assert owners[AlertCode.SKILL_LOST] == "models"

    def test_warnings_are_reported_and_notes_are_not(self) -> None:
        assert handled(AlertRules()).tell
        assert not handled(AlertRules(), severity="info").tell
        assert handled(AlertRules(), code=AlertCode.HOLD, severity="info").tell

    def test_the_action_is_that_of_the_code(self) -> None:
        assert handled(AlertRules()).action == "Check the limits and the fleet"
        assert handled(AlertRules(), severity="info").action is None


def test_each_property_is_that_of_the_first_rule_that_gives_it() -> None:
    rules = rules_of(
        rules=[
            {"zones": ["Z"], "codes": ["cap_breach"], "severity": "critical"},
            {"codes": ["cap_breach"], "severity": "info", "action": "Call the shift engineer"},
        ]
    )
    result = handled(rules)
    assert (result.severity, result.action, result.owner) == ("critical", "Call the shift engineer", "operators")
    assert handled(rules, zone="Y").severity == "info"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("rules: [{codes: [cap_breech]}]", "cap_breach", id="code"),
        pytest.param("contact: {}", "did you mean contacts?", id="key"),
        pytest.param("owners: {ops: {contacts: [desk]}}", "contact 'desk' does not exist", id="contact"),
        pytest.param("contacts: {Desk: 'json://x'}", "small letters", id="name"),
        pytest.param("rules: [{escalate: [{after_min: 5, to: boss}]}]", "owner 'boss' does not exist", id="escalation"),
        pytest.param(
            "contacts: {d: 'json://x'}\nrules: [{owner: operatrs}]", "did you mean operators?", id="owner of a rule"
        ),
        pytest.param(
            "owners: {ops: {quiet_hours: {from: '22:00', to: '25:00'}}}", "owners.ops.quiet_hours.to", id="clock"
        ),
        pytest.param(
            "owners: {ops: {quiet_hours: {from: '22:00', to: '06:00', time_zone: Mars}}}",
            "unknown time zone",
            id="zone",
        ),
        pytest.param(
            "maintenance: [{from: 2026-01-02T00:00:00Z, to: 2026-01-01T00:00:00Z, reason: works}]",
            "before",
            id="window",
        ),
        pytest.param("rules: [{severity: grave}]", "rules.0.severity", id="severity"),
        pytest.param("live_within_min: -1", "live_within_min must be above 0", id="number"),
    ],
)
def test_a_file_that_is_wrong_says_where(text: str, expected: str) -> None:
    with pytest.raises(ConfigError) as refused:
        parse_rules(text, "alerts.yaml")
    assert expected in f"{refused.value} {refused.value.hint}"
    assert str(refused.value).startswith("alerts.yaml: ")


def test_quiet_hours_last_over_midnight_on_the_clock_of_their_zone() -> None:
    hours = QuietHours.model_validate({"from": "22:00", "to": "06:00", "time_zone": "Europe/London"})
    at = {hour: hours.cover(datetime(2026, 7, 1, hour, tzinfo=UTC)) for hour in (4, 5, 12, 20, 21)}
    assert at == {4: True, 5: False, 12: False, 20: False, 21: True}  # London is an hour ahead in July


def test_addresses_take_secrets_from_the_environment_and_never_show_them() -> None:
    rules = parse_rules("contacts: {chat: 'slack://${CHAT_TOKEN}/ops'}", "alerts.yaml")
    contact = rules.contacts["chat"]
    assert contact.address({"CHAT_TOKEN": "T1"}) == "slack://T1/ops"
    with pytest.raises(ConfigError, match="CHAT_TOKEN"):
        contact.address({})
    assert "slack" not in repr(rules)


def test_the_file_is_read_again_when_it_changes(tmp_path: Path) -> None:
    path = tmp_path / "alerts.yaml"
    path.write_text("live_within_min: 10")
    assert load_rules(path).live_within_min == 10
    path.write_text("live_within_min: 100")
    import os

    os.utime(path, (1, 1))
    assert load_rules(path).live_within_min == 100
    with pytest.raises(ConfigError, match="cannot read"):
        load_rules(tmp_path / "none.yaml")
    assert load_rules(None) == AlertRules()


def test_a_maintenance_window_covers_what_began_in_it() -> None:
    window = {"from": "2026-03-04T12:00:00Z", "to": "2026-03-04T13:00:00Z", "reason": "meter swap", "zones": ["Z"]}
    rules = rules_of(maintenance=[window])
    assert rules.in_maintenance(Subject.of(alert())) is not None
    assert rules.in_maintenance(Subject.of(alert(slot=T0.replace(hour=13)))) is None
    assert rules.in_maintenance(Subject.of(alert(zone="Y"))) is None
    assert shipped_rules().maintenance == ()
