"""The monthly cost of a deployment: sizes times prices, item by item.

``cost = sum(quantity_i * price_i)``, where quantity is per month of 730 hours and price comes from a file.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from deploy.aws.options import AwsOptions
from vpp.errors import ConfigError
from vpp.streams.topics import INPUT_OF

HOURS = 730.0
# Placeholders: cost does not depend on the image name or the mail address.
_IMAGE = "registry.example.org/smartgrid-ai@sha256:" + "0" * 64
_MAIL = "ops@example.org"


@dataclass(frozen=True, slots=True)
class CostItem:
    """One line of the sheet.

    Attributes:
        name: Key of the price.
        quantity: How much of the unit in a month.
        unit: Unit of the quantity.
        price: Price of one unit.
    """

    name: str
    quantity: float
    unit: str
    price: float

    @property
    def cost(self) -> float:
        """Cost in a month, in the currency of the prices."""
        return self.quantity * self.price


@dataclass(frozen=True, slots=True)
class InferenceLoad:
    """What the Lambda function answers in a month.

    A request is counted per row: while slots are rare, Lambda has no more to put into one.

    Attributes:
        rows: Feature rows, one per zone and slot.
        row_ms: Run time of the function per row (ms), of `make bench ARGS="-k inference"`.
    """

    rows: float = 0.0
    row_ms: float = 0.0


def inference_load(zones: int, step_min: float, row_ms: float) -> InferenceLoad:
    """Return the load of ``zones`` with slots of ``step_min`` minutes.

    Raises:
        ConfigError: A number is not above 0.
    """
    if not min(zones, step_min, row_ms) > 0:
        raise ConfigError(
            f"{zones} zones, a step of {step_min:g} min, {row_ms:g} ms a row: all three must be above 0",
            hint="check --remote-zones, --step-min and --row-ms",
        )
    return InferenceLoad(zones * HOURS * 60 / step_min, row_ms)


def quantities(
    options: AwsOptions, *, broker_nodes: int, written_gb: float, inference: InferenceLoad | None = None
) -> dict[str, tuple[float, str]]:
    """Return the quantity and unit of each item by the key of its price.

    Args:
        options: Sizes of the deployment.
        broker_nodes: Brokers of the cluster.
        written_gb: Data that producers write in a month (GB), before replication.
        inference: What the function of ``inference=remote`` answers; None without it. Its poller runs all month.
    """
    load = inference or InferenceLoad()
    tasks = len(INPUT_OF) * options.workers + 1
    # Fargate includes 20 GiB of disk.
    extra_gib = options.state_gib - 20
    return {
        "fargate_vcpu_hour": (tasks * options.worker_cpu / 1024 * HOURS, "vCPU h"),
        "fargate_gib_hour": (tasks * options.worker_memory_mib / 1024 * HOURS, "GiB h"),
        "fargate_disk_gib_hour": (tasks * extra_gib * HOURS, "GiB h"),
        "msk_broker_hour": (broker_nodes * HOURS, "broker h"),
        "msk_written_gb": (written_gb, "GB"),
        "influx_instance_hour": (HOURS, "h"),
        "influx_storage_gib_month": (float(options.influx_storage_gib), "GiB"),
        "nat_gateway_hour": (HOURS, "h"),
        "grafana_editor_month": (1.0, "editor"),
        "lambda_million_requests": (load.rows / 1e6, "million"),
        "lambda_gib_second": (load.rows * load.row_ms / 1000 * options.inference_memory_mib / 1024, "GiB s"),
        "lambda_poller_unit_hour": (HOURS if inference else 0.0, "unit h"),
    }


def cost_sheet(amounts: Mapping[str, tuple[float, str]], prices: Mapping[str, object]) -> list[CostItem]:
    """Return the items, in the order of ``amounts``.

    Raises:
        ConfigError: A price is missing, unknown, negative or no number.
    """
    if unknown := sorted(set(prices) - set(amounts) - {"currency", "date", "region"}):
        raise ConfigError(f"unknown price {unknown[0]!r}", hint=f"the prices are {', '.join(amounts)}")
    sheet = []
    for name, (quantity, unit) in amounts.items():
        price = prices.get(name)
        if not isinstance(price, int | float) or isinstance(price, bool) or not price >= 0:
            raise ConfigError(f"price of {name} per {unit} is {price!r}", hint="give a number, 0 or more")
        sheet.append(CostItem(name, quantity, unit, float(price)))
    return sheet


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the monthly cost of a deployment for the prices in a file."""
    parser = argparse.ArgumentParser(prog="python -m deploy.aws.cost", description=main.__doc__)
    parser.add_argument("--prices", type=Path, required=True, help="JSON file: a price per key, currency, region, date")
    parser.add_argument("--workers", type=int, default=2, help="replicas of each stateful step")
    parser.add_argument("--broker-nodes", type=int, default=3, help="brokers of the cluster")
    parser.add_argument("--written-gb", type=float, default=0.0, help="data written by producers in a month (GB)")
    parser.add_argument("--remote-zones", type=int, default=0, help="zones with inference=remote; 0: none")
    parser.add_argument("--step-min", type=float, default=30.0, help="slot length of these zones (min)")
    parser.add_argument("--row-ms", type=float, default=10.0, help="run time of the function per row (ms)")
    args = parser.parse_args(arguments)
    try:
        prices = json.loads(args.prices.read_text(encoding="utf-8"))
        options = AwsOptions(image=_IMAGE, alarm_email=_MAIL, workers=args.workers)
        inference = inference_load(args.remote_zones, args.step_min, args.row_ms) if args.remote_zones else None
        amounts = quantities(options, broker_nodes=args.broker_nodes, written_gb=args.written_gb, inference=inference)
        sheet = cost_sheet(amounts, prices)
    except (OSError, ValueError, ConfigError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    lines = [f"{item.name:28}{item.quantity:12,.0f} {item.unit:10}{item.cost:12,.2f}" for item in sheet]
    total = sum(item.cost for item in sheet)
    context = f"{prices.get('currency', '')} a month, {prices.get('region', '')}, prices of {prices.get('date', '')}"
    sys.stdout.write("\n".join([*lines, f"{'total':50}{total:13,.2f} {context}", ""]))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
