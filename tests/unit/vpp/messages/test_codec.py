"""What comes from outside says each thing once: a record with a key twice is a dead letter and not a guess."""

from datetime import UTC, datetime
from typing import Any

import pytest

from vpp import messages as m
from vpp.errors import MessageError
from vpp.messages import Decoder, encode
from vpp.streams.topics import ALERTS, AUDIT, BIDS, ORDERS, RAW, Topic

AT = datetime(2026, 3, 1, tzinfo=UTC)
FROM_OUTSIDE: list[tuple[Topic, Any]] = [
    (ORDERS, m.Order(zone="Z", order_id="o", action="target", principal="a", reason="r", issued_at=AT, power_mw=0.5)),
    (BIDS, m.Order(zone="Z", order_id="o", action="hold", principal="a", reason="r", issued_at=AT)),
    (AUDIT, m.Audit(zone="Z", audit_id="a", at=AT, principal="a", action="plan:propose", verdict="ready")),
    (RAW, m.Observation(zone="Z", slot=AT, values={"load_mw": 1.0})),
    (RAW, m.Deadline(zone="Z", slot=AT)),
    (ALERTS, m.AlertAct(zone="Z", act_id="x", at=AT, alert_id="y", action=m.AlertAction.ACKNOWLEDGE, principal="a")),
]


@pytest.mark.parametrize(("topic", "message"), FROM_OUTSIDE, ids=lambda part: type(part).__name__)
def test_a_key_that_comes_twice_is_refused(topic: Topic, message: Any) -> None:
    body = encode(message)
    assert Decoder(topic.carries)(body) == message
    for more in (b',"power_mw":15}', b',"zone":"Y"}', b',"own":{"a":1,"a":2}}'):
        with pytest.raises(MessageError, match="comes twice") as caught:
            Decoder(topic.carries)(body[:-1] + more[:-1] + more)
        assert caught.value.reason == "schema"
