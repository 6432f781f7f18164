"""What deploy/k8s promises: strict manifests, our topics and settings, no rights, no secrets, nothing that dangles."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import pytest
import yaml

from deploy.generators.kubernetes import APPROVAL_READERS
from tests.contract.deploy.compose_file import DEPLOY, read_compose
from tests.contract.deploy.kube_schemas import SCHEMAS
from tests.contract.deploy.kustomize import Manifest
from tests.contract.deploy.overlays import K8S, MISSPELLINGS, OVERLAYS, misspelt, rendered
from tests.worlds.secret_volume import write_volume
from vpp.errors import ConfigError
from vpp.settings import PLACEHOLDER, Settings, env_name, keys, load_settings
from vpp.streams.topics import INPUT_OF, TOPICS, TOPOLOGIES

VERSIONS = ("1.32", "1.34", "1.36")
OURS = "smartgrid-ai:0.1.0"
STEPS = {*INPUT_OF}
# Secrets that docs/guide/kubernetes.md asks for; the overlay dev makes vpp-influxdb from a file.
SECRETS = {
    "vpp-influxdb",
    "vpp-approval",
    "vpp-signing",
    "vpp-kafka-ca",
    "vpp-rpk",
    "vpp-mcp-tokens",
    "vpp-page-tokens",
    "vpp-alerts",
    *(f"vpp-kafka-{name}" for name in (*TOPOLOGIES, "mcp", "page", "simulate", "alerts")),
}


@pytest.fixture(scope="module")
def overlays(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Manifest]]:
    return rendered(tmp_path_factory.mktemp("clone"))


@pytest.fixture(params=OVERLAYS)
def objects(request: pytest.FixtureRequest, overlays: dict[str, list[Manifest]]) -> list[Manifest]:
    return overlays[request.param]


def check(manifest: Manifest, version: str) -> None:
    schema = SCHEMAS.get(manifest["kind"])
    if schema is None:
        kubernetes_validate.validate(manifest, version, strict=True)
    else:
        jsonschema.Draft202012Validator(schema).validate(manifest)


def named(objects: list[Manifest], kind: str, name: str) -> Manifest:
    (result,) = (one for one in objects if one["kind"] == kind and one["metadata"]["name"] == name)
    return result


def pods(objects: list[Manifest]) -> Iterator[tuple[str, Manifest]]:
    """Name and pod template of every object that starts pods."""
    for one in objects:
        if "template" in one.get("spec", {}):
            yield one["metadata"]["name"], one["spec"]["template"]


def containers(objects: list[Manifest]) -> Iterator[tuple[str, Manifest]]:
    for name, pod in pods(objects):
        for container in [*pod["spec"].get("initContainers", ()), *pod["spec"]["containers"]]:
            yield name, container


def references(part: Any) -> Iterator[tuple[str, str]]:
    """Kind and name of every object that a part of a pod refers to."""
    if isinstance(part, list):
        for one in part:
            yield from references(one)
    if isinstance(part, dict):
        for key, value in part.items():
            if key in {"secretKeyRef", "secretRef"}:
                yield "Secret", value["name"]
            elif key == "secret":
                yield "Secret", value.get("secretName") or value["name"]
            elif key in {"configMapRef", "configMap"}:
                yield "ConfigMap", value["name"]
            elif key == "persistentVolumeClaim":
                yield "PersistentVolumeClaim", value["claimName"]
            else:
                yield from references(value)


def environment(objects: list[Manifest], container: Manifest) -> dict[str, str]:
    """The environment that the container would get; no variable holds a secret."""
    result: dict[str, str] = {}
    for source in container.get("envFrom", ()):
        result |= named(objects, "ConfigMap", source["configMapRef"]["name"])["data"]
    for entry in container["env"]:
        if "value" in entry:
            result[entry["name"]] = entry["value"]
        else:
            assert entry["valueFrom"]["fieldRef"]["fieldPath"] == "metadata.labels['apps.kubernetes.io/pod-index']"
            result[entry["name"]] = "1"
    return result


def secret_files(pod: Manifest, secrets: dict[str, str]) -> dict[str, str]:
    """The files in the pod's folder of secrets, from the values of secrets by ``NAME/KEY``."""
    (volume,) = (volume["projected"] for volume in pod["spec"]["volumes"] if volume["name"] == "secrets")
    assert volume["defaultMode"] == 0o440
    files: dict[str, str] = {}
    for source in volume["sources"]:
        secret = source["secret"]
        for item in secret["items"]:
            value = secrets.get(f"{secret['name']}/{item['key']}")
            if value is not None:
                files[item["path"]] = value
            else:
                assert secret.get("optional"), f"{secret} is missing"
    return files


