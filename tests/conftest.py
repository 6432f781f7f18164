"""Fixtures that every test may use."""

import os
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from xdist.scheduler import LoadScopeScheduling

pytest_plugins = ["tests.service_fixtures", "tests.plant_fixtures"]

# A busy machine or a kernel that compiles for the first time makes no example wrong.
settings.register_profile("vpp", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("vpp")

# The stacks for AWS need packages that `make aws-setup` adds.
collect_ignore = [] if find_spec("aws_cdk") else ["aws"]

ROOT = Path(__file__).resolve().parent.parent


class PlantsTogether(LoadScopeScheduling):
    """With several test processes: plants in two, so that at most two contend; other tests by file."""

    def _split_scope(self, nodeid: str) -> str:
        path = nodeid.split("::")[0]
        if path.startswith("tests/e2e/"):
            return "plants of the command line"
        return "plants in process" if path.startswith(("tests/stream/", "tests/services/")) else path


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> PlantsTogether:
    """Say how tests are shared out (xdist's hook)."""
    return PlantsTogether(config, log)


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
