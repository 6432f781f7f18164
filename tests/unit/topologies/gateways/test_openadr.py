"""The OpenADR gateway against a VTN on this machine: orders and prices once each, also over kills and faults."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr

from tests.worlds.devices import Kept
from tests.worlds.feeds.dripping_server import DRIPS, dripping
from tests.worlds.feeds.feed_server import Fault, FeedServer, serving
from tests.worlds.field.vtn import CLIENT, SECRET, Vtn, event
from tests.worlds.mcp_plant import fill
from topologies.control.operator_orders import OPERATOR_PRIORITY
from topologies.gateways.openadr import Ven, VtnClient, state_path
from vpp.errors import ConfigError, DataError, UnreachableError
from vpp.messages import Message, Order
from vpp.settings import OpenAdrSettings, Settings
from vpp.store import open_store

NOW = datetime(2026, 3, 4, 16, tzinfo=UTC)
SOON = NOW + timedelta(hours=1)


@pytest.fixture
def vtn() -> Vtn:
    return Vtn()


@pytest.fixture
def server(vtn: Vtn) -> Iterator[FeedServer]:
    with serving(vtn) as server:
        yield server


class Site:
    """A gateway that can be started anew, and what it wrote."""

    def __init__(self, folder: Path, address: str, **more: str) -> None:
        given = {"url": address, "zone": "GB", "client_id": CLIENT, "client_secret": SecretStr(SECRET), **more}
        self.settings = Settings(data_dir=folder, openadr=OpenAdrSettings.model_validate(given))
        self.orders: list[Message] = []
        self.telemetry = Kept()
        self.is_away = False
        with open_store(self.settings) as store:
            fill(store)

    def post(self, _topic: str, message: Message) -> None:
        if self.is_away:
            raise UnreachableError("the broker is away")
        self.orders.append(message)

    def poll(self) -> list[Order]:
        """Start a gateway, poll once, kill it; return the new orders."""
        before = len(self.orders)
        client = VtnClient(self.settings.openadr)
        try:
            Ven(client, self.settings, self.post, self.telemetry, now=lambda: NOW).poll()
        finally:
            client.close()
        new = self.orders[before:]
        assert all(isinstance(order, Order) for order in new)
        return [order for order in new if isinstance(order, Order)]


@pytest.fixture
def site(tmp_path: Path, server: FeedServer) -> Site:
    return Site(tmp_path, f"{server.address}/openadr3/3.0.1")


def test_an_event_becomes_an_order_once_and_prices_are_published(site: Site, vtn: Vtn) -> None:
    vtn.events = [
        event("limit", SOON, ("DISPATCH_SETPOINT", 2000), units={"DISPATCH_SETPOINT": "KW"}),
        event("tariff", SOON, ("PRICE", 0.20), ("PRICE", 0.45), units={"PRICE": "KWH"}),
    ]
    (order,) = site.poll()
    assert (order.zone, order.action, order.power_mw, order.starts_at) == ("GB", "target", -2.0, SOON)
    assert order.principal == "gateway:openadr"
    assert order.approval is not None
    (prices,) = site.telemetry.messages
    assert (prices.first_slot, prices.available_at) == (SOON, NOW)
    assert prices.series["price_per_mwh"] == pytest.approx([200.0, 450.0])
    assert site.poll() == []
    assert len(site.telemetry.messages) == 1


def test_of_overlapping_events_the_one_of_higher_priority_gives_the_stronger_order(site: Site, vtn: Vtn) -> None:
    """A smaller number is a higher priority in OpenADR, none is the lowest; no event outranks a person's order."""
    vtn.events = [{**event(f"e{n}", SOON, ("SIMPLE", 1)), "priority": n} for n in (0, 3, 40)]
    vtn.events.append({**event("none", SOON, ("SIMPLE", 1)), "priority": None})
    given = [order.priority for order in site.poll()]
    assert given == [OPERATOR_PRIORITY, OPERATOR_PRIORITY - 3, OPERATOR_PRIORITY - 10, OPERATOR_PRIORITY - 10]


def test_an_event_that_goes_is_cancelled(site: Site, vtn: Vtn) -> None:
    vtn.events = [event("limit", SOON, ("SIMPLE", 1))]
    (order,) = site.poll()
    vtn.events = []
    (cancel,) = site.poll()
    assert (cancel.action, cancel.cancels) == ("cancel", order.order_id)


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Fault(path="events", status=429, headers={"Retry-After": "1"}), UnreachableError),
        (Fault(path="events", status=500), UnreachableError),
        (Fault(path="events", cut=0.5), UnreachableError),
        (Fault(path="events", body=b"<html>maintenance</html>"), DataError),
        (Fault(path="events", body=b"{}"), DataError),
        (Fault(path="events", status=403), ConfigError),
        (Fault(path="token", status=500), UnreachableError),
        (Fault(path="token", body=b"{}"), DataError),
    ],
)
def test_a_poll_that_fails_changes_nothing(
    site: Site, vtn: Vtn, server: FeedServer, fault: Fault, error: type[Exception]
) -> None:
    vtn.events = [event("limit", SOON, ("SIMPLE", 1))]
    site.poll()
    server.faults.append(fault)
    with pytest.raises(error):
        site.poll()
    assert site.poll() == []


def test_a_gateway_killed_between_order_and_note_gives_the_same_order(site: Site, vtn: Vtn) -> None:
    vtn.events = [event("limit", SOON, ("SIMPLE", 1))]
    (order,) = site.poll()
    state_path(site.settings).unlink()
    assert [again.order_id for again in site.poll()] == [order.order_id]


def test_what_the_broker_did_not_take_is_sent_by_the_next_poll(site: Site, vtn: Vtn) -> None:
    vtn.events = [event("limit", SOON, ("SIMPLE", 1))]
    site.is_away = True
    with pytest.raises(UnreachableError):
        site.poll()
    site.is_away = False
    assert len(site.poll()) == 1


def test_events_come_in_pages_of_one_program_and_an_ended_token_is_renewed(tmp_path: Path, vtn: Vtn) -> None:
    vtn.events = [event(f"e{n}", SOON, ("SIMPLE", 0)) for n in range(120)]
    vtn.events += [{**event("other", SOON, ("SIMPLE", 1)), "programID": "p2"}]
    with serving(vtn) as server:
        client = VtnClient(Site(tmp_path, server.address, program="p1").settings.openadr)
        assert len(client.events()) == 120
        vtn.token = "second"
        server.faults.append(Fault(path="events", status=401))
        assert len(client.events()) == 120
        client.close()


def test_without_a_vtn_the_next_step_is_said() -> None:
    with pytest.raises(ConfigError, match="there is no VTN"):
        VtnClient(OpenAdrSettings())


@pytest.mark.parametrize("beginning", [pytest.param(value, id=name) for name, value in DRIPS.items()])
def test_a_vtn_whose_answer_never_ends_does_not_hold_the_gateway(beginning: bytes) -> None:
    with dripping(beginning) as (address, _):
        client = VtnClient(OpenAdrSettings(url=address, zone="GB"), answer_s=0.3)
        with pytest.raises(UnreachableError, match="took more than"):
            client.events()
        client.close()


def test_an_address_that_is_none_is_named() -> None:
    client = VtnClient(OpenAdrSettings(url="http://[::1/", zone="GB"))
    with pytest.raises(ConfigError, match="is not an address"):
        client.events()
    client.close()