def settings_of(
    monkeypatch: pytest.MonkeyPatch, folder: Path, objects: list[Manifest], pod: Manifest, secrets: dict[str, str]
) -> Settings:
    """The settings that the pod's container would load."""
    (container,) = pod["spec"]["containers"]
    variables = environment(objects, container)
    mounted = next(mount["mountPath"] for mount in container["volumeMounts"] if mount["name"] == "secrets")
    assert variables["VPP_SECRETS_DIR"] == mounted
    write_volume(folder / "secrets", secret_files(pod, secrets))
    return loaded(monkeypatch, folder, variables | {"VPP_SECRETS_DIR": str(folder / "secrets")})


def loaded(monkeypatch: pytest.MonkeyPatch, folder: Path, variables: dict[str, str]) -> Settings:
    monkeypatch.chdir(folder)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return load_settings()


REAL = {
    "vpp-influxdb/token": "8f3a-a-real-one",
    "vpp-influxdb/read-token": "8f3a-another",
    "vpp-approval/key": "8f3a-a-real-one-of-forty-characters-0123",
    "vpp-signing/key": "8f3a-another-one-of-forty-characters-0123",
}


@pytest.mark.parametrize("version", VERSIONS)
def test_every_object_is_valid_to_the_last_field(objects: list[Manifest], version: str) -> None:
    for manifest in objects:
        check(manifest, version)


@pytest.mark.parametrize(("kind", "path", "right", "wrong"), MISSPELLINGS)
def test_a_misspelt_field_is_refused(
    overlays: dict[str, list[Manifest]], kind: str, path: tuple[Any, ...], right: str, wrong: str
) -> None:
    manifest = misspelt(overlays["production"], kind, path, right, wrong)
    with pytest.raises(jsonschema.ValidationError):
        check(manifest, VERSIONS[-1])


def test_every_topology_runs_and_the_stateful_ones_keep_their_volume(objects: list[Manifest]) -> None:
    assert {one["metadata"]["name"] for one in objects if one["kind"] == "StatefulSet"} >= STEPS
    for name in TOPOLOGIES:
        workload = named(objects, "StatefulSet" if name in STEPS else "Deployment", name)
        (container,) = workload["spec"]["template"]["spec"]["containers"]
        assert container["args"] == ["python", "-m", f"topologies.{name}"]
        if name in STEPS:
            assert "VPP_KAFKA__WORKER_ID" in {entry["name"] for entry in container["env"]}
            assert workload["spec"]["podManagementPolicy"] == "Parallel"
            assert workload["spec"]["volumeClaimTemplates"][0]["metadata"]["name"] == "state"
            assert {"name": "state", "mountPath": "/data"} in container["volumeMounts"]


def test_only_stateless_steps_scale_by_themselves(overlays: dict[str, list[Manifest]]) -> None:
    scaled = [one for one in overlays["production"] if one["kind"] == "ScaledObject"]
    assert [one["spec"]["scaleTargetRef"]["name"] for one in scaled] == ["storage", "mcp"]
    for name in ("storage", "mcp"):
        assert "replicas" not in named(overlays["production"], "Deployment", name)["spec"]
    settings = named(overlays["production"], "ConfigMap", "vpp-settings")["data"]
    trigger = scaled[0]["spec"]["triggers"][0]["metadata"]
    assert trigger["consumerGroup"] == Settings().group("storage")
    assert trigger["bootstrapServers"] == settings["VPP_KAFKA__BOOTSTRAP_SERVERS"]
    assert scaled[0]["spec"]["maxReplicaCount"] == int(settings["VPP_KAFKA__PARTITIONS"])


def test_no_step_has_more_workers_than_partitions(objects: list[Manifest]) -> None:
    partitions = int(named(objects, "ConfigMap", "vpp-settings")["data"]["VPP_KAFKA__PARTITIONS"])
    assert all(1 <= named(objects, "StatefulSet", name)["spec"]["replicas"] <= partitions for name in STEPS)


def test_workers_are_asked_where_they_answer(objects: list[Manifest]) -> None:
    for name, container in containers(objects):
        if name in (*TOPOLOGIES, "alerts"):
            paths = {probe: container[probe]["httpGet"]["path"] for probe in container if probe.endswith("Probe")}
            assert paths == {"startupProbe": "/healthz", "livenessProbe": "/healthz", "readinessProbe": "/readyz"}
            port = environment(objects, container)["VPP_METRICS__PORT"]
            assert container["ports"] == [{"name": "metrics", "containerPort": int(port)}]
            assert container["startupProbe"]["periodSeconds"] * container["startupProbe"]["failureThreshold"] == 300


