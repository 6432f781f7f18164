"""A language model answers from clauses, and only with words that stand in them."""

from __future__ import annotations

from typing import Any

import pytest

from agents.autonomous.llm_brain import open_model
from agents.autonomous.rule_reader import ReadAnswer, read_answer
from tests.worlds.models.llm_server import llm_server
from vpp.errors import UnreachableError
from vpp.rules.clauses import Clause
from vpp.rules.index import Hit

TEXT = "A site shall not export more than 30 MW at the point of connection."
HIT = Hit(Clause("2.1", "Export limit", TEXT, "code.md", "code.md 2.1"), 0.8, 0)
PROVIDERS = [("openai:gpt", "/v1"), ("openai-chat:own", "/v1")]


async def read(provider: tuple[str, str], answer: str, *quotations: tuple[int, str], status: int = 200) -> ReadAnswer:
    name, base = provider
    given: dict[str, Any] = {
        "answer": answer,
        "quotations": [{"number": number, "words": words} for number, words in quotations],
    }
    with llm_server(status, "answer", given) as server:
        model = open_model(name, api_key="k", base_url=server.url + base)
        reply = await read_answer(model, "How much may a site export?", [HIT])
    assert TEXT in str(server.asked[0][2])
    return reply


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_an_answer_that_quotes_its_clause_stands(provider: tuple[str, str]) -> None:
    reply = await read(provider, "At most 30 MW.", (1, "not export more\n than 30 MW"))
    assert reply == ReadAnswer("At most 30 MW.", (HIT,))


@pytest.mark.parametrize(
    ("answer", "quotations"),
    [
        pytest.param("At most 40 MW.", [(1, "not export more than 40 MW")], id="words that no clause has"),
        pytest.param("At most 30 MW.", [(2, "not export more than 30 MW")], id="a clause that was not given"),
        pytest.param("At most 30 MW.", [(1, "30 MW")], id="too few words"),
        pytest.param("At most 30 MW.", [], id="no quotation"),
        pytest.param("", [(1, "not export more than 30 MW")], id="no answer"),
    ],
)
async def test_what_no_clause_says_is_refused(answer: str, quotations: list[tuple[int, str]]) -> None:
    assert await read(PROVIDERS[0], answer, *quotations) == ReadAnswer("", ())


async def test_a_provider_that_fails_is_an_error() -> None:
    with pytest.raises(UnreachableError, match="the model failed"):
        await read(PROVIDERS[0], "", status=500)
