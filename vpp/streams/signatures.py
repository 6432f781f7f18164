"""Signatures of records: a header over topic, key, value and time proves the writer.

Each producer has its own key, HMAC-SHA256(secret, ``producer:`` + name). A record's header ``vpp-signature`` holds
``v1.PRODUCER.MILLISECONDS.HEX``, where HEX is the HMAC-SHA256 by the producer's key of the version, producer, time,
topic, key and value, each with its length in front. A reader takes a record only from a producer that the table of
topics names as a writer, and only if the broker appended it within ``FRESH`` of its time: an old record that is put
again is refused too.
"""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

import msgspec

from vpp.errors import ConfigError, MessageError
from vpp.settings import Settings
from vpp.streams.topics import TOPICS, Topic

HEADER = "vpp-signature"
FRESH = timedelta(minutes=15)
UNSIGNED, FOREIGN = "unsigned", "signature"
"""Reasons of a refusal: a record without a signature; one whose signature does not hold."""

_VERSION = "v1"
_MAX_HEADER = 200

Headers = list[tuple[str, bytes]]


def producers() -> tuple[str, ...]:
    """Return every process that may write a topic."""
    return tuple(sorted({name for topic in TOPICS for name in topic.writers}))


def producer_key(secret: bytes, producer: str) -> bytes:
    """Return the key of one producer."""
    return hmac.new(secret, b"producer:" + producer.encode(), hashlib.sha256).digest()


def signing_keys(settings: Settings) -> dict[str, bytes]:
    """Return the keys that a process knows, by producer; empty if records are not signed.

    Raises:
        ConfigError: The file of keys cannot be read.
    """
    signing = settings.signing
    keys: dict[str, bytes] = {}
    if signing.key is not None:
        secret = signing.key.get_secret_value().encode()
        keys = {name: producer_key(secret, name) for name in producers()}
    if signing.keys_file is not None:
        try:
            named_keys = msgspec.json.decode(signing.keys_file.read_bytes(), type=dict[str, str])
            keys |= {name: bytes.fromhex(key) for name, key in named_keys.items()}
        except (OSError, ValueError) as error:
            raise ConfigError(
                f"{signing.keys_file} holds no signing keys: {error}",
                hint="make it with: vpp config signing-keys PRODUCER",
            ) from error
    return keys


class Signer:
    """Signs the records of one producer.

    Args:
        producer: Its name, as in the table of topics.
        key: Its key; None leaves records unsigned.
    """

    def __init__(self, producer: str, key: bytes | None) -> None:
        self._producer = producer
        self._key = key

    def headers(self, topic: str, key: bytes, value: bytes, now_ms: int | None = None) -> Headers:
        """Return the headers of a record.

        Args:
            topic: Wire name of the topic.
            key: The record's key.
            value: The record's value.
            now_ms: Time of the record (ms since 1970); None: now.
        """
        if self._key is None:
            return []
        at_ms = time.time_ns() // 1_000_000 if now_ms is None else now_ms
        signature = _signature(self._key, (self._producer, str(at_ms), topic), key, value)
        return [(HEADER, f"{_VERSION}.{self._producer}.{at_ms}.{signature}".encode())]


def signer_of(settings: Settings, producer: str) -> Signer:
    """Return the signer of a producer; without a key in the settings it leaves records unsigned.

    Raises:
        ConfigError: The process knows keys, but not that of this producer.
    """
    keys = signing_keys(settings)
    if keys and producer not in keys:
        raise ConfigError(
            f"the signing keys hold none of {producer!r}", hint=f"add it with: vpp config signing-keys {producer}"
        )
    return Signer(producer, keys.get(producer))


class Verifier:
    """Refuses records that none of a topic's writers signed.

    Args:
        keys: Keys by producer; empty: every record is taken.
    """

    def __init__(self, keys: Mapping[str, bytes]) -> None:
        self._keys = dict(keys)

    def check(
        self,
        topic: Topic,
        wire: str,
        record: tuple[bytes | None, bytes | None],
        headers: Iterable[tuple[str, Any]] | None,
        appended_at: datetime | None,
    ) -> None:
        """Refuse a record that is not signed as the topic asks.

        Args:
            topic: Its topic.
            wire: Wire name of the topic.
            record: Key and value.
            headers: Its headers.
            appended_at: The broker's time of it, None if no broker is.

        Raises:
            MessageError: With reason ``unsigned`` or ``signature``.
        """
        if not self._keys:
            return
        signatures = [value for name, value in headers or () if name == HEADER]
        if not signatures:
            raise MessageError("the record is not signed", reason=UNSIGNED)
        producer, at_ms, signature = _parts(signatures)
        if producer not in topic.writers:
            raise MessageError(f"{producer!r} does not write {topic.name}", reason=FOREIGN)
        key = self._keys.get(producer)
        if key is None:
            raise MessageError(f"the key of {producer!r} is not known here", reason=FOREIGN)
        expected = _signature(key, (producer, at_ms, wire), record[0] or b"", record[1] or b"")
        if not hmac.compare_digest(expected.encode(), signature.encode("utf-8", "replace")):
            raise MessageError(f"the signature is not one of {producer!r} for this record", reason=FOREIGN)
        if appended_at is not None and appended_at.timestamp() - int(at_ms) / 1000 > FRESH.total_seconds():
            minutes = FRESH.total_seconds() / 60
            raise MessageError(f"it was signed more than {minutes:g} min before it was written", reason=FOREIGN)


def verifier_of(settings: Settings) -> Verifier:
    """Return the verifier of the records that a process reads."""
    return Verifier(signing_keys(settings))


def _parts(signatures: list[Any]) -> tuple[str, str, str]:
    """Return producer, time and signature of the one header that a signed record has."""
    text = signatures[0]
    if len(signatures) == 1 and isinstance(text, bytes) and len(text) <= _MAX_HEADER:
        parts = text.decode("utf-8", "replace").split(".")
        if len(parts) == 4 and parts[0] == _VERSION and parts[2].isascii() and parts[2].isdigit():
            return parts[1], parts[2], parts[3]
    raise MessageError("its signature cannot be read", reason=FOREIGN)


def _signature(key: bytes, fields: tuple[str, ...], *contents: bytes) -> str:
    digest = hmac.new(key, _VERSION.encode(), hashlib.sha256)
    for part in (*(field.encode() for field in fields), *contents):
        digest.update(len(part).to_bytes(8, "big"))
        digest.update(part)
    return digest.hexdigest()
