"""Writes the Kubernetes objects of our own processes, from the table of topologies in ``vpp/streams/topics.py``."""

from __future__ import annotations

from typing import Any

import yaml

from vpp.streams.topics import INPUT_OF

IMAGE = "smartgrid-ai:0.1.0"
USER = 10001
METRICS_PORT = 9100
MCP_PORT = 8765
PAGE_PORT = 8050
SECRETS_FOLDER = "/etc/vpp/secrets"
CONTACTS_FOLDER = "/etc/vpp/contacts"
OWNER_AND_GROUP_READ = 0o440
# Admission and the plant each check the signature of an approval; the page signs what a person approves there.
APPROVAL_READERS = frozenset({"orders", "plant", "page"})
# The Service as pods call it, in its own namespace and from others; a request for any other host is refused.
MCP_NAMES = ("mcp", "mcp.vpp", "mcp.vpp.svc", "mcp.vpp.svc.cluster.local")
PAGE_NAMES = tuple(name.replace("mcp", "page", 1) for name in MCP_NAMES)
# These read the tables.
STORE_READERS = frozenset({"mcp", "page"})
PART_OF = {"app.kubernetes.io/part-of": "smartgrid-ai"}

_HEAD = """\
# Written by `python -m deploy.generate`: do not edit. Overlays change it by patches.
"""

Manifest = dict[str, Any]


def workers_yaml() -> str:
    """Return the stateful steps: for each a StatefulSet, its headless Service and its disruption budget."""
    return documents([part for name in INPUT_OF for part in _stateful(name)])


def storage_yaml() -> str:
    """Return the storage step, which is stateless: a Deployment, its Service and its disruption budget."""
    return documents([_deployment("storage", _worker("storage")), _service("storage"), _budget("storage")])


def mcp_yaml() -> str:
    """Return the MCP server over HTTP with bearer tokens, read-only."""
    container = _served("mcp", ["python", "-m", "mcp_server", "--http"], MCP_PORT, MCP_NAMES)
    container["env"].append({"name": "VPP_MCP__PROFILE", "value": "read"})
    return _server("mcp", container, MCP_PORT)


def page_yaml() -> str:
    """Return the operator's page and the REST API, with bearer tokens. Its sessions are in the memory of one pod."""
    container = _served("page", ["python", "-m", "console.dashboard"], PAGE_PORT, PAGE_NAMES)
    container["env"].append({"name": "VPP_PAGE__SECURE", "value": "true"})
    return _server("page", container, PAGE_PORT)


def _served(name: str, command: list[str], port: int, names: tuple[str, ...]) -> Manifest:
    """Return the container of a server over HTTP, which knows its callers by the hashes of their tokens."""
    # A probe calls the pod by its address, which is no name that the server answers to.
    probe = {"httpGet": {"path": "/healthz", "port": "http", "httpHeaders": [{"name": "Host", "value": names[0]}]}}
    container = _container(name, command) | {
        "ports": [{"name": "http", "containerPort": port}],
        "startupProbe": probe | {"periodSeconds": 2, "failureThreshold": 60},
        "livenessProbe": probe | {"periodSeconds": 10, "failureThreshold": 3},
        "readinessProbe": probe | {"periodSeconds": 5},
    }
    container["env"] += [
        {"name": f"VPP_{name.upper()}__HOST", "value": "0.0.0.0"},  # noqa: S104  # reached through its Service alone
        {"name": f"VPP_{name.upper()}__PORT", "value": str(port)},
        {"name": f"VPP_{name.upper()}__ALLOWED_HOSTS", "value": ",".join(names)},
        {"name": f"VPP_{name.upper()}__TOKENS", "value": f"/etc/vpp/{name}/tokens.json"},
    ]
    container["volumeMounts"].append({"name": "tokens", "mountPath": f"/etc/vpp/{name}", "readOnly": True})
    return container


def _server(name: str, container: Manifest, port: int) -> str:
    pod = _pod(name, "reader", container)
    pod["spec"]["volumes"].append({"name": "tokens", "secret": {"secretName": f"vpp-{name}-tokens"}})
    return documents([_deployment(name, pod), _service(name, port=port, headless=False), _budget(name)])


