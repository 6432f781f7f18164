"""Outcomes are codes and types: no module decides by the words of a reason, a note or an error."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("vpp", "features", "models", "agents", "topologies", "mcp_server", "console")
READS_OLD_WORDS = {"vpp/messages/decision_v1.py"}

WORDS = frozenset({"reason", "note", "notes", "binding", "detail", "verdict_reason", "engine", "hint", "why"})
"""Names of values that hold sentences for people, or codes that have a type."""

PARSING = frozenset({"startswith", "endswith", "split", "rsplit", "partition", "rpartition", "find", "index"})


def parsed_sentences(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield line and source of every place that takes an error's text, or a sentence, apart."""
    errors = {node.name for node in ast.walk(tree) if isinstance(node, ast.ExceptHandler) and node.name}
    for node in ast.walk(tree):
        if isinstance(node, ast.Compare) and any(isinstance(op, ast.In | ast.NotIn) for op in node.ops):
            is_text = isinstance(node.left, ast.Constant) and isinstance(node.left.value, str)
            if is_text and any(_is_error_text(side, errors) or _name(side) in WORDS for side in node.comparators):
                yield node.lineno, ast.unparse(node)
        elif (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr in PARSING
            and (_is_error_text(node.func.value, errors) or _name(node.func.value) in WORDS)
        ):
            yield node.lineno, ast.unparse(node)


def _is_error_text(node: ast.expr, errors: set[str]) -> bool:
    if not isinstance(node, ast.Call) or _name(node.func) not in {"str", "repr"}:
        return False
    return any(_name(argument) in errors for argument in node.args)


def _name(node: ast.expr) -> str | None:
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else None


def test_no_module_parses_a_sentence() -> None:
    places = [
        f"{path.relative_to(ROOT)}:{line}: {source}"
        for package in PACKAGES
        for path in sorted((ROOT / package).rglob("*.py"))
        if str(path.relative_to(ROOT)) not in READS_OLD_WORDS
        for line, source in parsed_sentences(ast.parse(path.read_text()))
    ]
    assert places == []


@pytest.mark.parametrize(
    "source",
    [
        "try:\n    f()\nexcept E as error:\n    g('locked' in str(error))",
        "try:\n    f()\nexcept E as failure:\n    g(str(failure).startswith('no topic'))",
        "plan.engine.startswith('reflex')",
        "'SoC instead' in note",
        "reason.split(':')[0]",
        "order.verdict_reason.partition(':')",
    ],
)
def test_a_parsed_sentence_is_found(source: str) -> None:
    assert list(parsed_sentences(ast.parse(source)))