@pytest.mark.parametrize("name", ["mcp", "page"])
def test_a_server_answers_its_probes_and_its_service(overlays: dict[str, list[Manifest]], name: str) -> None:
    objects = overlays["production"]
    service = named(objects, "Service", name)
    (container,) = named(objects, "Deployment", name)["spec"]["template"]["spec"]["containers"]
    variables = environment(objects, container)
    hosts = variables[f"VPP_{name.upper()}__ALLOWED_HOSTS"].split(",")
    assert f"{name}.{service['metadata']['namespace']}.svc" in hosts
    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
        assert container[probe]["httpGet"]["httpHeaders"][0]["value"] in hosts
    port = int(variables[f"VPP_{name.upper()}__PORT"])
    assert service["spec"]["ports"][0]["port"] == container["ports"][0]["containerPort"] == port
    mounts = {mount["mountPath"] for mount in container["volumeMounts"]}
    assert str(Path(variables[f"VPP_{name.upper()}__TOKENS"]).parent) in mounts
    if name == "mcp":
        assert variables["VPP_MCP__PROFILE"] == "read"


def test_every_container_runs_without_rights(objects: list[Manifest]) -> None:
    for name, pod in pods(objects):
        assert pod["spec"]["automountServiceAccountToken"] is False, name
        assert pod["spec"]["enableServiceLinks"] is False, name
        security = pod["spec"]["securityContext"]
        assert security["runAsNonRoot"] is True
        assert security["seccompProfile"] == {"type": "RuntimeDefault"}
        if any(container["image"] == OURS for container in pod["spec"]["containers"]):
            assert (security["runAsUser"], security["runAsGroup"], security["fsGroup"]) == (10001, 10001, 10001)
    for name, container in containers(objects):
        context = container["securityContext"]
        assert context["allowPrivilegeEscalation"] is False, name
        assert context["capabilities"] == {"drop": ["ALL"]}, name
        assert {"memory", "ephemeral-storage"} <= container["resources"]["limits"].keys(), name
        if container["image"] == OURS:
            assert context["readOnlyRootFilesystem"] is True, name


