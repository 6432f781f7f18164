"""Asks the person at the client, in both protocol versions; without a clear yes the answer is no."""

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
    """Return whether the person approved, None where nobody can be asked, or the question to hand to the client.

    In the sessionless era a tool answers with its question, and the client calls again with the person's answer and the
    sealed state that names the digest asked about; an answer without that state was never asked for and is a no.

    Args:
        context: The call.
        message: What is asked.
        digest: Of what is approved.
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
