"""Accepted findings of cdk-nag's AWS Solutions rules, each with its reason. Any other finding fails CI."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Waiver:
    """A rule that does not hold for some constructs.

    Attributes:
        rule: Name of the rule, without the part in brackets.
        paths: Glob pattern of the constructs' paths.
        reason: Why the finding is accepted.
    """

    rule: str
    paths: str
    reason: str


WAIVERS = (
    Waiver(
        "AwsSolutions-IAM4",
        "VppBroker/AWS*/ServiceRole/Resource",
        "CDK's own Lambda asks for the broker's addresses at deployment; the managed policy lets it log.",
    ),
    Waiver(
        "AwsSolutions-IAM4",
        "VppInference/Function/ServiceRole/Resource",
        "Managed policies of a function in a network and of one that reads MSK: interfaces, logs, the cluster.",
    ),
    Waiver(
        "AwsSolutions-IAM5",
        "VppInference/Function/ServiceRole/DefaultPolicy/Resource",
        "Transactional ids are named by prefix, as in deploy/create-acls.sh; actions of KMS are granted by group.",
    ),
    Waiver(
        "AwsSolutions-IAM5",
        "VppWorkers/*/TaskRole/DefaultPolicy/Resource",
        "Topic creation, changelogs and transactional ids are named by prefix, as in deploy/create-acls.sh.",
    ),
    Waiver(
        "AwsSolutions-IAM5",
        "VppWatch/GrafanaRole/DefaultPolicy/Resource",
        "CloudWatch's reading actions know no resources.",
    ),
    Waiver(
        "AwsSolutions-SMG4",
        "VppStore/*/Resource",
        "A new approval key voids open approvals and InfluxDB makes its own tokens: the runbook rotates both.",
    ),
    Waiver(
        "AwsSolutions-ECS2",
        "VppWorkers/*/Resource",
        "Settings without secrets are environment variables, as on every platform; secrets come from Secrets Manager.",
    ),
)
