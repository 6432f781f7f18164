"""An answer that never ends holds nobody: neither its headers nor its body, and no connection stays open."""

from __future__ import annotations

import time

import httpx
import pytest

from tests.worlds.feeds.dripping_server import DRIPS, dripping
from tests.worlds.feeds.feed_server import Fault, serving
from topologies.sources.bounded_http import BoundedClient
from vpp.errors import DataError

ANSWER_S = 0.4
drips = pytest.mark.parametrize("beginning", [pytest.param(value, id=name) for name, value in DRIPS.items()])


@drips
def test_an_answer_without_an_end_is_given_up_and_its_connection_closed(beginning: bytes) -> None:
    with dripping(beginning) as (address, connections):
        client = BoundedClient(5.0, answer_s=ANSWER_S)
        for _ in range(2):
            began = time.monotonic()
            with pytest.raises(httpx.ReadTimeout):
                client.request("GET", address)
            assert ANSWER_S <= time.monotonic() - began < 4.0
        until = time.monotonic() + 5.0
        while connections and time.monotonic() < until:
            time.sleep(0.05)
        assert connections == []
        client.close()


def test_a_kept_connection_is_bounded_too() -> None:
    with serving(lambda _path, _query: {"data": []}) as server, dripping(DRIPS["body"]) as (slow, _):
        client = BoundedClient(5.0, answer_s=ANSWER_S)
        assert client.request("GET", server.address).status == 200
        with pytest.raises(httpx.ReadTimeout):
            client.request("GET", slow)
        assert client.request("GET", server.address).body == b'{"data": []}'
        client.close()


def test_redirects_count_to_the_time_of_one_answer() -> None:
    with dripping(DRIPS["headers"]) as (slow, _):
        hop = Fault(status=302, headers={"Location": slow})
        with serving(lambda _path, _query: {}, hop) as server:
            client = BoundedClient(5.0, answer_s=ANSWER_S, follow_redirects=True)
            with pytest.raises(httpx.ReadTimeout):
                client.request("GET", server.address)
            client.close()


@pytest.mark.parametrize(("size", "fits"), [(1000, True), (1001, False)])
def test_a_body_has_at_most_so_many_bytes(size: int, fits: bool) -> None:
    with serving(lambda _path, _query: b" " * size) as server:
        client = BoundedClient(5.0, max_bytes=1000)
        if fits:
            assert client.request("GET", server.address).body == b" " * size
        else:
            with pytest.raises(DataError, match="more than"):
                client.request("GET", server.address)
        client.close()
