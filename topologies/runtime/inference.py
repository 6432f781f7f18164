"""The inference step: rows of ``vpp.features`` in, forecasts of the net-load model out. Stateless."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from datetime import datetime

from models.forecast.inference import LoadModel, infer
from topologies.runtime.refused_records import CODES, dead_letter, refusal_alert
from vpp.errors import MessageError
from vpp.fleet.schema import Zone
from vpp.messages import Decoder, KnownLags
from vpp.settings import Settings
from vpp.streams.kafka import WireRecord, wire_record
from vpp.streams.reducer import Origin, Output
from vpp.streams.signatures import signer_of, verifier_of
from vpp.streams.topics import FEATURES, TELEMETRY
from vpp.streams.tracing import Headers, RecordTrace, now_ms

log = logging.getLogger(__name__)

NAME = "inference"
"""Name of the process in the table of topics, of its consumer group and of its status."""


class InferenceStep:
    """Answers rows, for the worker and for Lambda alike.

    Args:
        settings: Prefix of topics, and the keys that records are signed with.
        load_model: Finds a promoted model by id and sha256; raises ``ModelError``.
        zone_of: Finds a zone's configuration, for alerts of refused records.

    Attributes:
        last_slot: Last slot by zone.
        dead_letters: Records that could not be used, since the start.
    """

    def __init__(self, settings: Settings, load_model: LoadModel, zone_of: Callable[[str], Zone | None]) -> None:
        self._load_model = load_model
        self._zone_of = zone_of
        self._decode = Decoder(FEATURES.carries)
        self._verifier = verifier_of(settings)
        self._signer = signer_of(settings, NAME)
        self._prefix = settings.topic_prefix
        self.last_slot: dict[str, datetime] = {}
        self.dead_letters = 0

    def proofs(self) -> dict[str, Mapping[str, KnownLags]]:
        """Return nothing: no past is kept here."""
        return {}

    def answer(
        self, value: bytes | None, key: bytes | None, origin: Origin, appended_ms: int, headers: Headers
    ) -> list[WireRecord]:
        """Return the records that one record gives, signed and with the trace of its slot.

        Args:
            value: Raw value.
            key: Raw key, the zone's name.
            origin: Topic, partition and offset.
            appended_ms: The broker's time of the record (ms since 1970).
            headers: Headers of the record.
        """
        given_headers = list(headers or ())
        trace = RecordTrace(given_headers, appended_ms)
        records = []
        for output in self.process(value, key, origin, given_headers):
            hop = trace.hop_of(output.message, getattr(output.message, "slot", None), now_ms())
            trace_headers = None if hop is None else hop.headers(NAME)
            records.append(wire_record(output, self._signer, self._prefix, trace_headers))
        return records

    def process(self, value: bytes | None, key: bytes | None, origin: Origin, headers: Headers) -> list[Output]:
        """Return the answer to one record, or a dead letter where it is no row that can be used.

        Args:
            value: Raw value.
            key: Raw key, the zone's name.
            origin: Topic, partition and offset.
            headers: Headers of the record.
        """
        name = (key or b"").decode("utf-8", "replace")
        try:
            self._verifier.check(FEATURES, FEATURES.wire(self._prefix), (key, value), headers, origin.appended_at)
            row = self._decode(value, key=name)
            outputs = [Output(TELEMETRY.name, infer(row, self._load_model))]
            self.last_slot[name] = row.slot
        except MessageError as error:
            outputs = [self._bury(error.reason, str(error), value, key, origin)]
            zone, at = self._zone_of(name), self.last_slot.get(name) or origin.appended_at
            if error.reason in CODES and zone is not None and at is not None:
                outputs.append(refusal_alert(name, error.reason, origin, zone.step, at))
        except Exception as error:  # a bug on one record must not stop the zone's stream
            log.exception("no inference of a row origin=%s", origin)
            outputs = [self._bury("failed", f"{type(error).__name__}: {error}", value, key, origin)]
        return outputs

    def _bury(self, reason: str, detail: str, value: bytes | None, key: bytes | None, origin: Origin) -> Output:
        self.dead_letters += 1
        return dead_letter(reason, detail, value, key, origin)
