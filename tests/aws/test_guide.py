"""The commands of docs/guide/aws.md, and the cost sheet."""

import json
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from deploy.aws import app, cost
from deploy.aws.options import AwsOptions
from tests.aws.conftest import OPTIONS
from tests.worlds.documents import ROOT, blocks

TITLE = "tests/aws/test_guide.py runs it"
PRICES = dict.fromkeys(cost.quantities(OPTIONS, broker_nodes=3, written_gb=0.0), 1.0)


def test_the_commands_of_the_guide_run(tmp_path: Path) -> None:
    ours = [block for block in blocks(ROOT / "docs" / "guide" / "aws.md") if TITLE in block.info]
    assert len(ours) == 2
    synth, sheet = (block.body.strip() for block in ours)
    arguments = synth.split('"')[1].split()
    assert app.main([*arguments, "--outdir", str(tmp_path)]) == 0
    assert (tmp_path / "VppWorkers.template.json").exists()
    assert not (tmp_path / "VppInference.template.json").exists()
    command = [sys.executable, *shlex.split(sheet)[1:]]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[-1].startswith("total")


def test_a_wrong_option_is_one_line_and_exit_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert app.main(["-c", "image=smartgrid-ai:0.1.0", "-c", "alarm_email=ops@example.org"]) == 2
    assert capsys.readouterr().err.startswith("image must be pinned by digest")
    assert app.main([]) == 2
    assert capsys.readouterr().err.startswith("image still is a placeholder")
    assert app.main(["-c", "workers"]) == 2


def test_cost_is_the_sum_of_quantities_times_prices() -> None:
    options = AwsOptions(image=OPTIONS.image, alarm_email="a@example.org", workers=1, worker_cpu=1024, state_gib=21)
    amounts = cost.quantities(options, broker_nodes=3, written_gb=10.0)
    sheet = {item.name: item.cost for item in cost.cost_sheet(amounts, PRICES | {"fargate_vcpu_hour": 0.5})}
    assert sheet["fargate_vcpu_hour"] == 7 * 730 * 0.5
    assert sheet["fargate_disk_gib_hour"] == 7 * 730
    assert sheet["msk_broker_hour"] == 3 * 730
    assert sheet["msk_written_gb"] == 10.0


def test_remote_inference_costs_its_rows_and_its_poller() -> None:
    load = cost.InferenceLoad(rows=2e6, row_ms=5.0)
    amounts = cost.quantities(OPTIONS, broker_nodes=3, written_gb=0.0, inference=load)
    assert amounts["lambda_million_requests"][0] == 2.0
    assert amounts["lambda_gib_second"][0] == pytest.approx(2e6 * 0.005 * OPTIONS.inference_memory_mib / 1024)
    assert amounts["lambda_poller_unit_hour"][0] == 730
    without = cost.quantities(OPTIONS, broker_nodes=3, written_gb=0.0)
    assert [without[name][0] for name in without if name.startswith("lambda_")] == [0.0, 0.0, 0.0]


def test_zones_and_their_step_make_the_rows(capsys: pytest.CaptureFixture[str]) -> None:
    prices = ROOT / "deploy" / "aws" / "prices.example.json"
    assert cost.main(["--prices", str(prices), "--remote-zones", "1000", "--step-min", "5"]) == 0
    lines = capsys.readouterr().out.splitlines()
    (requests,) = (line.split() for line in lines if line.startswith("lambda_million_requests"))
    assert requests[1] == "9"  # 1,000 zones x 8,760 slots of 5 minutes in 730 hours
    assert cost.main(["--prices", str(prices), "--remote-zones", "1", "--step-min", "0"]) == 2


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"nat_gateway_hour": None}, "price of nat_gateway_hour"),
        ({"nat_gateway_hour": -1}, "price of nat_gateway_hour"),
        ({"nat_gateway_hour": float("nan")}, "price of nat_gateway_hour"),
        ({"nat_gatway_hour": 1}, "unknown price 'nat_gatway_hour'"),
    ],
)
def test_a_wrong_price_is_named(
    change: dict[str, object], words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    prices = tmp_path / "prices.json"
    prices.write_text(json.dumps(PRICES | change), encoding="utf-8")
    assert cost.main(["--prices", str(prices)]) == 2
    assert words in capsys.readouterr().err
