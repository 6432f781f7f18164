"""Asks the user of the client for approval, in both protocol versions. Anything but an explicit yes is a no."""

from __future__ import annotations

from fastmcp import Context
from fastmcp.server.elicitation import AcceptedElicitation
from mcp.shared.exceptions import MCPError
from mcp_types import ElicitRequest, ElicitRequestFormParams, ElicitResult, InputRequiredResult
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

QUESTION = "approval"
_SCHEMA = {
    "type": "object",
    "properties": {"approve": {"type": "boolean", "title": "Approve", "description": "true sends the plan"}},
    "required": ["approve"],
}


async def ask_person(context: Context, message: str, digest: str) -> bool | InputRequiredResult | None:
    """Return whether the user approved, None if the client cannot ask, or the question to return to the client.

    In protocol versions without sessions the tool returns its question. The client then calls again with the user's
    answer and the sealed state that holds the digest of the plan. An answer without this state counts as no.

    Args:
        context: Context of the call.
        message: The question.
        digest: Digest of the plan to approve.
    """
    request = context.request_context
    if request is not None and request.protocol_version in MODERN_PROTOCOL_VERSIONS:
        answers = context.input_responses
        if answers is None:
            params = ElicitRequestFormParams(message=message, requested_schema=_SCHEMA)
            return InputRequiredResult(
                result_type="input_required",
                request_state=digest,
                input_requests={QUESTION: ElicitRequest(method="elicitation/create", params=params)},
            )
        answer = answers.get(QUESTION)
        if context.request_state != digest or not isinstance(answer, ElicitResult):
            return False
        return answer.action == "accept" and (answer.content or {}).get("approve") is True
    try:
        result = await context.elicit(message, response_type=bool)
    except MCPError:
        return None
    return isinstance(result, AcceptedElicitation) and result.data is True
