"""What deploy/compose.yaml promises: real settings, our topics, health checks, pinned images, loopback, no secrets."""

import re
import subprocess
import tomllib
from typing import Any

import jsonschema
import pytest

from deploy.generators.kubernetes import APPROVAL_READERS
from deploy.requirements import requirements
from tests.contract.deploy.compose_file import DEPLOY, ROOT, SCHEMA, filled, read_compose, read_example, variables
from vpp.errors import ConfigError
from vpp.settings import PLACEHOLDER, env_name, keys, load_settings
from vpp.store.influx_client import TOKEN_ACTIONS
from vpp.streams.topics import TOPOLOGIES

COMPOSE = read_compose()
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
EXAMPLE = read_example()
SECRETS = {
    *("VPP_INFLUX__TOKEN", "VPP_APPROVAL_KEY", "VPP_SIGNING__KEY"),
    *("INFLUX_ADMIN_PASSWORD", "GRAFANA_ADMIN_PASSWORD"),
}
GIVEN = EXAMPLE | dict.fromkeys(SECRETS, "8f3a-a-real-one-of-forty-characters-0123")
OURS = {name: service for name, service in SERVICES.items() if "build" in service}
# These end by themselves, or belong to a profile and have no endpoint to ask.
WITHOUT_HEALTH = {"preflight", "topics", "tokens", "simulate", "replay", "ticker", "mcp"}


def test_the_file_has_the_shape_of_a_compose_file() -> None:
    jsonschema.Draft202012Validator(SCHEMA).validate(filled(COMPOSE, GIVEN))


def test_a_misspelt_key_would_be_seen() -> None:
    wrong = COMPOSE | {"services": SERVICES | {"plant": SERVICES["plant"] | {"healtcheck": {}}}}
    with pytest.raises(jsonschema.ValidationError, match="healtcheck"):
        jsonschema.Draft202012Validator(SCHEMA).validate(filled(wrong, GIVEN))


def test_every_topology_is_one_worker() -> None:
    commands = {name: s["command"] for name, s in OURS.items() if "profiles" not in s and name != "tokens"}
    assert commands == {name: ["python", "-m", f"topologies.{name}"] for name in TOPOLOGIES}


@pytest.mark.parametrize("name", SERVICES)
def test_every_vpp_variable_is_a_real_setting(name: str) -> None:
    used = {variable for variable in SERVICES[name].get("environment", {}) if variable.startswith("VPP_")}
    assert used <= {env_name(key) for key in keys()}


