"""Sparkplug B payloads as another encoder writes them: protobuf, with the message types of the specification."""

from __future__ import annotations

from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory


def _payload_type() -> Any:
    """The message types of the specification, as a reference encoder knows them."""
    kind = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(name="sparkplug.proto", package="spb", syntax="proto2")

    def add(name: str, *fields: tuple[str, int, int, str]) -> None:
        message = file.message_type.add(name=name)
        for field, number, of, type_name in fields:
            label = kind.LABEL_REPEATED if type_name else kind.LABEL_OPTIONAL
            more = {"type_name": type_name} if type_name else {}
            message.field.add(name=field, number=number, type=of, label=label, **more)

    add(
        "Metric",
        ("name", 1, kind.TYPE_STRING, ""),
        ("alias", 2, kind.TYPE_UINT64, ""),
        ("timestamp", 3, kind.TYPE_UINT64, ""),
        ("datatype", 4, kind.TYPE_UINT32, ""),
        ("is_historical", 5, kind.TYPE_BOOL, ""),
        ("is_null", 7, kind.TYPE_BOOL, ""),
        ("int_value", 10, kind.TYPE_UINT32, ""),
        ("long_value", 11, kind.TYPE_UINT64, ""),
        ("float_value", 12, kind.TYPE_FLOAT, ""),
        ("double_value", 13, kind.TYPE_DOUBLE, ""),
        ("boolean_value", 14, kind.TYPE_BOOL, ""),
        ("string_value", 15, kind.TYPE_STRING, ""),
    )
    payload = (("timestamp", 1, kind.TYPE_UINT64, ""), ("metrics", 2, kind.TYPE_MESSAGE, ".spb.Metric"))
    add("Payload", *payload, ("seq", 3, kind.TYPE_UINT64, ""))
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("spb.Payload"))


PAYLOAD = _payload_type()


def payload(seq: int | None, *metrics: dict[str, Any]) -> bytes:
    """Return a payload with a sequence number, or none, and metrics by field."""
    made = PAYLOAD(timestamp=1_700_000_000_000, metrics=metrics)
    if seq is not None:
        made.seq = seq
    body: bytes = made.SerializeToString()
    return body
