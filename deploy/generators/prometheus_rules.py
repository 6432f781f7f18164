"""The Prometheus rules: stalled workers, error budgets, money and refusals, from the metrics of the workers."""

from __future__ import annotations

from typing import Any

from deploy.generators.kubernetes import PART_OF, documents
from vpp.streams.topics import TOPOLOGIES

LATE_S = 10.0
"""A live slot counts as decided in time when the plant writes within so many seconds of the closing record."""
IN_TIME = 0.999
"""Objective: share of live slots decided in time, over 28 days."""
REFLEX_SHARE = 0.005
COVERAGE = (0.86, 0.94)
"""Objective: share of actuals inside the 90 % band over 7 days."""
WINDOWS = ("5m", "30m", "1h", "6h")

Rule = dict[str, Any]


def rules_yaml() -> str:
    """Return the file that Prometheus loads."""
    return documents([{"groups": groups()}])


def rules_manifest() -> str:
    """Return the same rules for the Prometheus operator."""
    metadata = {"name": "vpp-rules", "labels": PART_OF}
    kind = {"apiVersion": "monitoring.coreos.com/v1", "kind": "PrometheusRule", "metadata": metadata}
    return documents([{**kind, "spec": {"groups": groups()}}])


def groups() -> list[dict[str, Any]]:
    """Return the groups of rules."""
    return [
        {"name": "vpp-objectives", "rules": [*(_late_share(window) for window in WINDOWS), *_objectives()]},
        {"name": "vpp-workers", "rules": _workers()},
        {"name": "vpp-plant", "rules": _plant()},
    ]


def _late_share(window: str) -> Rule:
    live = 'topology="plant",mode="live"'
    in_time = f'sum(rate(vpp_age_seconds_bucket{{{live},le="{LATE_S}"}}[{window}]))'
    return {
        "record": f"vpp:decided_late:ratio_rate{window}",
        "expr": f"1 - {in_time} / sum(rate(vpp_age_seconds_count{{{live}}}[{window}]))",
    }


def _objectives() -> list[Rule]:
    covered = "sum by (zone, target) (increase(vpp_forecast_covered_total[7d]))"
    scored = "sum by (zone, target) (increase(vpp_forecast_scored_total[7d]))"
    outside = f"{covered} / {scored} < {COVERAGE[0]} or {covered} / {scored} > {COVERAGE[1]}"
    reflex = 'sum by (zone) (increase(vpp_slots_decided_total{outcome="reflex"}[1d]))'
    decided = "sum by (zone) (increase(vpp_slots_decided_total[1d]))"
    return [
        _burn("VppDecidedLateFast", "critical", 14.4, ("1h", "5m"), "2 % of the month's budget went in an hour"),
        _burn("VppDecidedLateSlow", "warning", 6.0, ("6h", "30m"), "5 % of the month's budget went in six hours"),
        _alert(
            "VppReflexShare",
            "warning",
            f"{reflex} / {decided} > {REFLEX_SHARE}",
            "{{ $labels.zone }}: a reflex decided {{ $value | humanizePercentage }} of the slots of a day",
            wait="15m",
        ),
        _alert(
            "VppCoverage",
            "warning",
            f"({outside}) and {scored} >= 200",
            "{{ $labels.zone }}: {{ $value | humanizePercentage }} of {{ $labels.target }} lay in the 90 % band",
            wait="1h",
        ),
    ]


def _workers() -> list[Rule]:
    at = "topology, topic, partition"
    lag = f"max by ({at}) (vpp_consumer_lag_records) > 0"
    still = f"max by ({at}) (changes(vpp_consumer_committed_offset[5m])) == 0"
    age = 'histogram_quantile(0.99, sum by (topology, le) (rate(vpp_age_seconds_bucket{mode="live"}[5m])))'
    return [
        _alert(
            "VppWorkerStalled",
            "critical",
            f"{lag} and on ({at}) {still}",
            "{{ $labels.topology }}: records of {{ $labels.topic }}/{{ $labels.partition }} wait and none is committed",
            wait="5m",
        ),
        *(
            _alert(
                "VppWorkerMissing",
                "critical",
                f'absent(vpp_messages_total{{topology="{name}"}})',
                f"no worker of {name} is seen",
                wait="5m",
                topology=name,
            )
            for name in TOPOLOGIES
        ),
        _alert(
            "VppSlow",
            "critical",
            f"{age} > {LATE_S}",
            "{{ $labels.topology }}: one live slot in a hundred takes {{ $value | humanizeDuration }}",
            wait="5m",
        ),
        _alert(
            "VppLagging",
            "warning",
            "sum by (topology) (vpp_consumer_lag_records) > 10000",
            "{{ $labels.topology }} is {{ $value }} records behind",
            wait="15m",
        ),
        _alert(
            "VppRecovering",
            "warning",
            "sum by (topology) (vpp_recovery_remaining_records) > 0",
            "{{ $labels.topology }} still restores its state",
            wait="15m",
        ),
        _alert(
            "VppDeadLetters",
            "warning",
            "sum by (topology, reason) (increase(vpp_dead_letters_total[15m])) > 0",
            "{{ $labels.topology }} refused records ({{ $labels.reason }}): vpp topics tail dlq shows why",
        ),
    ]


def _plant() -> list[Rule]:
    money = 'sum by (zone, currency) (increase(vpp_ledger_money_total{{part=~"pnl|penalty_no_action",sign="{}"}}[7d]))'
    unforecast = 'sum by (zone, target) (increase(vpp_forecasts_total{source="none"}[1h]))'
    return [
        _alert(
            "VppReflexes",
            "critical",
            "max by (zone) (vpp_reflexes_in_a_row) >= 3",
            "{{ $labels.zone }}: reflexes decided the last {{ $value }} slots",
        ),
        _alert(
            "VppNoForecast",
            "warning",
            f"{unforecast} > 0",
            "{{ $labels.zone }}: no forecast of {{ $labels.target }}, not even by a fallback",
            wait="15m",
        ),
        _alert(
            "VppWorseThanNoAction",
            "critical",
            f"{money.format('plus')} - {money.format('minus')} < 0",
            "{{ $labels.zone }}: over 7 days the plant made {{ $value }} {{ $labels.currency }} against no action",
            wait="1h",
        ),
    ]


def _burn(name: str, severity: str, factor: float, windows: tuple[str, str], text: str) -> Rule:
    """Return an alarm on the pace at which late decisions use the month up: it must hold over a long and a short time.

    Args:
        name: Of the alert.
        severity: Of the alert.
        factor: Pace; 1 uses the budget of 28 days up in 28 days.
        windows: The long and the short window.
        text: What it means.
    """
    limit = f"> {factor} * {1 - IN_TIME:g}"
    expr = " and ".join(f"vpp:decided_late:ratio_rate{window} {limit}" for window in windows)
    return _alert(name, severity, expr, f"{{{{ $value | humanizePercentage }}}} of live slots decided late: {text}")


def _alert(name: str, severity: str, expr: str, summary: str, *, wait: str | None = None, **labels: str) -> Rule:
    duration = {} if wait is None else {"for": wait}
    return {
        "alert": name,
        "expr": expr,
        **duration,
        "labels": {"severity": severity, **labels},
        "annotations": {"summary": summary},
    }
