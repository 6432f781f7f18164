"""A record proves who wrote it: every part of it is signed, only a topic's writers count, old records are refused."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from vpp.errors import ConfigError, MessageError
from vpp.settings import Settings, load_settings
from vpp.streams.signatures import (
    FOREIGN,
    FRESH,
    HEADER,
    UNSIGNED,
    Headers,
    Signer,
    Verifier,
    producer_key,
    producers,
    signer_of,
    signing_keys,
)
from vpp.streams.topics import BIDS, ORDERS, TOPICS, Topic

SECRET = "s" * 32
NOW = datetime(2026, 3, 1, tzinfo=UTC)
NOW_MS = int(NOW.timestamp() * 1000)
KEYS = {name: producer_key(SECRET.encode(), name) for name in producers()}
VERIFIER = Verifier(KEYS)


def signed(producer: str = "actor", topic: Topic = BIDS, key: bytes = b"Z", value: bytes = b"{}") -> Headers:
    return Signer(producer, KEYS[producer]).headers(topic.wire(), key, value, NOW_MS)


def refusal(headers: Any, topic: Topic = BIDS, key: bytes | None = b"Z", value: bytes = b"{}", **given: Any) -> str:
    with pytest.raises(MessageError) as refused:
        VERIFIER.check(topic, given.get("wire", topic.wire()), (key, value), headers, given.get("at", NOW))
    return refused.value.reason


@pytest.mark.parametrize("topic", [pytest.param(topic, id=topic.name) for topic in TOPICS])
def test_each_writer_of_a_topic_is_believed_and_nobody_else(topic: Topic) -> None:
    for name in producers():
        headers = signed(name, topic)
        if name in topic.writers:
            VERIFIER.check(topic, topic.wire(), (b"Z", b"{}"), headers, NOW)
        else:
            assert refusal(headers, topic) == FOREIGN


def test_every_part_of_a_record_is_signed() -> None:
    assert refusal(signed(), value=b"{ }") == FOREIGN
    assert refusal(signed(), key=b"Y") == FOREIGN
    assert refusal(signed(), wire="vpp-other.bids") == FOREIGN
    assert refusal(signed(key=b"Z{", value=b"}")) == FOREIGN
    text = signed()[0][1].decode()
    assert refusal([(HEADER, text.replace("actor", "trader").encode())]) == FOREIGN
    assert refusal([(HEADER, text.replace(str(NOW_MS), str(NOW_MS + 1)).encode())]) == FOREIGN


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param([(HEADER, value)], id=repr(value)[:20])
        for value in (b"", b".", b"v1...", b"v2.actor.1.aa", b"v1.actor.\xff.aa", b"v1.actor.-1.aa", b"x" * 5000, None)
    ]
    + [pytest.param([*signed(), *signed()], id="two signatures"), pytest.param([(HEADER, "text")], id="text")],
)
def test_a_header_that_is_no_signature_is_refused(headers: Any) -> None:
    assert refusal(headers) == FOREIGN


@pytest.mark.parametrize("headers", [None, [], [("other", b"v1.actor.1.aa")]])
def test_a_record_without_a_signature_is_refused(headers: Any) -> None:
    assert refusal(headers) == UNSIGNED


def test_an_old_record_that_is_put_again_is_refused() -> None:
    VERIFIER.check(BIDS, BIDS.wire(), (b"Z", b"{}"), signed(), NOW + FRESH)
    assert refusal(signed(), at=NOW + FRESH + timedelta(seconds=1)) == FOREIGN


def test_another_secret_signs_nothing() -> None:
    foreign = Signer("actor", producer_key(b"t" * 32, "actor")).headers(BIDS.wire(), b"Z", b"{}", NOW_MS)
    assert refusal(foreign) == FOREIGN


def test_without_keys_nothing_is_signed_and_all_is_taken() -> None:
    assert Signer("actor", None).headers(BIDS.wire(), b"Z", b"{}") == []
    Verifier({}).check(BIDS, BIDS.wire(), (b"Z", b"{}"), None, NOW)


def given(folder: Path, **signing: Any) -> Settings:
    return load_settings({"data_dir": folder, "signing": signing})


def test_a_process_may_know_the_keys_of_some_producers_alone(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    path.write_text(json.dumps({name: KEYS[name].hex() for name in ("gateway", "plant")}))
    settings = given(tmp_path, keys_file=path)
    assert signing_keys(settings) == {name: KEYS[name] for name in ("gateway", "plant")}
    assert signer_of(settings, "gateway").headers("t", b"k", b"v", 1) == Signer("gateway", KEYS["gateway"]).headers(
        "t", b"k", b"v", 1
    )
    with pytest.raises(ConfigError, match="none of 'cli'"):
        signer_of(settings, "cli")
    with pytest.raises(MessageError, match="not known here"):
        Verifier(signing_keys(settings)).check(ORDERS, ORDERS.wire(), (b"Z", b"{}"), signed("cli", ORDERS), NOW)


@pytest.mark.parametrize("text", ["", "[]", '{"plant": 1}', '{"plant": "zz"}'])
def test_a_file_that_holds_no_keys_is_a_clear_error(text: str, tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    path.write_text(text)
    with pytest.raises(ConfigError, match="holds no signing keys"):
        signing_keys(given(tmp_path, keys_file=path))
    with pytest.raises(ConfigError, match="holds no signing keys"):
        signing_keys(given(tmp_path, keys_file=tmp_path / "none.json"))


def test_the_secret_of_all_producers_has_32_characters_at_least(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"signing\.key is too short"):
        given(tmp_path, key="short")
