"""What a process asks the broker for is the table of rights; a refused record names its topic."""

from pathlib import Path

import pytest
from confluent_kafka import KafkaError

from vpp.settings import KafkaSettings, Settings
from vpp.streams.broker_rights import needed, refused_write
from vpp.streams.rights import rights
from vpp.streams.topics import TOPICS


@pytest.mark.parametrize("user", sorted({right.user for right in rights("vpp-a")}))
def test_what_is_granted_by_prefix_is_asked_for_by_name(user: str) -> None:
    needs = needed(user, "vpp-a")
    for right in (right for right in rights("vpp-a") if right.user == user):
        names = [name for kind, name in needs if kind == right.kind and name.startswith(right.name)]
        names = names if right.prefixed else [right.name]
        assert names
        assert all(set(right.operations.split(",")) <= needs[right.kind, name] for name in names)
    assert "vpp-a." not in {name for _, name in needs}


def test_a_reader_is_asked_about_every_topic() -> None:
    assert {name for kind, name in needed("mcp", "vpp") if kind == "topic"} == {topic.wire() for topic in TOPICS}


def test_a_refused_record_names_user_and_topic(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, kafka=KafkaSettings(username="vpp-trader"))
    refusal = refused_write(KafkaError(KafkaError.TOPIC_AUTHORIZATION_FAILED), "vpp.orders", settings)
    assert refusal is not None
    assert "vpp-trader not write to vpp.orders" in str(refusal)


@pytest.mark.parametrize("error", [None, KafkaError(KafkaError._MSG_TIMED_OUT)])
def test_another_reason_is_no_refusal(tmp_path: Path, error: KafkaError | None) -> None:
    assert refused_write(error, "vpp.orders", Settings(data_dir=tmp_path)) is None
