"""A plant of two local days and a half, whose reports the tests read."""

from collections.abc import Iterator

import pytest

from mcp_server.queries.context import ReadContext
from tests.worlds.page_plant import page_loop, warn


@pytest.fixture(scope="package")
def context(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ReadContext]:
    loop = page_loop(tmp_path_factory.mktemp("plant"), slots=120)
    warn(loop)
    yield ReadContext(loop.settings, loop.store)
    loop.store.close()
