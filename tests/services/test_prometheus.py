"""The Prometheus rules pass their own tests in promtool, and each speaks of metrics that workers expose."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from deploy.generators.prometheus_rules import groups
from topologies.runtime.metrics import WorkerMetrics

FOLDER = Path(__file__).parents[2] / "deploy" / "prometheus"
TESTS = sorted(FOLDER.glob("*.test.yaml"))
RULES = [rule for group in groups() for rule in group["rules"]]


def promtool(*arguments: str) -> str:
    tool = shutil.which("promtool")
    assert tool, "promtool is missing: apt-get install prometheus"
    done = subprocess.run([tool, *arguments], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.mark.services
def test_every_rule_is_one_that_prometheus_takes() -> None:
    assert f"{len(RULES)} rules found" in promtool("check", "rules", str(FOLDER / "rules.yaml"))


@pytest.mark.services
@pytest.mark.parametrize("path", TESTS, ids=lambda path: path.name)
def test_the_rules_fire_when_they_should_and_only_then(path: Path) -> None:
    assert "SUCCESS" in promtool("test", "rules", str(path))


def test_every_alert_has_a_test() -> None:
    tests = "".join(path.read_text(encoding="utf-8") for path in TESTS)
    named = set(re.findall(r"alertname:? ?=? ?\"?(Vpp\w+)", tests))
    assert {rule["alert"] for rule in RULES if "alert" in rule} == named


def test_rules_speak_of_what_workers_expose() -> None:
    exposed = set()
    for family in WorkerMetrics("plant").registry.collect():
        suffixes = {"counter": ("_total",), "histogram": ("_bucket", "_count", "_sum")}.get(family.type, ("",))
        exposed |= {family.name + suffix for suffix in suffixes}
    used = {name for rule in RULES for name in re.findall(r"\bvpp_\w+", rule["expr"])}
    assert used
    assert used <= exposed


def test_the_operator_gets_the_same_rules() -> None:
    manifest = FOLDER.parent / "k8s" / "components" / "monitoring" / "rules.yaml"
    assert yaml.safe_load(manifest.read_text(encoding="utf-8"))["spec"]["groups"] == groups()
