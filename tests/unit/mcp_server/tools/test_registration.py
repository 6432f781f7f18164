"""A registered tool: clients see every parameter but its subject, and our own errors with their next step."""

from __future__ import annotations

import inspect
from typing import Annotated, Any

import pytest
from fastmcp import Client, Context, FastMCP
from fastmcp.exceptions import ToolError
from pydantic import BaseModel, Field

from mcp_server.tools.registration import add_tool, bound
from vpp.errors import DataError


class Answer(BaseModel):
    text: str


def greet(subject: list[str], name: Annotated[str, Field(max_length=5)] = "ann", times: int = 1) -> Answer:
    """Greets."""
    if times < 0:
        raise DataError("times must not be negative", hint="give 1")
    if times == 0:
        raise KeyError("secret")
    return Answer(text=f"{subject[0]} {name}" * times)


async def wait(subject: list[str], call: Context, name: str) -> Answer:
    """Waits."""
    await call.report_progress(1, 1, name)
    if not name:
        raise DataError("who?", hint="give name")
    return Answer(text=f"{subject[0]} {name}")


@pytest.fixture
def server() -> FastMCP:
    made: FastMCP = FastMCP("test", mask_error_details=True)
    for function in (greet, wait):
        add_tool(made, ["hello"], function, "Title")
    return made


def test_the_subject_is_no_parameter_and_annotations_are_resolved() -> None:
    signature = inspect.signature(bound(greet, ["hello"]))
    assert list(signature.parameters) == ["name", "times"]
    assert signature.parameters["times"].annotation is int
    assert bound(greet, ["hello"]).__doc__ == "Greets."


async def test_tools_are_called_with_their_subject(server: FastMCP) -> None:
    async with Client(server) as client:
        tools = {tool.name: tool for tool in await client.list_tools()}
        assert set(tools["greet"].input_schema["properties"]) == {"name", "times"}
        assert set(tools["wait"].input_schema["properties"]) == {"name"}
        assert (await client.call_tool("greet", {"name": "bob"})).structured_content == {"text": "hello bob"}
        assert (await client.call_tool("wait", {"name": "bob"})).structured_content == {"text": "hello bob"}


@pytest.mark.parametrize(
    ("tool", "arguments", "message"),
    [
        pytest.param("greet", {"times": -1}, "times must not be negative. give 1", id="ours"),
        pytest.param("wait", {"name": ""}, "give name", id="ours from a coroutine"),
        pytest.param("greet", {"times": 0}, "Error calling tool", id="another is masked"),
        pytest.param("greet", {"subject": ["x"]}, "subject", id="the subject cannot be given"),
        pytest.param("greet", {"name": "too long"}, "name", id="bounds are checked"),
    ],
)
async def test_errors_say_what_to_do(server: FastMCP, tool: str, arguments: dict[str, Any], message: str) -> None:
    async with Client(server) as client:
        with pytest.raises(ToolError) as caught:
            await client.call_tool(tool, arguments)
    assert message in str(caught.value)
    assert "secret" not in str(caught.value)
