"""Each documented provider prefix speaks to a server that answers as that provider documents it."""

from __future__ import annotations

from typing import Any

import pytest

from agents.autonomous.guard import AgentLimits, BrainContext, Call, CallResult, LastLook, Task
from agents.autonomous.llm_brain import ModelBrain, open_model
from tests.worlds.models.llm_server import ARGUMENTS, REPORT, TOOL, llm_server

PROVIDERS = [
    pytest.param("openai:gpt", "/v1", "/v1/responses", id="OpenAI"),
    pytest.param("anthropic:claude", "", "/v1/messages", id="Anthropic"),
    pytest.param("ollama:llama", "/v1", "/v1/chat/completions", id="Ollama"),
    pytest.param("openai-chat:own", "/v1", "/v1/chat/completions", id="vLLM"),
]
SCHEMA = {"type": "object", "properties": {"zone": {"type": "string"}}}


def episode(calls: list[Call], transcript: list[str]) -> BrainContext:
    async def ask(call: Call) -> CallResult:
        calls.append(call)
        return CallResult(call, answer={"as_of": "2022-01-03T10:00:00Z", "zones": []})

    async def keep(text: str) -> None:
        transcript.append(text)

    tools: dict[str, Any] = {TOOL: {"description": "The plant now.", "schema": SCHEMA}}
    before = LastLook("2022-01-03T09:30:00Z", "a ramp at noon")
    return BrainContext(Task("Z", before=before), AgentLimits(), tools, ask, keep)


@pytest.mark.parametrize(("name", "base", "path"), PROVIDERS)
async def test_a_provider_is_asked_in_its_own_shape(name: str, base: str, path: str) -> None:
    calls, transcript = list[Call](), list[str]()
    with llm_server() as server:
        brain = ModelBrain(open_model(name, api_key="secret-key", base_url=server.url + base))
        conclusion = await brain.look(episode(calls, transcript))
    assert (conclusion.kind, conclusion.text) == ("reported", REPORT)
    assert calls == [Call(TOOL, ARGUMENTS)]
    assert {asked for asked, _, _ in server.asked} == {path}
    assert all("secret-key" in headers["authorization"] for _, headers, _ in server.asked)
    assert "a ramp at noon" in str(server.asked[0][2])
    assert len(transcript) == 4
    assert not any("secret-key" in text for text in transcript)


@pytest.mark.parametrize("status", [401, 500])
@pytest.mark.parametrize(("name", "base", "path"), PROVIDERS)
async def test_a_provider_that_fails_is_a_conclusion(name: str, base: str, path: str, status: int) -> None:
    with llm_server(status) as server:
        brain = ModelBrain(open_model(name, api_key="k", base_url=server.url + base))
        conclusion = await brain.look(episode([], []))
    assert conclusion.kind == "failed"
    assert str(status) in conclusion.text
    assert {asked for asked, _, _ in server.asked} == {path}
