"""Checkov on the Kubernetes objects and the Dockerfile: each finding is mended or waived with its reason."""

import json
import os
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.contract.deploy.overlays import OVERLAYS, rendered

pytestmark = [pytest.mark.services, pytest.mark.long_drill]

DOCKERFILE = Path(__file__).resolve().parents[2] / "deploy" / "Dockerfile"
ALL = frozenset({"*"})
BROKER_AND_DATABASE = frozenset({"redpanda", "influxdb"})
# Check of checkov: the objects that may fail it, and the reason.
WAIVERS = {
    "CKV_K8S_8": (BROKER_AND_DATABASE | {"simulate"}, "a restart during recovery would begin it anew; simulate sends"),
    "CKV_K8S_9": (frozenset({"simulate"}), "the simulator sends and is asked nothing"),
    "CKV_K8S_11": (ALL, "a limit of CPU would throttle a slot at its deadline"),
    "CKV_K8S_15": (ALL, "versions are fixed tags; a registry that is down must not stop a restart"),
    "CKV_K8S_22": (BROKER_AND_DATABASE, "the images of Redpanda and InfluxDB write beside their data"),
    "CKV_K8S_35": (frozenset({"influxdb"}), "the image sets the database up from variables; in the overlay dev alone"),
    "CKV_K8S_40": (BROKER_AND_DATABASE, "Redpanda and InfluxDB run as the users that their images are made for"),
    "CKV_K8S_43": (ALL, "an overlay names the digest of the image that it was tested with (`images:`)"),
    "CKV_DOCKER_2": (ALL, "compose, Kubernetes and ECS each have the probes of the process that they start"),
    "CKV_DOCKER_7": (ALL, "the tag is in an ARG, which the check does not read"),
}


def findings(framework: str, path: Path) -> set[tuple[str, str]]:
    """Check and object of every finding."""
    command = [os.environ["VPP_TEST_CHECKOV"], "--file", str(path), "--framework", framework, "--skip-download"]
    done = subprocess.run([*command, "--output", "json"], capture_output=True, text=True, check=False)
    report = json.loads(done.stdout)
    assert report["summary"]["passed"] > 0
    assert report["summary"]["parsing_errors"] == 0
    return {(one["check_id"], one["resource"].rsplit(".", 1)[1]) for one in report["results"]["failed_checks"]}


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> dict[str, set[tuple[str, str]]]:
    folder = tmp_path_factory.mktemp("clone")
    result = {"image": findings("dockerfile", DOCKERFILE)}
    for name, objects in rendered(folder).items():
        path = folder / f"{name}.yaml"
        path.write_text(yaml.safe_dump_all(objects), encoding="utf-8")
        result[name] = findings("kubernetes", path)
    return result


@pytest.mark.parametrize("name", [*OVERLAYS, "image"])
def test_every_finding_is_waived(reports: dict[str, set[tuple[str, str]]], name: str) -> None:
    def is_waived(check: str, resource: str) -> bool:
        names, _reason = WAIVERS.get(check, (frozenset(), ""))
        return names == ALL or resource in names

    assert {finding for finding in reports[name] if not is_waived(*finding)} == set()


def test_every_waiver_has_a_finding(reports: dict[str, set[tuple[str, str]]]) -> None:
    assert {check for report in reports.values() for check, _ in report} == WAIVERS.keys()


def test_a_privileged_container_is_a_finding(tmp_path: Path) -> None:
    overlay = rendered(tmp_path)["production"]
    workload = next(one for one in overlay if one["kind"] == "StatefulSet")
    workload["spec"]["template"]["spec"]["containers"][0]["securityContext"]["privileged"] = True
    path = tmp_path / "objects.yaml"
    path.write_text(yaml.safe_dump_all([workload]), encoding="utf-8")
    assert ("CKV_K8S_16", workload["metadata"]["name"]) in findings("kubernetes", path)
