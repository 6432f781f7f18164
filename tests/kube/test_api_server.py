"""Every object of deploy/k8s, as a real kube-apiserver answers a server-side dry run; and kube-score's judgement."""

import copy
import json
import os
import ssl
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import httpx
import pytest
import yaml

from tests.contract.deploy.kustomize import Manifest
from tests.contract.deploy.overlays import MISSPELLINGS, OVERLAYS, misspelt, rendered

pytestmark = [pytest.mark.services, pytest.mark.long_drill]

READY_S = 60.0
# Each check of kube-score that does not apply, with the reason.
WAIVERS = {
    "container-image-pull-policy": "versions are fixed tags; a registry that is down must not stop a restart",
    "pod-probes-identical": "the MCP server is stateless: it is ready as soon as it answers",
    "statefulset-has-host-podantiaffinity": "topologySpreadConstraints spread the pods of a step over nodes",
    "deployment-has-host-podantiaffinity": "topologySpreadConstraints spread the pods of a step over nodes",
    "deployment-replicas": "KEDA sets the replicas; one notifier sends each notice once",
    "container-resources": "a limit of CPU would throttle a slot at its deadline; memory and disk are limited",
    "container-security-context-user-group-id": "Redpanda and InfluxDB run as the users that their images are made for",
    "container-security-context-readonlyrootfilesystem": "the images of Redpanda and InfluxDB write beside their data",
    "pod-probes": "the simulator sends and is asked nothing",
}
OWN_WAIVERS = {"container-security-context-user-group-id", "container-security-context-readonlyrootfilesystem"}


@pytest.fixture(scope="module")
def overlays(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Manifest]]:
    return rendered(tmp_path_factory.mktemp("clone"))


class _Loader(yaml.SafeLoader):
    """Reads ``=`` as text: YAML 1.1 has a type for it, which JSON has not."""


_Loader.add_constructor("tag:yaml.org,2002:value", lambda _loader, _node: "=")


