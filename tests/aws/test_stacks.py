"""What the synthesised stacks promise: known shape, no finding without a waiver, private, encrypted, least rights."""

import fnmatch
import importlib
import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from deploy.aws.waivers import WAIVERS
from deploy.generators.kubernetes import APPROVAL_READERS
from tests.aws.conftest import OPTIONS, Synthesis
from topologies.runtime.lambda_function import SECRET
from vpp.settings import env_name, keys
from vpp.streams.topics import FEATURES, INPUT_OF, TOPOLOGIES

SNAPSHOT = Path(__file__).with_name("stacks.json")


def resources(synthesis: Synthesis, stack: str, kind: str) -> dict[str, dict[str, Any]]:
    result = synthesis.templates[stack]["Resources"]
    return {name: one["Properties"] for name, one in result.items() if one["Type"] == kind}


def containers(synthesis: Synthesis) -> dict[str, dict[str, Any]]:
    tasks = resources(synthesis, "VppWorkers", "AWS::ECS::TaskDefinition").values()
    return {task["Family"].removeprefix("vpp-"): task["ContainerDefinitions"][0] for task in tasks}


def test_the_shape_of_every_stack_is_the_one_that_was_reviewed(synthesis: Synthesis) -> None:
    shape = {
        stack: dict(sorted(Counter(one["Type"] for one in template["Resources"].values()).items()))
        for stack, template in sorted(synthesis.templates.items())
    }
    assert shape == json.loads(SNAPSHOT.read_text(encoding="utf-8"))


def test_every_finding_of_cdk_nag_has_a_waiver_and_every_waiver_a_finding(synthesis: Synthesis) -> None:
    def waived(rule: str, path: str) -> list[int]:
        name = rule.split("[")[0]
        return [n for n, one in enumerate(WAIVERS) if one.rule == name and fnmatch.fnmatch(path, one.paths)]

    matches = {finding: waived(*finding) for finding in synthesis.findings}
    assert [finding for finding, result in matches.items() if not result] == []
    assert {n for result in matches.values() for n in result} == set(range(len(WAIVERS)))


