"""Remote inference: a Lambda function that answers the rows of ``vpp.features``, where ``inference=remote``."""

from __future__ import annotations

import aws_cdk as cdk
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_ecr as ecr
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_lambda_event_sources as sources
from aws_cdk import aws_logs as logs
from aws_cdk import aws_sns as sns
from constructs import Construct

from deploy.aws.broker import BrokerStack
from deploy.aws.network import IAM_PORT, NetworkStack
from deploy.aws.options import AwsOptions
from deploy.aws.rights import statements
from deploy.aws.store import StoreStack
from vpp.streams.topics import FEATURES

HANDLER = "topologies.lambda_inference.handler"
# The model registry is under VPP_DATA_DIR, and Lambda only mounts below /mnt.
DATA_DIR = "/mnt"
BATCH_RECORDS = 100
RETRIES = 10
TIMEOUT_S = 60


class InferenceStack(cdk.Stack):
    """The function and its event source mapping."""

    def __init__(
        self,
        scope: Construct,
        name: str,
        *,
        options: AwsOptions,
        network: NetworkStack,
        broker: BrokerStack,
        store: StoreStack,
        failed: sns.ITopic,
    ) -> None:
        """Make the function.

        Args:
            scope: The app.
            name: Name of the stack.
            options: The owner's choices.
            network: Where the function runs.
            broker: Where rows come from and answers go.
            store: Model registry and signing key.
            failed: Where Lambda says which rows it gave up.
        """
        super().__init__(scope, name)
        function = self._function(options, network, broker, store)
        # Lambda's pollers take the security group of the brokers and reach them through it.
        network.broker_group.add_ingress_rule(network.broker_group, ec2.Port.tcp(IAM_PORT), "pollers of Lambda")
        network.broker_group.add_egress_rule(network.broker_group, ec2.Port.tcp(IAM_PORT), "pollers of Lambda")
        network.broker_group.add_egress_rule(ec2.Peer.any_ipv4(), ec2.Port.tcp(443), "pollers to Lambda and SNS")
        function.add_event_source(
            sources.ManagedKafkaEventSource(
                cluster_arn=broker.arn,
                topic=FEATURES.wire(),
                consumer_group_id="vpp-inference",
                starting_position=lambda_.StartingPosition.TRIM_HORIZON,
                batch_size=BATCH_RECORDS,
                provisioned_poller_config=sources.ProvisionedPollerConfig(
                    minimum_pollers=1, maximum_pollers=options.partitions
                ),
                report_batch_item_failures=True,
                retry_attempts=RETRIES,
                on_failure=sources.SnsDlq(failed),
                filters=_filters(options.spec_hashes),
            )
        )

    def _function(
        self, options: AwsOptions, network: NetworkStack, broker: BrokerStack, store: StoreStack
    ) -> lambda_.DockerImageFunction:
        repository, _, digest = options.inference_image.partition("@")
        function = lambda_.DockerImageFunction(
            self,
            "Function",
            function_name="vpp-inference",
            description="answers feature rows with net-load forecasts",
            code=lambda_.DockerImageCode.from_ecr(
                ecr.Repository.from_repository_name(self, "Images", repository),
                tag_or_digest=digest,
                entrypoint=["vpp-entrypoint", "python", "-m", "awslambdaric"],
                cmd=[HANDLER],
            ),
            memory_size=options.inference_memory_mib,
            timeout=cdk.Duration.seconds(TIMEOUT_S),
            vpc=network.vpc,
            vpc_subnets=ec2.SubnetSelection(subnet_type=ec2.SubnetType.PRIVATE_WITH_EGRESS),
            security_groups=[network.worker_group],
            log_group=logs.LogGroup(self, "Log", retention=logs.RetentionDays.THREE_MONTHS),
            environment={
                "VPP_ENVIRONMENT": "production",
                "VPP_DATA_DIR": DATA_DIR,
                "VPP_LOG_FORMAT": "json",
                "VPP_KAFKA__BOOTSTRAP_SERVERS": broker.bootstrap,
                "VPP_KAFKA__SECURITY_PROTOCOL": "sasl_ssl",
                "VPP_KAFKA__AWS_REGION": self.region,
                "SIGNING_SECRET_ARN": store.signing_key.secret_arn,
            },
        )
        for statement in statements("inference"):
            function.add_to_role_policy(broker.policy(statement))
        store.signing_key.grant_read(function)
        self._mount_models(function, store)
        return function

    def _mount_models(self, function: lambda_.DockerImageFunction, store: StoreStack) -> None:
        point = store.models.access_point_arn
        resource = function.node.default_child
        assert isinstance(resource, lambda_.CfnFunction)
        resource.file_system_configs = [
            lambda_.CfnFunction.FileSystemConfigProperty(arn=point, local_mount_path=f"{DATA_DIR}/models")
        ]
        function.add_to_role_policy(
            iam.PolicyStatement(
                actions=["elasticfilesystem:ClientMount"],
                resources=[store.models_files.file_system_arn],
                conditions={"StringEquals": {"elasticfilesystem:AccessPointArn": point}},
            )
        )


def _filters(spec_hashes: tuple[str, ...]) -> list[dict[str, object]] | None:
    """Return the filter that lets rows of these feature tables through, None for all of them."""
    if not spec_hashes:
        return None
    return [lambda_.FilterCriteria.filter({"value": {"spec_hash": lambda_.FilterRule.or_(*spec_hashes)}})]
