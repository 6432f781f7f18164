"""What deploy/k8s uses of objects that others define (KEDA, the Prometheus operator), and nothing else."""

from typing import Any

_TEXT = {"type": "string", "minLength": 1}
_COUNT = {"type": "integer", "minimum": 1}
_LABELS = {"type": "object", "additionalProperties": _TEXT}


def _closed(required: list[str], **properties: Any) -> dict[str, Any]:
    return {"type": "object", "required": required, "additionalProperties": False, "properties": properties}


def _list(item: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "minItems": 1, "items": item}


def _object(version: str, spec: dict[str, Any]) -> dict[str, Any]:
    metadata = _closed(["name"], name=_TEXT, namespace=_TEXT, labels=_LABELS)
    kind = {"type": "string"}
    return _closed(
        ["apiVersion", "kind", "metadata", "spec"],
        apiVersion={"const": version},
        kind=kind,
        metadata=metadata,
        spec=spec,
    )


# KEDA's own schema takes any key here and ignores a misspelt one. These are the keys that its Kafka scaler reads.
_KAFKA_TRIGGER = _closed(
    ["bootstrapServers", "consumerGroup", "lagThreshold"],
    **dict.fromkeys(
        (
            "bootstrapServers",
            "consumerGroup",
            "topic",
            "partitionLimitation",
            "lagThreshold",
            "activationLagThreshold",
            "allowIdleConsumers",
            "excludePersistentLag",
            "limitToPartitionsWithLag",
            "ensureEvenDistributionOfPartitions",
            "scaleToZeroOnInvalidOffset",
            "sasl",
            "tls",
        ),
        _TEXT,
    ),
    offsetResetPolicy={"enum": ["earliest", "latest"]},
)
_KAFKA = _closed(
    ["type", "metadata"],
    type={"const": "kafka"},
    metadata=_KAFKA_TRIGGER,
    authenticationRef=_closed(["name"], name=_TEXT),
)
_CPU = _closed(
    ["type", "metricType", "metadata"],
    type={"const": "cpu"},
    metricType={"enum": ["Utilization", "AverageValue"]},
    metadata=_closed(["value"], value=_TEXT),
)
_SCALE_DOWN = _closed(
    ["policies"],
    stabilizationWindowSeconds={"type": "integer", "minimum": 0, "maximum": 3600},
    policies=_list(
        _closed(
            ["type", "value", "periodSeconds"], type={"enum": ["Pods", "Percent"]}, value=_COUNT, periodSeconds=_COUNT
        )
    ),
)

SCHEMAS: dict[str, dict[str, Any]] = {
    "ScaledObject": _object(
        "keda.sh/v1alpha1",
        _closed(
            ["scaleTargetRef", "minReplicaCount", "maxReplicaCount", "triggers"],
            scaleTargetRef=_closed(["name"], name=_TEXT),
            minReplicaCount=_COUNT,
            maxReplicaCount=_COUNT,
            advanced=_closed(
                [],
                horizontalPodAutoscalerConfig=_closed([], behavior=_closed([], scaleDown=_SCALE_DOWN)),
            ),
            triggers=_list({"oneOf": [_KAFKA, _CPU]}),
        ),
    ),
    "TriggerAuthentication": _object(
        "keda.sh/v1alpha1",
        _closed(
            ["secretTargetRef"],
            secretTargetRef=_list(_closed(["parameter", "name", "key"], parameter=_TEXT, name=_TEXT, key=_TEXT)),
        ),
    ),
    "ServiceMonitor": _object(
        "monitoring.coreos.com/v1",
        _closed(
            ["selector", "endpoints"],
            selector=_closed(["matchLabels"], matchLabels=_LABELS),
            endpoints=_list(_closed(["port"], port=_TEXT, path=_TEXT, interval=_TEXT)),
        ),
    ),
    "PrometheusRule": _object(
        "monitoring.coreos.com/v1",
        _closed(
            ["groups"],
            groups=_list(
                _closed(
                    ["name", "rules"],
                    name=_TEXT,
                    rules=_list(
                        _closed(
                            ["expr"],
                            **dict.fromkeys(("alert", "record", "expr", "for"), _TEXT),
                            labels=_LABELS,
                            annotations=_LABELS,
                        )
                    ),
                )
            ),
        ),
    ),
}