def test_cfn_lint_finds_nothing(synthesis: Synthesis) -> None:
    files = [str(path) for path in synthesis.folder.glob("*.template.json")]
    # W3005: CDK writes a dependency beside a reference that implies it.
    command = [
        str(Path(sys.executable).with_name("cfn-lint")),
        "--ignore-checks",
        "W3005",
        "--regions",
        "eu-central-1",
        "--",
        *files,
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_every_replica_of_a_step_is_a_service_of_its_own(synthesis: Synthesis) -> None:
    services = resources(synthesis, "VppWorkers", "AWS::ECS::Service").values()
    names = {f"{step}-{ordinal}" for step in INPUT_OF for ordinal in range(OPTIONS.workers)} | {"storage-0"}
    assert {service["ServiceName"] for service in services} == names
    for service in services:
        assert service["DesiredCount"] == 1
        limits = service["DeploymentConfiguration"]
        assert (limits["MinimumHealthyPercent"], limits["MaximumPercent"]) == (0, 100)
        assert service["NetworkConfiguration"]["AwsvpcConfiguration"]["AssignPublicIp"] == "DISABLED"


def test_containers_run_the_pinned_image_without_rights(synthesis: Synthesis) -> None:
    result = containers(synthesis)
    assert {name.rsplit("-", 1)[0] for name in result} == {*TOPOLOGIES, "topics"}
    for container in result.values():
        assert container["Image"] == OPTIONS.image
        assert container["User"] == "10001"
        assert container["ReadonlyRootFilesystem"] is True
        variables = {entry["Name"] for entry in container["Environment"]}
        assert variables <= {env_name(key) for key in keys()}


def test_only_those_who_need_a_secret_get_it(synthesis: Synthesis) -> None:
    holders: dict[str, set[str]] = {}
    for name, container in containers(synthesis).items():
        for secret in container.get("Secrets", ()):
            holders.setdefault(secret["Name"], set()).add(name.rsplit("-", 1)[0])
    assert holders == {
        "VPP_INFLUX__TOKEN": {"storage"},
        # The page runs on Kubernetes and in compose; AWS has the workers alone.
        "VPP_APPROVAL_KEY": set(APPROVAL_READERS) & set(TOPOLOGIES),
        "VPP_SIGNING__KEY": set(TOPOLOGIES),
    }


def test_no_worker_may_write_beyond_its_topics(synthesis: Synthesis) -> None:
    policies = resources(synthesis, "VppWorkers", "AWS::IAM::Policy")
    text = json.dumps([policy for name, policy in policies.items() if name.startswith("plant0TaskRole")])
    assert "/vpp.setpoints" in text
    for foreign in ("/vpp.forecasts", "/vpp.telemetry", "/vpp.audit"):
        assert foreign not in text
    wide = [name for name, policy in policies.items() if '"kafka-cluster:*"' in json.dumps(policy)]
    assert wide == []


def test_data_are_private_and_encrypted(synthesis: Synthesis) -> None:
    (cluster,) = resources(synthesis, "VppBroker", "AWS::MSK::Cluster").values()
    assert cluster["ClientAuthentication"] == {
        "Sasl": {"Iam": {"Enabled": True}},
        "Unauthenticated": {"Enabled": False},
    }
    assert cluster["EncryptionInfo"]["EncryptionInTransit"] == {"ClientBroker": "TLS", "InCluster": True}
    (database,) = resources(synthesis, "VppStore", "AWS::Timestream::InfluxDBInstance").values()
    assert database["PubliclyAccessible"] is False
    (files,) = resources(synthesis, "VppStore", "AWS::EFS::FileSystem").values()
    assert files["Encrypted"] is True
    open_to_all = [
        rule
        for group in resources(synthesis, "VppNetwork", "AWS::EC2::SecurityGroup").values()
        for rule in group.get("SecurityGroupIngress", ())
        if rule.get("CidrIp") == "0.0.0.0/0"
    ]
    assert open_to_all == []


def test_a_down_worker_and_a_slow_step_raise_an_alarm(synthesis: Synthesis) -> None:
    alarms = resources(synthesis, "VppWatch", "AWS::CloudWatch::Alarm").values()
    down = {one["Value"] for alarm in alarms for one in alarm["Dimensions"] if one["Name"] == "ServiceName"}
    slow = {one["Value"] for alarm in alarms for one in alarm["Dimensions"] if one["Name"] == "Consumer Group"}
    assert down == {f"{step}-{ordinal}" for step in INPUT_OF for ordinal in range(OPTIONS.workers)} | {"storage-0"}
    assert slow == {f"vpp-{step}" for step in (*TOPOLOGIES, "inference")}
    assert all(alarm["AlarmActions"] for alarm in alarms)


def test_lambda_reads_rows_of_its_features_and_reports_single_records(synthesis: Synthesis) -> None:
    (mapping,) = resources(synthesis, "VppInference", "AWS::Lambda::EventSourceMapping").values()
    assert mapping["Topics"] == [FEATURES.wire()]
    assert mapping["AmazonManagedKafkaEventSourceConfig"] == {"ConsumerGroupId": "vpp-inference"}
    assert mapping["ProvisionedPollerConfig"] == {"MinimumPollers": 1, "MaximumPollers": OPTIONS.partitions}
    assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert mapping["MaximumRetryAttempts"] == 10
    assert "Alarms" in json.dumps(mapping["DestinationConfig"]["OnFailure"]["Destination"])
    (pattern,) = mapping["FilterCriteria"]["Filters"]
    assert json.loads(pattern["Pattern"]) == {"value": {"spec_hash": ["0123abcd", "4567ef00"]}}


def test_lambda_runs_our_image_with_our_settings_and_no_secret_in_them(synthesis: Synthesis) -> None:
    functions = resources(synthesis, "VppInference", "AWS::Lambda::Function").values()
    (function,) = [one for one in functions if one.get("PackageType") == "Image"]
    module, _, name = function["ImageConfig"]["Command"][0].rpartition(".")
    assert callable(getattr(importlib.import_module(module), name))
    variables = set(function["Environment"]["Variables"]) - {SECRET}
    assert variables <= {env_name(key) for key in keys()}
    assert "VPP_SIGNING__KEY" not in variables
    text = json.dumps(list(resources(synthesis, "VppInference", "AWS::IAM::Policy").values()))
    assert "/vpp.features" in text
    for foreign in ("/vpp.forecasts", "/vpp.setpoints", "/vpp.audit"):
        assert foreign not in text
