"""The REST API: what it describes is what it answers; pages, tags and problems."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from jsonschema import Draft202012Validator

from console.dashboard.rest_api import ENDPOINTS, PREFIX
from tests.worlds.page_plant import SLOTS, ZONE
from tests.worlds.plant_loop import Loop


class Client:
    """A client made from the OpenAPI document alone: it knows parameters and answers only from there."""

    def __init__(self, http: httpx.AsyncClient, document: dict[str, Any]) -> None:
        self.http, self.document = http, document
        self.operations = {op["get"]["operationId"]: (path, op["get"]) for path, op in document["paths"].items()}

    async def call(self, operation: str, **given: Any) -> Any:
        """Call an operation; parameters of the path are taken out of ``given``."""
        path, described = self.operations[operation]
        for parameter in described["parameters"]:
            assert not parameter["required"] or parameter["name"] in given, parameter
            if parameter["in"] == "path":
                path = path.replace("{" + parameter["name"] + "}", str(given.pop(parameter["name"])))
        reference = {one["name"] for one in described["parameters"]}
        assert given.keys() <= reference
        answer = await self.http.get(path, params=given)
        assert answer.status_code == 200, answer.text
        self.check(described, answer)
        return answer.json()

    def check(self, described: dict[str, Any], answer: httpx.Response) -> None:
        """Assert that an answer is one that the document describes."""
        text = described["responses"][str(answer.status_code)]
        content = answer.headers["content-type"].partition(";")[0]
        schema = {**text["content"][content]["schema"], "components": self.document["components"]}
        errors = list(Draft202012Validator(schema).iter_errors(answer.json()))
        assert errors == [], errors[:2]


async def made(http: httpx.AsyncClient) -> Client:
    return Client(http, (await http.get(f"{PREFIX}/openapi.json")).json())


async def test_the_document_is_sound_and_names_every_endpoint(looking: httpx.AsyncClient) -> None:
    document = (await looking.get(f"{PREFIX}/openapi.json")).json()
    assert document["openapi"] == "3.1.0"
    assert set(document["paths"]) == {PREFIX + endpoint.path for endpoint in ENDPOINTS}
    for schema in document["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)


async def test_a_client_made_from_the_document_gets_what_it_describes(looking: httpx.AsyncClient) -> None:
    client = await made(looking)
    assert (await client.call("get_overview"))["zones"][0]["zone"] == ZONE
    assert (await client.call("get_series", series="net_load_mw"))["points"]
    assert (await client.call("get_forecasts", target="price", all_quantiles="true"))["points"]
    assert (await client.call("get_performance", by="day"))["total"]
    assert (await client.call("get_health"))["store_ok"]
    assert (await client.call("get_alerts", severity="info"))["items"][0]["values"]["hours"] == 6.0
    (decision, *_) = (await client.call("get_decisions", limit=3))["items"]
    why = await client.call("get_decisions_decision_id", decision_id=decision["decision_id"])
    assert why["story"]
    assert (await client.call("get_orders"))["items"] == []
    assert (await client.call("get_ledger", limit=1))["items"][0]["currency"] == "GBP"


@pytest.mark.parametrize("limit", [1, 7, 100])
async def test_pages_give_every_row_once_and_in_order(looking: httpx.AsyncClient, shared: Loop, limit: int) -> None:
    rows, cursor = [], None
    while True:
        query: dict[str, str | int] = {"zone": ZONE, "start": "2022-01-03T20:00:00Z", "limit": limit}
        if cursor is not None:
            query["cursor"] = cursor
        page = (await looking.get(f"{PREFIX}/ledger", params=query)).json()
        assert len(page["items"]) <= limit
        rows += [(row["slot"], row["asset_id"], row["revision"]) for row in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    stored = shared.store.count("ledger", zone=ZONE)
    assert len(rows) == len(set(rows)) == round(stored * (SLOTS - 40) / SLOTS)
    assert [slot for slot, *_ in rows] == sorted(slot for slot, *_ in rows)


async def test_an_answer_that_the_caller_has_is_not_sent_again(looking: httpx.AsyncClient) -> None:
    first = await looking.get(f"{PREFIX}/ledger", params={"limit": 5})
    again = await looking.get(f"{PREFIX}/ledger", params={"limit": 5}, headers={"if-none-match": first.headers["etag"]})
    other = await looking.get(f"{PREFIX}/ledger", params={"limit": 4}, headers={"if-none-match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert (other.status_code, other.headers["etag"] != first.headers["etag"]) == (200, True)


@pytest.mark.parametrize(
    ("path", "status", "expected"),
    [
        ("/overview?zone=NOWHERE", 404, "there is no zone 'NOWHERE'"),
        ("/series", 422, "series: Field required"),
        ("/series?series=soc", 422, "series: Input should be"),
        ("/ledger?limit=0", 422, "limit: Input should be greater"),
        ("/ledger?cursor=nonsense", 422, "the cursor is not valid"),
        ("/ledger?start=2022-01-02T00:00", 422, "start: Input should have timezone info"),
        ("/ledger?start=2022-01-05T00:00Z&end=2022-01-02T00:00Z", 422, "is not before"),
        ("/series?series=net_load_mw&start=0001-01-01T00:00:00%2B14:00", 422, "not between 1900 and 2200"),
        ("/series?series=net_load_mw&end=9999-12-31T23:00:00-10:00", 422, "not between 1900 and 2200"),
        ("/ledger?end=0001-01-01T00:00:00Z", 422, "not between 1900 and 2200"),
        ("/anomalies?since=9999-12-31T23:00:00-10:00", 422, "not between 1900 and 2200"),
        ("/decisions/none", 404, "there is no decision 'none'"),
        ("/nothing", 404, "Not Found"),
        ("/alerts?nonsense=1", 422, "nonsense: Extra inputs are not permitted"),
    ],
)
async def test_problems_are_reported_as_such(looking: httpx.AsyncClient, path: str, status: int, expected: str) -> None:
    answer = await looking.get(PREFIX + path)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    assert expected in answer.json()["detail"]
