"""A language model that follows a script, for tests of the agent: no key, no network."""

from __future__ import annotations

from typing import Any

from pydantic_ai.messages import ModelMessage, ModelResponse, TextPart, ToolCallPart, ToolReturnPart
from pydantic_ai.models import Model
from pydantic_ai.models.function import AgentInfo, FunctionModel


def scripted(*steps: dict[str, Any] | str) -> Model:
    """Return a model that takes these steps, one an answer; ``{plan}`` stands for the id of the last plan it saw."""
    left = list(steps)

    def answer(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
        step = left.pop(0)
        if isinstance(step, str):
            return ModelResponse([TextPart(step)])
        message: list[Any] = [part.content for m in messages for part in m.parts if isinstance(part, ToolReturnPart)]
        plan = next((one["plan_id"] for one in reversed(message) if isinstance(one, dict) and one.get("plan_id")), "")
        arguments = {name: plan if value == "{plan}" else value for name, value in step["arguments"].items()}
        return ModelResponse([ToolCallPart(step["tool"], arguments)])

    return FunctionModel(answer)


def call(tool: str, **arguments: Any) -> dict[str, Any]:
    """Return a step that calls a tool."""
    return {"tool": tool, "arguments": arguments}
