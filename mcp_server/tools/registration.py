"""Registers a tool: binds its first parameter, translates its errors and shortens its schemas.

A tool is a module-level function. The server binds its first parameter, such as the read context; clients see the other
parameters.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any, get_type_hints

from fastmcp import FastMCP
from fastmcp.exceptions import ToolError, ValidationError
from fastmcp.tools.base import ToolResult
from fastmcp.tools.function_tool import FunctionTool
from mcp_types import Tool, ToolAnnotations
from pydantic import ValidationError as PydanticError

from mcp_server.answers.sanitize import plain
from mcp_server.tools.argument_errors import argument_sentence
from mcp_server.tools.short_schemas import compact_input, compact_output
from vpp.errors import VppError

READ = ToolAnnotations(read_only_hint=True, destructive_hint=False, idempotent_hint=True, open_world_hint=False)
TIMEOUT_S = 30.0
ERROR_CHARS = 1000


class ShortTool(FunctionTool):
    """A tool that lists no framework metadata and reports an argument error as one sentence."""

    async def run(self, arguments: dict[str, Any]) -> ToolResult:
        """Run the tool.

        Raises:
            ToolError: An argument is not valid; the message names it and the valid values.
        """
        try:
            return await super().run(arguments)
        except ValidationError as error:
            cause = error.__cause__
            if not isinstance(cause, PydanticError):
                raise
            raise ToolError(argument_sentence(cause, self.parameters)) from error

    def to_mcp_tool(self, **overrides: Any) -> Tool:
        """Return the tool as listed for clients."""
        return super().to_mcp_tool(**{"_meta": None, **overrides})


def add_tool(
    server: FastMCP,
    subject: object,
    function: Callable[..., Any],
    title: str,
    *,
    annotations: ToolAnnotations = READ,
    auth: Any = None,
    timeout_s: float = TIMEOUT_S,
) -> dict[str, Any]:
    """Register a tool with its annotations and short schemas; return the full schema of its answer.

    Args:
        server: The server.
        subject: Value of the function's first parameter.
        function: The tool; its docstring is the description.
        title: Title for people.
        annotations: Hints for clients: read-only, destructive, idempotent.
        auth: Check of the token's scopes; None admits every caller.
        timeout_s: Time limit of a call in seconds.
    """
    tool = ShortTool.from_function(
        bound(function, subject), annotations=annotations, title=title, timeout=timeout_s, auth=auth
    )
    assert tool.output_schema is not None
    short = {"parameters": compact_input(tool.parameters), "output_schema": compact_output(tool.output_schema)}
    server.add_tool(tool.model_copy(update=short))
    return tool.output_schema


def bound(function: Callable[..., Any], subject: object) -> Callable[..., Any]:
    """Return a tool with its first parameter bound; a ``VppError`` becomes a tool error that names the next step.

    Args:
        function: The tool, a coroutine function or not.
        subject: Value of its first parameter, which the returned function does not have.
    """
    if inspect.iscoroutinefunction(function):

        async def waiting(*args: Any, **kwargs: Any) -> Any:
            try:
                return await function(subject, *args, **kwargs)
            except VppError as error:
                raise _tool_error(error) from error

        return _without_first_parameter(waiting, function)

    def answering(*args: Any, **kwargs: Any) -> Any:
        try:
            return function(subject, *args, **kwargs)
        except VppError as error:
            raise _tool_error(error) from error

    return _without_first_parameter(answering, function)


def _without_first_parameter(wrapper: Callable[..., Any], function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a wrapper the name, docstring and signature of a function, without its first parameter."""
    signature = inspect.signature(function, eval_str=True)
    first, *parameters = signature.parameters.values()
    functools.update_wrapper(wrapper, function)
    del wrapper.__wrapped__  # type: ignore[attr-defined]  # its signature would win over the one that follows
    wrapper.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    hints = get_type_hints(function, include_extras=True)
    wrapper.__annotations__ = {name: hint for name, hint in hints.items() if name != first.name}
    return wrapper


def _tool_error(error: VppError) -> ToolError:
    # The message may contain names of zones and assets, which come from telemetry.
    return ToolError(plain(f"{error}. {error.hint}" if error.hint else str(error), ERROR_CHARS))
