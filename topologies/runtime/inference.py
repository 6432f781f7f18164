"""The inference step: rows of ``vpp.features`` in, what the net-load model says of each out. It keeps no state."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from typing import Any

from models.forecast.inference import LoadModel, infer
from topologies.runtime.refused_records import dead_letter
from vpp.errors import MessageError
from vpp.messages import Decoder, KnownLags
from vpp.settings import Settings
from vpp.streams.kafka import WireRecord, wire_record
from vpp.streams.reducer import Origin, Output
from vpp.streams.signatures import signer_of, verifier_of
from vpp.streams.topics import FEATURES, TELEMETRY
from vpp.streams.tracing import RecordTrace, now_ms

log = logging.getLogger(__name__)

NAME = "inference"
"""Name of the process in the table of topics, of its consumer group and of its status."""


class InferenceStep:
    """Answers rows, for the worker and for Lambda alike.

    Args:
        settings: Prefix of topics, and the keys that records are signed with.
        load_model: Finds a promoted model by id and sha256; raises ``ModelError``.

    Attributes:
        last_slot: Last slot by zone.
        dead_letters: Records that could not be used, since the start.
    """

    def __init__(self, settings: Settings, load_model: LoadModel) -> None:
        self._load_model = load_model
        self._decode = Decoder(FEATURES.carries)
        self._verifier = verifier_of(settings)
        self._signer = signer_of(settings, NAME)
        self._prefix = settings.topic_prefix
        self.last_slot: dict[str, Any] = {}
        self.dead_letters = 0

    def proofs(self) -> dict[str, Mapping[str, KnownLags]]:
        """Return nothing: no past is kept here."""
        return {}

    def answer(
        self,
        value: bytes | None,
        key: bytes | None,
        origin: Origin,
        appended_ms: int,
        headers: Iterable[tuple[str, Any]] | None,
    ) -> WireRecord:
        """Return the answer to one record, or a dead letter where it is no row that can be used.

        Args:
            value: Raw value.
            key: Raw key, the zone's name.
            origin: Topic, partition and offset.
            appended_ms: The broker's time of the record (ms since 1970).
            headers: Headers of the record.
        """
        given = list(headers or ())
        trace = RecordTrace(given, appended_ms)
        try:
            self._verifier.check(FEATURES, FEATURES.wire(self._prefix), (key, value), given, origin.appended_at)
            row = self._decode(value, key=(key or b"").decode("utf-8", "replace"))
            output = Output(TELEMETRY.name, infer(row, self._load_model))
        except MessageError as error:
            return self._buried(dead_letter(error.reason, str(error), value, key, origin))
        except Exception as error:  # a bug on one record must not stop the zone's stream
            log.exception("no inference of a row origin=%s", origin)
            return self._buried(dead_letter("failed", f"{type(error).__name__}: {error}", value, key, origin))
        self.last_slot[row.zone] = row.slot
        hop = trace.hop_of(output.message, row.slot, now_ms())
        return wire_record(output, self._signer, self._prefix, None if hop is None else hop.headers(NAME))

    def _buried(self, letter: Output) -> WireRecord:
        self.dead_letters += 1
        return wire_record(letter, self._signer, self._prefix)
