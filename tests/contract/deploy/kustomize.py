"""Renders the part of Kustomize that deploy/k8s uses, without the hash that Kustomize appends to generated names."""

import base64
import copy
from pathlib import Path
from typing import Any

import yaml

Manifest = dict[str, Any]

_CLUSTER_WIDE = {"Namespace"}
_KINDS = {
    "Kustomization": "kustomize.config.k8s.io/v1beta1",
    "Component": "kustomize.config.k8s.io/v1alpha1",
}
_KEYS = {
    "apiVersion",
    "kind",
    "namespace",
    "resources",
    "components",
    "configMapGenerator",
    "secretGenerator",
    "patches",
    "replicas",
}


def render(folder: Path) -> list[Manifest]:
    """The objects that ``kubectl apply -k FOLDER`` would send.

    Args:
        folder: A folder with a ``kustomization.yaml``.

    Raises:
        ValueError: The folder uses something else of Kustomize, or something is there twice or missing.
    """
    return _applied([], folder)


def _applied(objects: list[Manifest], folder: Path) -> list[Manifest]:
    wanted = yaml.safe_load((folder / "kustomization.yaml").read_text(encoding="utf-8"))
    if wanted.keys() - _KEYS or _KINDS.get(wanted["kind"]) != wanted["apiVersion"]:
        raise ValueError(f"{folder}: not read here: {sorted(wanted.keys() - _KEYS)} {wanted['kind']}")
    result = list(objects)
    for name in wanted.get("resources", ()):
        path = folder / name
        result += render(path) if path.is_dir() else _documents(path)
    for name in wanted.get("components", ()):
        result = _applied(result, folder / name)
    for entry in wanted.get("configMapGenerator", ()):
        _generate(result, "ConfigMap", folder, entry)
    for entry in wanted.get("secretGenerator", ()):
        _generate(result, "Secret", folder, entry)
    for patch in wanted.get("patches", ()):
        _patch(result, patch)
    for entry in wanted.get("replicas", ()):
        for one in _matching(result, {"name": entry["name"]}, kinds={"StatefulSet", "Deployment"}):
            one["spec"]["replicas"] = entry["count"]
    if "namespace" in wanted:
        for one in result:
            if one["kind"] not in _CLUSTER_WIDE:
                one["metadata"]["namespace"] = wanted["namespace"]
    names = [(one["kind"], one["metadata"]["name"]) for one in result]
    if len(names) != len(set(names)):
        raise ValueError(f"{folder}: an object is there twice")
    return result


def _documents(path: Path) -> list[Manifest]:
    # Through a copy, so that no two places share what an anchor named.
    return [copy.deepcopy(one) for one in yaml.safe_load_all(path.read_text(encoding="utf-8")) if one]


def _generate(objects: list[Manifest], kind: str, folder: Path, entry: Manifest) -> None:
    data = dict(literal.split("=", 1) for literal in entry.get("literals", ()))
    data |= {Path(name).name: (folder / name).read_text(encoding="utf-8") for name in entry.get("files", ())}
    for name in entry.get("envs", ()):
        lines = (folder / name).read_text(encoding="utf-8").splitlines()
        data |= dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))
    if kind == "Secret":
        data = {key: base64.b64encode(value.encode()).decode() for key, value in data.items()}
    if entry.get("behavior") == "merge":
        (old,) = _matching(objects, {"name": entry["name"]}, kinds={kind})
        old["data"] |= data
        return
    metadata: Manifest = {"name": entry["name"]}
    labels = entry.get("options", {}).get("labels")
    if labels:
        metadata["labels"] = dict(labels)
    made: Manifest = {"apiVersion": "v1", "kind": kind, "metadata": metadata, "data": data}
    objects.append(made | ({"type": "Opaque"} if kind == "Secret" else {}))


def _patch(objects: list[Manifest], patch: Manifest) -> None:
    for one in _matching(objects, patch["target"], kinds={patch["target"]["kind"]}):
        for operation in yaml.safe_load(patch["patch"]):
            *parents, last = operation["path"].strip("/").split("/")
            place: Any = one
            for key in parents:
                place = place[int(key)] if isinstance(place, list) else place[key]
            if last not in place or operation["op"] not in {"remove", "replace"}:
                raise ValueError(f"cannot be done: {operation}")
            if operation["op"] == "remove":
                del place[last]
            else:
                place[last] = operation["value"]


def _matching(objects: list[Manifest], target: Manifest, kinds: set[str]) -> list[Manifest]:
    name = target.get("name")
    label = target.get("labelSelector", "").partition("=")
    result = [
        one
        for one in objects
        if one["kind"] in kinds
        and (name is None or one["metadata"]["name"] == name)
        and (not label[0] or one["metadata"].get("labels", {}).get(label[0]) == label[2])
    ]
    if not result:
        raise ValueError(f"nothing is named by {target}")
    return result
