"""Read contexts: over a settled plant, and over an empty data directory."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from mcp_server.queries.context import ReadContext
from tests.worlds.mcp_plant import empty_context, filled_context


@pytest.fixture(scope="session")
def context(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ReadContext]:
    """The filled plant, shared: nothing here writes to it."""
    result = filled_context(tmp_path_factory.mktemp("plant"))
    yield result
    result.store.close()


@pytest.fixture
def nothing(tmp_path: Path) -> Iterator[ReadContext]:
    """A data directory where nothing has run."""
    result = empty_context(tmp_path / "none")
    yield result
    result.store.close()
