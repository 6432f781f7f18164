"""Fixtures that every test may use."""

import os
from pathlib import Path

import pytest

pytest_plugins = ["tests.service_fixtures", "tests.plant_fixtures"]

ROOT = Path(__file__).resolve().parent.parent


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """With several test processes: all plants in one, so that they do not contend; other tests by file."""
    for item in items:
        runs_a_plant = any(item.get_closest_marker(mark) for mark in ("e2e", "stream", "services"))
        item.add_marker(pytest.mark.xdist_group("plants" if runs_a_plant else item.path.name))


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """Folder of the real grid and market data sets; the test is skipped where they are absent.

    The environment variable VPP_TEST_DATA names it; the default is ``../shared/data`` beside the checkout.
    """
    named = os.environ.get("VPP_TEST_DATA")
    folder = Path(named) if named else ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        if named:
            pytest.fail(f"VPP_TEST_DATA names {folder}, which is not a folder")
        pytest.skip(f"real data sets absent: {folder} does not exist and VPP_TEST_DATA is not set")
    return folder