def alerts_yaml() -> str:
    """Return the alerts worker, which notifies people: it keeps no state, and reads its contacts' secrets by name."""
    pod = _worker("alerts")
    (container,) = pod["spec"]["containers"]
    container["env"] += [
        {"name": "VPP_ALERT_RULES", "value": "/input/alerts.yaml"},
        {"name": "VPP_CONTACT_SECRETS_DIR", "value": CONTACTS_FOLDER},
    ]
    container["volumeMounts"].append({"name": "contacts", "mountPath": CONTACTS_FOLDER, "readOnly": True})
    pod["spec"]["volumes"].append({"name": "contacts", "secret": {"secretName": "vpp-alerts", "optional": True}})
    return documents([_deployment("alerts", pod), _service("alerts")])


def simulate_yaml() -> str:
    """Return the simulator as a source of telemetry. It keeps its place and trains models, so it has a volume."""
    container = _container("simulate", ["python", "-m", "topologies.simulate", "--refit-days", "7"])
    service = _object("v1", "Service", "simulate", {"clusterIP": "None", "selector": _labels("simulate")})
    return documents([_stateful_set("simulate", _pod("simulate", "source", container)), service])


def _stateful(name: str) -> list[Manifest]:
    return [_stateful_set(name, _worker(name)), _service(name), _budget(name)]


def _worker(name: str) -> Manifest:
    container = _container(name, ["python", "-m", f"topologies.{name}"])
    container["env"] += [
        {"name": "VPP_METRICS__HOST", "value": "0.0.0.0"},  # noqa: S104  # Prometheus comes from outside the pod
        {"name": "VPP_METRICS__PORT", "value": str(METRICS_PORT)},
    ]
    container |= {
        "ports": [{"name": "metrics", "containerPort": METRICS_PORT}],
        "startupProbe": _probe("/healthz", period_s=5, failures=60),
        "livenessProbe": _probe("/healthz", period_s=10, failures=3),
        "readinessProbe": _probe("/readyz", period_s=5, failures=3),
    }
    return _pod(name, "worker", container)


def _probe(path: str, period_s: int, failures: int) -> Manifest:
    return {
        "httpGet": {"path": path, "port": "metrics"},
        "periodSeconds": period_s,
        "timeoutSeconds": 4,
        "failureThreshold": failures,
    }


def _container(name: str, command: list[str]) -> Manifest:
    env: list[Manifest] = []
    if name in INPUT_OF:
        # The pod's ordinal is its name in the consumer group: a restarted pod gets its partitions and state back.
        index = {"fieldRef": {"fieldPath": "metadata.labels['apps.kubernetes.io/pod-index']"}}
        env.append({"name": "VPP_KAFKA__WORKER_ID", "valueFrom": index})
    if name in {"storage", *STORE_READERS}:
        env.append({"name": "VPP_STORE__KIND", "value": "influx"})
    env.append({"name": "VPP_SECRETS_DIR", "value": SECRETS_FOLDER})
    mounts: list[Manifest] = [
        {"name": "state", "mountPath": "/data"},
        {"name": "scratch", "mountPath": "/tmp"},  # noqa: S108  # an empty volume of this pod alone
        {"name": "input", "mountPath": "/input", "readOnly": True},
        {"name": "kafka-ca", "mountPath": "/etc/vpp/kafka", "readOnly": True},
        {"name": "secrets", "mountPath": SECRETS_FOLDER, "readOnly": True},
    ]
    if name in {"forecast", "simulate"}:
        mounts.append({"name": "models", "mountPath": "/data/models"})
    return {
        "name": name,
        "image": IMAGE,
        "args": command,
        "envFrom": [{"configMapRef": {"name": "vpp-settings"}}],
        "env": env,
        "resources": {
            "requests": {"cpu": "100m", "memory": "512Mi", "ephemeral-storage": "64Mi"},
            # No limit of CPU: it would throttle a slot at its deadline.
            "limits": {"memory": "1Gi", "ephemeral-storage": "512Mi"},
        },
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": mounts,
    }


def _secrets(name: str) -> Manifest:
    """Return the volume of a container's secrets: one file per setting, named by its key."""
    sources = [_projected("vpp-signing", {"key": "signing.key"})]
    if name in {"storage", *STORE_READERS}:
        sources.append(_projected("vpp-influxdb", {"token" if name == "storage" else "read-token": "influx.token"}))
    if name in APPROVAL_READERS:
        sources.append(_projected("vpp-approval", {"key": "approval_key"}))
    # There where the broker asks for a login; the users are those of deploy/create-acls.sh.
    login = {key: f"kafka.{key}" for key in ("username", "password")}
    sources.append(_projected(f"vpp-kafka-{name}", login, optional=True))
    return {"name": "secrets", "projected": {"defaultMode": OWNER_AND_GROUP_READ, "sources": sources}}


