"""The CDK app: ``python -m deploy.aws.app --outdir cdk.out`` writes the templates, without an account.

``cdk deploy --app cdk.out`` deploys them (docs/guide/aws.md).
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import aws_cdk as cdk

from deploy.aws.broker import BrokerStack
from deploy.aws.inference import InferenceStack
from deploy.aws.network import NetworkStack
from deploy.aws.options import AwsOptions, read_options
from deploy.aws.store import StoreStack
from deploy.aws.watch import WatchStack
from deploy.aws.workers import WorkersStack

CONTEXT = Path(__file__).with_name("cdk.json")


def plant_app(options: AwsOptions, *, outdir: str | None = None, context: Mapping[str, Any] | None = None) -> cdk.App:
    """Return the app with all stacks of one plant.

    Args:
        options: The owner's choices.
        outdir: Folder of the templates; None leaves it to the ``cdk`` command.
        context: Feature flags of CDK.
    """
    app = cdk.App(outdir=outdir, context=dict(context or {}))
    network = NetworkStack(app, "VppNetwork", cidr=options.cidr)
    broker = BrokerStack(app, "VppBroker", options=options, network=network)
    store = StoreStack(app, "VppStore", options=options, network=network)
    workers = WorkersStack(app, "VppWorkers", options=options, network=network, broker=broker, store=store)
    watch = WatchStack(app, "VppWatch", options=options, workers=workers)
    if options.inference == "remote":
        InferenceStack(
            app,
            "VppInference",
            options=options,
            network=network,
            broker=broker,
            store=store,
            failed=watch.alarms,
        )
    cdk.Tags.of(app).add("project", "smartgrid-ai")
    return app


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the templates for the options in cdk.json and on the command line; 2 when an option is wrong."""
    parser = argparse.ArgumentParser(prog="python -m deploy.aws.app", description=main.__doc__)
    parser.add_argument("--outdir", default="cdk.out", help="folder of the templates (default: cdk.out)")
    parser.add_argument("-c", dest="options", action="append", default=[], metavar="NAME=VALUE", help="an option")
    args = parser.parse_args(arguments)
    context = json.loads(CONTEXT.read_text(encoding="utf-8"))["context"]
    try:
        options = read_options(context | dict(_pair(text) for text in args.options))
    except ValueError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    assembly = plant_app(options, outdir=args.outdir, context=context).synth()
    sys.stdout.write(f"wrote the templates of {len(assembly.stacks)} stacks to {args.outdir}\n")
    return 0


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise ValueError(f"-c {text}: write it as NAME=VALUE")
    return name, value


if __name__ == "__main__":
    raise SystemExit(main())