@pytest.mark.parametrize("name", OURS)
def test_our_settings_load_in_production(name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    monkeypatch.chdir(tmp_path)
    for variable, value in filled(OURS[name]["environment"], GIVEN).items():
        monkeypatch.setenv(variable, value)
    settings = load_settings()
    assert settings.environment == "production"
    assert settings.kafka.bootstrap_servers == "redpanda:9092"
    assert not settings.kafka.embedded
    assert settings.store.kind == ("influx" if name in {"storage", "mcp", "page", "tokens"} else "sqlite")


def test_every_worker_that_verifies_orders_has_the_approval_key() -> None:
    readers = {name for name in OURS if "VPP_APPROVAL_KEY" in SERVICES[name]["environment"]}
    assert readers == APPROVAL_READERS


def test_every_process_of_ours_signs_and_verifies() -> None:
    assert [name for name in OURS if "VPP_SIGNING__KEY" not in SERVICES[name]["environment"]] == []


def test_the_administrator_of_the_database_is_known_to_nobody_else() -> None:
    holders = {name for name, s in SERVICES.items() if "VPP_INFLUX__TOKEN" in variables(s.get("environment", {}))}
    assert holders == {"preflight", "influxdb", "tokens"}


def test_a_service_has_its_own_token_of_the_database_alone() -> None:
    mounts = {name: [v for v in s.get("volumes", ()) if v.startswith("token-")] for name, s in SERVICES.items()}
    assert {name: own for name, own in mounts.items() if own} == {
        "tokens": [f"token-{service}:/tokens/{service}" for service in TOKEN_ACTIONS],
        "storage": ["token-storage:/tokens/storage:ro"],
        "mcp": ["token-read:/tokens/read:ro"],
        "page": ["token-read:/tokens/read:ro"],
        "grafana": ["token-read:/tokens/read:ro"],
    }
    for name in ("storage", "mcp", "page"):
        folder = mounts[name][0].split(":")[1]
        assert SERVICES[name]["environment"]["VPP_INFLUX__TOKEN_FILE"] == f"{folder}/token"


def test_the_maker_of_tokens_refuses_the_placeholder(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    monkeypatch.chdir(tmp_path)
    for variable, value in filled(
        SERVICES["tokens"]["environment"], GIVEN | {"VPP_INFLUX__TOKEN": PLACEHOLDER}
    ).items():
        monkeypatch.setenv(variable, value)
    with pytest.raises(ConfigError, match="placeholder"):
        load_settings()


@pytest.mark.parametrize("name", sorted(set(SERVICES) - WITHOUT_HEALTH))
def test_what_runs_on_has_a_health_check(name: str) -> None:
    assert "healthcheck" in SERVICES[name]


def test_workers_are_asked_where_they_answer() -> None:
    for name in (*TOPOLOGIES, "alerts"):
        port = SERVICES[name]["environment"]["VPP_METRICS__PORT"]
        assert f"http://127.0.0.1:{port}/healthz" in SERVICES[name]["healthcheck"]["test"][-1]


def test_a_health_check_that_is_waited_for_exists() -> None:
    for name, service in SERVICES.items():
        for other, wait in service.get("depends_on", {}).items():
            ends = wait["condition"] == "service_completed_successfully"
            assert ends == (other in WITHOUT_HEALTH), f"{name} waits for {other}"


@pytest.mark.parametrize("name", SERVICES)
def test_images_are_pinned(name: str) -> None:
    tag = SERVICES[name]["image"].rpartition(":")[2]
    assert re.fullmatch(r"v?\d+\.\d+\.\d+", tag)


def test_the_database_is_the_one_of_the_service_tests() -> None:
    go_mod = (ROOT / "tests" / "services" / "go.mod").read_text()
    version = re.search(r"influxdata/influxdb/v2 v([\d.]+)", go_mod)
    assert version is not None
    assert SERVICES["influxdb"]["image"] == f"influxdb:{version[1]}"


def test_ports_are_published_on_loopback_only() -> None:
    published = [port for service in SERVICES.values() for port in service.get("ports", ())]
    assert published
    assert [port for port in published if not port.startswith("127.0.0.1:")] == []
    hosts = [port.rsplit(":", 1)[0] for port in published]
    assert len(set(hosts)) == len(hosts)


def test_nothing_gains_privileges() -> None:
    assert {name for name, s in SERVICES.items() if s["security_opt"] != ["no-new-privileges:true"]} == set()
    assert {
        name for name, service in OURS.items() if not service["read_only"] or service["cap_drop"] != ["ALL"]
    } == set()


def test_workers_drain_before_they_are_killed_and_come_back() -> None:
    for name in TOPOLOGIES:
        assert SERVICES[name]["stop_grace_period"] == "30s"
        assert SERVICES[name]["restart"] == "unless-stopped"
        assert SERVICES[name]["init"] is True


def test_state_outlives_its_container() -> None:
    saved = {"redpanda": "/var/lib/redpanda/data", "influxdb": "/var/lib/influxdb2", "grafana": "/var/lib/grafana"}
    saved |= dict.fromkeys(TOPOLOGIES, "/data")
    for name, folder in saved.items():
        mounts = {volume.split(":")[1]: volume.split(":")[0] for volume in SERVICES[name]["volumes"]}
        assert mounts[folder] in COMPOSE["volumes"]


def test_what_is_mounted_from_the_repository_is_there_and_read_only() -> None:
    volumes = [volume for service in SERVICES.values() for volume in filled(service.get("volumes", []), GIVEN)]
    mounts = [volume for volume in volumes if volume.startswith(".")]
    assert mounts
    for mount in mounts:
        source, _, mode = mount.split(":")
        assert mode == "ro"
        assert (DEPLOY / source).exists()


def test_networks_are_declared_and_only_what_needs_the_database_reaches_it() -> None:
    members = {name for name, service in SERVICES.items() if "store" in service.get("networks", ())}
    assert members == {"influxdb", "tokens", "grafana", "storage", "mcp", "page"}
    used = {network for service in SERVICES.values() for network in service.get("networks", ())}
    assert used == set(COMPOSE["networks"])


def test_secrets_come_from_the_environment_alone() -> None:
    for name, service in SERVICES.items():
        for variable, value in service.get("environment", {}).items():
            if re.search("(TOKEN|PASSWORD|SECRET|KEY)$", variable):
                assert re.fullmatch(r"\$\{.*\}", value), f"{name}: {variable}"
                assert variables(value) <= SECRETS


def test_the_example_names_every_variable_and_holds_no_secret() -> None:
    assert set(EXAMPLE) == variables(COMPOSE)
    assert {name for name, value in EXAMPLE.items() if value == PLACEHOLDER} == SECRETS


def test_a_variable_without_a_default_is_asked_for() -> None:
    for secret in SECRETS:
        with pytest.raises(KeyError, match=secret):
            filled(SERVICES["preflight"], {name: value for name, value in GIVEN.items() if name != secret})


class TestPreflight:
    @staticmethod
    def run(given: dict[str, str]) -> subprocess.CompletedProcess[str]:
        service = filled(SERVICES["preflight"], given)
        command = [*service["entrypoint"], *service["command"]]
        return subprocess.run(command, env=service["environment"], capture_output=True, text=True, check=False)

    def test_real_secrets_pass(self) -> None:
        assert self.run(GIVEN).returncode == 0

    @pytest.mark.parametrize("secret", sorted(SECRETS))
    def test_a_placeholder_stops_everything(self, secret: str) -> None:
        done = self.run(GIVEN | {secret: PLACEHOLDER})
        assert done.returncode == 1
        assert done.stderr == f"deploy/.env: set {secret}\n"


class TestImage:
    dockerfile = (DEPLOY / "Dockerfile").read_text()
    ignore = (ROOT / ".dockerignore").read_text().splitlines()

    def test_its_base_is_pinned(self) -> None:
        assert re.search(r"^ARG PYTHON=python:\d+\.\d+\.\d+-slim-\w+$", self.dockerfile, re.MULTILINE)
        assert set(re.findall(r"^FROM (\S+)", self.dockerfile, re.MULTILINE)) == {"${PYTHON}"}

    def test_it_runs_as_nobody_in_particular(self) -> None:
        assert re.findall(r"^USER (.+)$", self.dockerfile, re.MULTILINE) == ["10001:10001"]

    def test_dependencies_are_the_pinned_ones(self) -> None:
        installs = [line for line in self.dockerfile.splitlines() if "pip --python" in line]
        assert all("-c constraints.txt" in line or "--no-deps" in line for line in installs)

    def test_kernels_are_compiled_for_the_processor_they_are_looked_up_for(self) -> None:
        assert re.findall(r"NUMBA_CPU_NAME=(\S+)", self.dockerfile) == ["generic", "generic"]
        baked, used = re.findall(r"NUMBA_CACHE_DIR=(\S+)", self.dockerfile)
        assert f"cp -r {baked}" in (DEPLOY / "entrypoint.sh").read_text()
        assert used.startswith("/tmp/")

    def test_it_lacks_pip(self) -> None:
        last = self.dockerfile.rpartition("FROM ")[2]
        assert "pip uninstall -q -y pip" in last
        assert "install --" not in last

    def test_the_context_holds_what_is_copied(self) -> None:
        copies = re.findall(r"^COPY (?!--from)(?:--\S+ )?(.+) \S+$", self.dockerfile, re.MULTILINE)
        sources = {source for line in copies for source in line.split()}
        assert self.ignore[1] == "*"
        assert {f"!{source}" for source in sources} == {line for line in self.ignore if line.startswith("!")}
        assert {source for source in sources if not (ROOT / source).exists()} == set()

    def test_it_holds_every_package_of_the_project_but_the_embedded_broker(self) -> None:
        text = (ROOT / "pyproject.toml").read_text()
        result = requirements(text)
        assert "quixstreams>=3.28,<3.29" in result
        assert [one for one in result if one.startswith("calfkit")] == []
        assert len(result) == len(tomllib.loads(text)["project"]["dependencies"]) - 1