def _projected(secret: str, files: dict[str, str], *, optional: bool = False) -> Manifest:
    items = [{"key": key, "path": path} for key, path in files.items()]
    return {"secret": {"name": secret, "items": items} | ({"optional": True} if optional else {})}


def _pod(name: str, component: str, container: Manifest) -> Manifest:
    volumes: list[Manifest] = [
        {"name": "scratch", "emptyDir": {"sizeLimit": "128Mi"}},
        {"name": "input", "configMap": {"name": "vpp-input", "optional": True}},
        {"name": "kafka-ca", "secret": {"secretName": "vpp-kafka-ca", "optional": True}},
        _secrets(name),
    ]
    if name in {"storage", "alerts", *STORE_READERS}:
        volumes.append({"name": "state", "emptyDir": {"sizeLimit": "256Mi"}})
    if name in {"forecast", "simulate"}:
        volumes.append({"name": "models", "persistentVolumeClaim": {"claimName": "vpp-models"}})
    return {
        "metadata": {"labels": _labels(name) | {"app.kubernetes.io/component": component}},
        "spec": {
            "automountServiceAccountToken": False,
            # Variables that Kubernetes makes of Services could begin with VPP_, and an unknown setting is refused.
            "enableServiceLinks": False,
            "terminationGracePeriodSeconds": 60,
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": USER,
                "runAsGroup": USER,
                "fsGroup": USER,
                "fsGroupChangePolicy": "OnRootMismatch",
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "topologySpreadConstraints": [
                {
                    "maxSkew": 1,
                    "topologyKey": "kubernetes.io/hostname",
                    "whenUnsatisfiable": "ScheduleAnyway",
                    "labelSelector": {"matchLabels": _labels(name)},
                }
            ],
            "containers": [container],
            "volumes": volumes,
        },
    }


def _stateful_set(name: str, pod: Manifest) -> Manifest:
    claim = {
        "metadata": {"name": "state"},
        "spec": {"accessModes": ["ReadWriteOncePod"], "resources": {"requests": {"storage": "2Gi"}}},
    }
    spec = {
        "serviceName": name,
        "replicas": 1,
        "podManagementPolicy": "Parallel",
        # After scaling in, partitions move on: an old copy of their state must not come back with a later pod.
        "persistentVolumeClaimRetentionPolicy": {"whenScaled": "Delete", "whenDeleted": "Retain"},
        "selector": {"matchLabels": _labels(name)},
        "template": pod,
        "volumeClaimTemplates": [claim],
    }
    return _object("apps/v1", "StatefulSet", name, spec)


def _deployment(name: str, pod: Manifest) -> Manifest:
    spec = {"replicas": 1, "selector": {"matchLabels": _labels(name)}, "template": pod}
    return _object("apps/v1", "Deployment", name, spec)


def _service(name: str, port: int = METRICS_PORT, *, headless: bool = True) -> Manifest:
    port_name = "metrics" if headless else "http"
    spec: Manifest = {"selector": _labels(name), "ports": [{"name": port_name, "port": port, "targetPort": port_name}]}
    return _object("v1", "Service", name, ({"clusterIP": "None"} if headless else {}) | spec)


def _budget(name: str) -> Manifest:
    spec = {"maxUnavailable": 1, "selector": {"matchLabels": _labels(name)}}
    return _object("policy/v1", "PodDisruptionBudget", name, spec)


def _object(version: str, kind: str, name: str, spec: Manifest) -> Manifest:
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name, "labels": _labels(name)}, "spec": spec}


def _labels(name: str) -> dict[str, str]:
    return {"app.kubernetes.io/name": name, **PART_OF}


class _Plain(yaml.SafeDumper):
    """Writes equal values out each time instead of as anchors, and lists indented."""

    def ignore_aliases(self, data: Any) -> bool:
        return True

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)


def documents(manifests: list[Manifest]) -> str:
    """Return objects as one YAML file with a comment on its origin."""
    return _HEAD + yaml.dump_all(
        manifests, Dumper=_Plain, sort_keys=False, width=120, default_flow_style=False, explicit_start=True
    )
