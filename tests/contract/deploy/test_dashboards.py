"""What holds for every dashboard without a database: unique ids, units, real measurements, tags and fields."""

import json
import re
from pathlib import Path

import pytest
import yaml

from deploy.grafana.build import dashboards
from deploy.grafana.panels import UID
from vpp.store.influx_line_protocol import field_columns, tag_columns
from vpp.store.tables import BY_NAME

ROOT = Path(__file__).resolve().parents[3]
PROVISIONING = ROOT / "deploy" / "grafana" / "provisioning"
DASHBOARDS = {name: json.loads(text) for name, text in dashboards().items()}
PANELS = [
    pytest.param(panel, id=f"{name}-{panel['id']}-{panel['title']}")
    for name, dashboard in DASHBOARDS.items()
    for panel in dashboard["panels"]
    if panel["type"] != "row"
]


def queries_of(panel: dict) -> list[str]:
    return [target["query"] for target in panel["targets"]]


def test_dashboards_have_a_uid_of_their_own() -> None:
    uids = [dashboard["uid"] for dashboard in DASHBOARDS.values()]
    assert len(set(uids)) == len(uids)


@pytest.mark.parametrize("name", DASHBOARDS)
def test_panels_have_an_id_of_their_own_and_do_not_overlap(name: str) -> None:
    panels = DASHBOARDS[name]["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    cells = [
        (x, y)
        for spot in (panel["gridPos"] for panel in panels)
        for x in range(spot["x"], spot["x"] + spot["w"])
        for y in range(spot["y"], spot["y"] + spot["h"])
    ]
    assert len(set(cells)) == len(cells)
    assert max(x for x, _ in cells) < 24


@pytest.mark.parametrize("panel", PANELS)
def test_a_panel_says_what_it_shows_and_in_which_unit(panel: dict) -> None:
    assert panel["title"]
    assert panel["description"].endswith(".")
    assert panel["fieldConfig"]["defaults"]["unit"]


@pytest.mark.parametrize("panel", PANELS)
def test_a_panel_asks_the_provisioned_data_source(panel: dict) -> None:
    assert {panel["datasource"]["uid"], *(target["datasource"]["uid"] for target in panel["targets"])} == {UID}


@pytest.mark.parametrize("panel", PANELS)
def test_a_panel_asks_for_measurements_and_fields_that_the_store_writes(panel: dict) -> None:
    for query in queries_of(panel):
        for line in query.splitlines():
            match = re.search(r'r\._measurement == "(\w+)"', line)
            if match:
                table = BY_NAME[match[1]]
                fields = {column.name for column in field_columns(table)}
                tags = {column.name for column in tag_columns(table)} | {"run"}
                assert set(re.findall(r'r\._field == "(\w+)"', line)) <= fields
                assert set(re.findall(r"r\.([a-z]\w*) ==", line)) <= tags


@pytest.mark.parametrize("panel", PANELS)
def test_a_query_leaves_no_variable_that_the_dashboard_lacks(panel: dict) -> None:
    names = {one["name"] for dashboard in DASHBOARDS.values() for one in dashboard["templating"]["list"]}
    used = set(re.findall(r"\$\{(\w+)\}", " ".join(queries_of(panel))))
    assert used <= names


def test_the_data_source_is_provisioned_for_flux_with_its_secret_from_the_environment() -> None:
    (source,) = yaml.safe_load((PROVISIONING / "datasources" / "influxdb.yaml").read_text())["datasources"]
    assert (source["uid"], source["type"], source["jsonData"]["version"]) == (UID, "influxdb", "Flux")
    assert source["secureJsonData"]["token"].startswith("$")


def test_dashboards_are_provisioned_from_the_folder_that_compose_mounts() -> None:
    (provider,) = yaml.safe_load((PROVISIONING / "dashboards" / "vpp.yaml").read_text())["providers"]
    compose = yaml.safe_load((ROOT / "deploy" / "compose.yaml").read_text())
    mounts = dict(volume.split(":")[:2] for volume in compose["services"]["grafana"]["volumes"])
    assert {target: source for source, target in mounts.items()}[provider["options"]["path"]] == "./grafana/dashboards"