class ApiServer:
    """A client of the API server by plain HTTP, as an administrator."""

    def __init__(self) -> None:
        context = ssl.create_default_context(cafile=os.environ["VPP_TEST_KUBE_CA"])
        context.check_hostname = False
        self._http = httpx.Client(
            base_url=os.environ["VPP_TEST_KUBE_URL"],
            headers={"Authorization": f"Bearer {os.environ['VPP_TEST_KUBE_TOKEN']}"},
            verify=context,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def resources(self, version: str) -> dict[str, dict[str, Any]]:
        """The resources of a group and version by kind."""
        path = f"/api/{version}" if "/" not in version else f"/apis/{version}"
        answer = self._http.get(path)
        answer.raise_for_status()
        return {one["kind"]: one for one in answer.json()["resources"] if "/" not in one["name"]}

    def apply(self, manifest: Manifest, *, dry_run: bool) -> httpx.Response:
        """The answer to ``kubectl apply --server-side``, with strict fields."""
        version = manifest["apiVersion"]
        resource = self.resources(version)[manifest["kind"]]
        path = f"/api/{version}" if "/" not in version else f"/apis/{version}"
        if resource["namespaced"]:
            path += f"/namespaces/{manifest['metadata'].get('namespace', 'default')}"
        query = {"fieldManager": "vpp", "fieldValidation": "Strict"} | ({"dryRun": "All"} if dry_run else {})
        return self._http.patch(
            f"{path}/{resource['name']}/{manifest['metadata']['name']}",
            params=query,
            content=json.dumps(manifest),
            headers={"Content-Type": "application/apply-patch+yaml"},
        )

    def wait(self, version: str, kind: str) -> None:
        """Wait until a kind is served."""
        end = time.monotonic() + READY_S
        while time.monotonic() < end:
            try:
                if kind in self.resources(version):
                    return
            except httpx.HTTPError:
                pass
            time.sleep(0.2)
        raise AssertionError(f"{version} {kind} is not served")


@pytest.fixture(scope="module")
def server(overlays: dict[str, list[Manifest]]) -> Iterator[ApiServer]:
    """The API server with the definitions of others and the namespaces of ours."""
    with ApiServer() as server:
        _prepare(server, overlays)
        yield server


def _prepare(server: ApiServer, overlays: dict[str, list[Manifest]]) -> None:
    server.wait("apps/v1", "StatefulSet")
    used = {(one["apiVersion"], one["kind"]) for objects in overlays.values() for one in objects}
    for path in sorted(Path(os.environ["VPP_TEST_KUBE_DEFINITIONS"]).glob("*.yaml")):
        for definition in yaml.load_all(path.read_text(encoding="utf-8"), Loader=_Loader):
            names, group = definition["spec"]["names"], definition["spec"]["group"]
            served = [version["name"] for version in definition["spec"]["versions"] if version["served"]]
            if not used & {(f"{group}/{version}", names["kind"]) for version in served}:
                continue
            answer = server.apply(definition, dry_run=False)
            assert answer.is_success, answer.text
            for version in served:
                server.wait(f"{group}/{version}", names["kind"])
    namespaces = {one["metadata"].get("namespace") for objects in overlays.values() for one in objects} - {None}
    for name in sorted(namespaces):
        space = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
        own = [one for one in overlays["production"] if one["kind"] == "Namespace" and one["metadata"]["name"] == name]
        answer = server.apply((own or [space])[0], dry_run=False)
        assert answer.is_success, answer.text


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_the_server_takes_every_object_without_a_warning(
    server: ApiServer, overlays: dict[str, list[Manifest]], overlay: str
) -> None:
    for manifest in overlays[overlay]:
        answer = server.apply(manifest, dry_run=True)
        name = f"{manifest['kind']} {manifest['metadata']['name']}"
        assert answer.is_success, f"{name}: {answer.text}"
        assert "Warning" not in answer.headers, f"{name}: {answer.headers['Warning']}"


# KEDA's own definition takes any key in a trigger's metadata.
@pytest.mark.parametrize(("kind", "path", "right", "wrong"), [case for case in MISSPELLINGS if case.id != "trigger"])
def test_the_server_refuses_a_misspelt_field(
    server: ApiServer,
    overlays: dict[str, list[Manifest]],
    kind: str,
    path: tuple[Any, ...],
    right: str,
    wrong: str,
) -> None:
    manifest = misspelt(overlays["production"], kind, path, right, wrong)
    answer = server.apply(manifest, dry_run=True)
    assert answer.status_code in {400, 422, 500}
    assert wrong in answer.text


def test_the_server_refuses_what_no_schema_sees(server: ApiServer, overlays: dict[str, list[Manifest]]) -> None:
    manifest = copy.deepcopy(next(one for one in overlays["production"] if one["kind"] == "StatefulSet"))
    manifest["spec"]["selector"]["matchLabels"] = {"app.kubernetes.io/name": "another"}
    answer = server.apply(manifest, dry_run=True)
    assert answer.status_code == 422
    assert "selector" in answer.text


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_kube_score_has_nothing_to_say_that_is_not_waived(
    overlays: dict[str, list[Manifest]], overlay: str, tmp_path: Path
) -> None:
    path = tmp_path / "objects.yaml"
    path.write_text(yaml.safe_dump_all(overlays[overlay]), encoding="utf-8")
    done = subprocess.run(
        [os.environ["VPP_TEST_KUBE_SCORE"], "score", "--output-format", "json", str(path)],
        capture_output=True,
        text=True,
        check=False,
    )
    objections = {
        (check["check"]["id"], scored["object_name"], comment["summary"])
        for scored in json.loads(done.stdout)
        for check in scored["checks"]
        if not check["skipped"] and check["grade"] < 10
        for comment in check["comments"] or [{"summary": ""}]
    }
    assert {objection for objection in objections if objection[0] not in WAIVERS} == set()
    others = ("influxdb", "redpanda", "topics")
    assert [one for one in objections if one[0] in OWN_WAIVERS and one[1].rsplit("/", 1)[1] not in others] == []
    limits = {summary for check, _, summary in objections if check == "container-resources"}
    assert limits <= {"CPU limit is not set"}