def test_images_are_those_of_the_compose_file(objects: list[Manifest]) -> None:
    reference = {service["image"] for service in read_compose()["services"].values()}
    assert {container["image"] for _, container in containers(objects)} <= reference
    assert OURS in reference


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_settings_load_in_production(
    overlays: dict[str, list[Manifest]], overlay: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    objects = overlays[overlay]
    for name, pod in pods(objects):
        (container,) = pod["spec"]["containers"]
        if container["image"] != OURS:
            continue
        variables = environment(objects, container)
        assert {variable for variable in variables if variable.startswith("VPP_")} <= {env_name(key) for key in keys()}
        with monkeypatch.context() as patch:
            settings = settings_of(patch, tmp_path / name, objects, pod, REAL)
        assert settings.environment == "production"
        assert settings.kafka.bootstrap_servers
        assert settings.kafka.worker_id == ("1" if name in STEPS else None)
        assert settings.store.kind == ("influx" if name in {"storage", "mcp", "page"} else "sqlite")
        assert settings.signing.key is not None
        assert settings.signing.key.get_secret_value() == REAL["vpp-signing/key"]
        assert (settings.approval_key is not None) == (name in APPROVAL_READERS)
        if settings.store.kind == "influx":
            token = REAL["vpp-influxdb/token" if name == "storage" else "vpp-influxdb/read-token"]
            assert settings.influx.token.get_secret_value() == token


@pytest.mark.parametrize("secret", ["vpp-influxdb/token", "vpp-kafka-storage/password"])
def test_a_placeholder_is_refused(
    overlays: dict[str, list[Manifest]], secret: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    objects = overlays["production"]
    pod = named(objects, "Deployment", "storage")["spec"]["template"]
    with pytest.raises(ConfigError, match="placeholder"):
        settings_of(monkeypatch, tmp_path, objects, pod, REAL | {secret: PLACEHOLDER})


def test_no_variable_holds_a_secret(objects: list[Manifest]) -> None:
    for name, container in containers(objects):
        if name != "influxdb":  # the database of the overlay dev is set up by its image, from variables
            assert not [entry for entry in container.get("env", ()) if "secretKeyRef" in entry.get("valueFrom", {})]
            assert not [source for source in container.get("envFrom", ()) if "secretRef" in source], name


def test_the_topics_job_gives_rpk_its_login_from_files(objects: list[Manifest], tmp_path: Path) -> None:
    pod = named(objects, "Job", "topics")["spec"]["template"]
    (container,) = pod["spec"]["containers"]
    variables = {entry["name"]: entry["value"] for entry in container["env"]}
    mounts = {mount["mountPath"]: mount["name"] for mount in container["volumeMounts"]}
    volumes = {volume["name"]: volume for volume in pod["spec"]["volumes"]}
    assert volumes[mounts[variables["RPK_SECRETS_DIR"]]]["secret"]["secretName"] == "vpp-rpk"
    login = {"RPK_USER": "admin", "RPK_PASS": 'a "word" of $many signs'}
    write_volume(tmp_path / "login", login)
    calls = tmp_path / "calls"
    rpk = tmp_path / "rpk"
    rpk.write_text(f'#!/bin/sh\nprintf "%s|%s|%s\\n" "$RPK_USER" "$RPK_PASS" "$3" >> "{calls}"\n', encoding="utf-8")
    rpk.chmod(0o755)
    for folder, user in ((tmp_path / "login", login), (tmp_path / "none", {"RPK_USER": "", "RPK_PASS": ""})):
        given = {"RPK_SECRETS_DIR": str(folder), "VPP_KAFKA__BOOTSTRAP_SERVERS": "127.0.0.1:9"}
        environment = {"PATH": f"{tmp_path}:/usr/bin:/bin", **given}
        subprocess.run(["/bin/sh", str(DEPLOY / "create-topics.sh")], env=environment, check=True)
        lines = calls.read_text(encoding="utf-8").splitlines()
        calls.unlink()
        assert {line.rpartition("|")[0] for line in lines} == {"|".join(user.values())}
        assert len(lines) == len({line.rpartition("|")[2] for line in lines}) == len(TOPICS) + len(INPUT_OF)


def test_no_secret_stands_in_a_file() -> None:
    for path in K8S.rglob("*.yaml"):
        for document in yaml.safe_load_all(path.read_text(encoding="utf-8")):
            assert document["kind"] != "Secret", path
    lines = (K8S / "overlays" / "dev" / "secrets.env.example").read_text(encoding="utf-8").splitlines()
    assert {line.partition("=")[2] for line in lines if not line.startswith("#")} == {PLACEHOLDER}


def test_what_is_referred_to_exists_or_is_asked_for(objects: list[Manifest]) -> None:
    have = {(one["kind"], one["metadata"]["name"]) for one in objects}
    for name, pod in pods(objects):
        mounts = {
            mount["name"] for container in pod["spec"]["containers"] for mount in container.get("volumeMounts", ())
        }
        claims = {"state"} if name in {*STEPS, "simulate"} else {"data"} if name in {"redpanda", "influxdb"} else set()
        assert mounts == {volume["name"] for volume in pod["spec"].get("volumes", ())} | claims, name
        for kind, reference in references(pod):
            made = (kind, reference) in have
            assert made or reference in (SECRETS if kind == "Secret" else {"vpp-input"}), f"{name}: {kind} {reference}"


def test_selectors_select_their_pods(objects: list[Manifest]) -> None:
    labels = {name: pod["metadata"]["labels"] for name, pod in pods(objects)}
    for one in objects:
        name, spec = one["metadata"]["name"], one.get("spec", {})
        if one["kind"] in {"StatefulSet", "Deployment", "PodDisruptionBudget"}:
            assert spec["selector"]["matchLabels"].items() <= labels[name].items()
        if one["kind"] == "Service":
            assert spec["selector"].items() <= labels[name].items()
        if one["kind"] == "StatefulSet":
            assert named(objects, "Service", spec["serviceName"])["spec"]["clusterIP"] == "None"


def test_all_is_denied_and_only_storage_and_readers_reach_the_database(objects: list[Manifest]) -> None:
    policies = {one["metadata"]["name"]: one["spec"] for one in objects if one["kind"] == "NetworkPolicy"}
    assert policies["deny-all"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    (members,) = policies["reach-influxdb"]["podSelector"]["matchExpressions"]
    assert members["values"] == ["storage", "mcp", "page"]


def test_the_guide_asks_for_every_secret() -> None:
    guide = (DEPLOY.parent / "docs" / "guide" / "kubernetes.md").read_text(encoding="utf-8")
    written = {name for name in SECRETS if not name.startswith("vpp-kafka-") or name == "vpp-kafka-ca"} | {"vpp-keda"}
    assert written <= set(re.findall(r"vpp-[a-z-]+", guide))
