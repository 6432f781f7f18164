"""One name, one thing: no two classes of the source packages share a name, and variables are named by nouns."""

import ast
from collections import defaultdict
from collections.abc import Iterator

from tests.worlds.source_tree import trees

VERBS = {"found", "told", "said", "made", "kept"}
"""Names that do not tell what a variable holds."""


def variables(tree: ast.Module) -> Iterator[tuple[str, int]]:
    """Yield the name and the line of each variable that is assigned and of each parameter."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id, node.lineno
        elif isinstance(node, ast.arg):
            yield node.arg, node.lineno


def test_no_two_classes_have_one_name() -> None:
    places = defaultdict(list)
    for path, tree in trees():
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef):
                places[node.name].append(f"{path}:{node.lineno}")
    assert {name: at for name, at in places.items() if len(at) > 1} == {}


def test_variables_have_nouns_for_names() -> None:
    verbs = [f"{path}:{line}: {name}" for path, tree in trees() for name, line in variables(tree) if name in VERBS]
    assert verbs == []
