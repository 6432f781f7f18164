"""The overlays of deploy/k8s as ``kubectl apply -k`` would send them."""

import copy
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.contract.deploy.compose_file import DEPLOY
from tests.contract.deploy.kustomize import Manifest, render

K8S = DEPLOY / "k8s"
OVERLAYS = ("dev", "production")
SECRET_FILES = ("secrets.env", "approval.env", "signing.env")


def rendered(folder: Path) -> dict[str, list[Manifest]]:
    """Every overlay, rendered as in a fresh clone where only the examples of secrets were copied.

    Args:
        folder: An empty folder for the copy.
    """
    deploy = folder / "deploy"
    shutil.copytree(K8S, deploy / "k8s", ignore=shutil.ignore_patterns(*SECRET_FILES))
    shutil.copytree(DEPLOY / "grafana", deploy / "grafana")
    dev = deploy / "k8s" / "overlays" / "dev"
    for name in SECRET_FILES:
        shutil.copy(dev / f"{name}.example", dev / name)
    return {name: render(deploy / "k8s" / "overlays" / name) for name in OVERLAYS}


# Kind, the path to a part of its object, a field there, and a misspelling of the field.
MISSPELLINGS = [
    pytest.param("StatefulSet", ("spec", "template", "spec"), "enableServiceLinks", "enableServicelinks", id="pod"),
    pytest.param("StatefulSet", ("spec",), "podManagementPolicy", "podManagmentPolicy", id="stateful set"),
    pytest.param("NetworkPolicy", ("spec",), "policyTypes", "policyType", id="network policy"),
    pytest.param("PodDisruptionBudget", ("spec",), "maxUnavailable", "maxUnavailble", id="budget"),
    pytest.param("ScaledObject", ("spec",), "minReplicaCount", "minReplicas", id="KEDA"),
    pytest.param("ScaledObject", ("spec", "triggers", 0, "metadata"), "lagThreshold", "lagTreshold", id="trigger"),
    pytest.param("ServiceMonitor", ("spec", "endpoints", 0), "interval", "intervall", id="monitor"),
    pytest.param("PrometheusRule", ("spec", "groups", 0, "rules", 0), "expr", "expression", id="rule"),
]


def misspelt(objects: list[Manifest], kind: str, path: tuple[Any, ...], right: str, wrong: str) -> Manifest:
    """A copy of the first object of a kind with one field misspelt.

    Args:
        objects: The objects of an overlay.
        kind: The kind.
        path: Keys and places down to the part that has the field.
        right: The field.
        wrong: Its name in the copy.
    """
    manifest = copy.deepcopy(next(one for one in objects if one["kind"] == kind))
    part: Any = manifest
    for key in path:
        part = part[key]
    part[wrong] = part.pop(right)
    return manifest
