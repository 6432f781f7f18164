"""Every public function with four or more parameters describes each of them in ``Args``, each array with its shape.

``Arguments as ``name```` stands for the ``Args`` of a function of the same module. Not counted are methods that
implement a documented method of a base class, and commands of the CLI, whose options carry their help.
"""

import ast
import re
from collections.abc import Iterator

import pytest

from tests.worlds.source_tree import trees

Function = ast.FunctionDef | ast.AsyncFunctionDef
MANY = 4


ARRAYS = {"Floats", "Floats32", "Ints", "Ints32", "Bools", "Bytes"}
SHAPE = re.compile(r"[Ss]hape \(|same shape|(?:[Aa]s|[Ss]ee) ``")


def documented(function: Function, tree: ast.Module) -> bool:
    doc = ast.get_docstring(function) or ""
    other = re.search(r"[Aa]rguments(?: and errors)? as ``(\w+)``", doc)
    named = [one for one in tree.body if isinstance(one, Function) and other and one.name == other[1]]
    return "\nArgs:\n" in doc or any("\nArgs:\n" in (ast.get_docstring(one) or "") for one in named)


def entries(function: Function) -> dict[str, str]:
    """Return the text of each parameter in ``Args``."""
    section = (ast.get_docstring(function) or "").partition("\nArgs:\n")[2]
    section = re.split(r"^\S", section, maxsplit=1, flags=re.MULTILINE)[0]
    texts = re.findall(r"^ {4}([*\w, ]+?):(.*(?:\n {8}.*)*)", section, flags=re.MULTILINE)
    return {name.strip("* "): text for names, text in texts for name in names.split(",")}


def gaps(function: Function, arguments: list[ast.arg]) -> list[str]:
    """Return what ``Args`` leaves out: a parameter, or the shape of an array."""
    texts = entries(function)
    return [
        f"{one.arg}: {'has no shape' if one.arg in texts else 'is missing'}"
        for one in arguments
        if one.arg not in texts
        or (one.annotation is not None and ast.unparse(one.annotation) in ARRAYS and not SHAPE.search(texts[one.arg]))
    ]


def functions(tree: ast.Module) -> Iterator[tuple[Function, ast.ClassDef | None]]:
    """Yield each public function of a module and each public method of its public classes, with its class."""
    for node in tree.body:
        if isinstance(node, Function) and not node.name.startswith("_"):
            yield node, None
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            yield from ((one, node) for one in node.body if isinstance(one, Function) and not one.name.startswith("_"))


def parameters(function: Function, *, is_method: bool) -> list[ast.arg]:
    given = function.args
    ordered = [*given.posonlyargs, *given.args]
    static = any(isinstance(one, ast.Name) and one.id == "staticmethod" for one in function.decorator_list)
    rest = [one for one in (given.vararg, *given.kwonlyargs, given.kwarg) if one is not None]
    return [*(ordered[1:] if is_method and not static else ordered), *rest]


def bases(owner: ast.ClassDef | None) -> set[str]:
    names = [one.value if isinstance(one, ast.Subscript) else one for one in (owner.bases if owner else ())]
    return {one.id for one in names if isinstance(one, ast.Name)}


def described_methods() -> set[tuple[str, str]]:
    """Return class and name of each method whose parameters are described."""
    return {
        (owner.name, function.name)
        for _, tree in trees()
        for function, owner in functions(tree)
        if owner is not None and documented(function, tree)
    }


def is_command(path: str, arguments: list[ast.arg]) -> bool:
    return path.startswith("console/cli/") and any(one.arg == "common" for one in arguments)


def is_tool(path: str, tree: ast.Module, function: Function) -> bool:
    """Whether a function is an MCP tool: its docstring is what a model reads, and its annotations describe."""
    tables = [node for node in tree.body if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "TOOLS"]
    named = {one.id for table in tables for one in ast.walk(table) if isinstance(one, ast.Name)}
    return path.startswith("mcp_server/tools/") and function.name in named


def test_each_parameter_of_a_long_list_is_described() -> None:
    described = described_methods()
    missing = []
    for path, tree in trees():
        for function, owner in functions(tree):
            arguments = parameters(function, is_method=owner is not None)
            inherited = any((base, function.name) in described for base in bases(owner))
            if len(arguments) < MANY or is_command(path, arguments) or is_tool(path, tree, function) or inherited:
                continue
            place = f"{path}:{function.lineno} {function.name}"
            if not documented(function, tree):
                missing.append(place)
            elif "\nArgs:\n" in (ast.get_docstring(function) or ""):
                missing += [f"{place} {gap}" for gap in gaps(function, arguments)]
    assert missing == []


@pytest.mark.parametrize(
    ("entry", "gap"),
    [
        ("    rows: Values, shape (n,).", []),
        ("    rows: As ``other``.", []),
        ("    other: Values.", ["rows: is missing"]),
        ("    rows: Values.", ["rows: has no shape"]),
    ],
)
def test_a_parameter_left_out_and_an_array_without_a_shape_are_seen(entry: str, gap: list[str]) -> None:
    tree = ast.parse(f'def f(rows: Floats):\n    """Sum.\n\n    Args:\n    {entry}\n    """')
    [function] = tree.body
    assert isinstance(function, Function)
    assert gaps(function, parameters(function, is_method=False)) == gap


def test_each_option_of_a_command_has_a_help_text() -> None:
    silent = []
    for path, tree in trees():
        for function, _ in functions(tree):
            arguments = parameters(function, is_method=False)
            if is_command(path, arguments):
                annotations = [(one, ast.unparse(one.annotation) if one.annotation else "") for one in arguments]
                silent += [
                    f"{path}:{function.lineno} {one.arg}"
                    for one, annotation in annotations
                    if annotation.startswith("Annotated[") and "help=" not in annotation
                ]
    assert silent == []
