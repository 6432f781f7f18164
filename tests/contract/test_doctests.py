"""Every example in a docstring runs and gives what it says."""

import doctest
import importlib

import pytest

from tests.worlds.source_tree import our_modules

EXAMPLES = [module.name for module in our_modules() if ">>>" in module.source]


def test_there_are_examples() -> None:
    assert len(EXAMPLES) >= 7


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_examples_of_a_module_hold(name: str) -> None:
    results = doctest.testmod(importlib.import_module(name), optionflags=doctest.NORMALIZE_WHITESPACE)
    assert results.attempted > 0
    assert results.failed == 0
