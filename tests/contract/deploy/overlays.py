"""The overlays of deploy/k8s as ``kubectl apply -k`` would send them."""

import shutil
from pathlib import Path

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
