"""The broker: an MSK cluster with IAM authentication only, encrypted in transit and at rest."""

from __future__ import annotations

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_logs as logs
from aws_cdk import aws_msk as msk
from aws_cdk import custom_resources as cr
from constructs import Construct

from deploy.aws.network import NetworkStack
from deploy.aws.options import AwsOptions
from deploy.aws.rights import MskStatement

KAFKA_VERSION = "3.8.x"


class BrokerStack(cdk.Stack):
    """The cluster.

    Attributes:
        arn: The cluster.
        bootstrap: host:port list of the IAM listeners, known when the stack is deployed.
    """

    def __init__(self, scope: Construct, name: str, *, options: AwsOptions, network: NetworkStack) -> None:
        """Make the cluster in the private subnets of ``network``."""
        super().__init__(scope, name)
        subnets = [subnet.subnet_id for subnet in network.vpc.private_subnets]
        if options.broker == "serverless":
            self.arn = self._serverless(subnets, network)
        else:
            self.arn = self._express(subnets, network, options)
        self.bootstrap = self._bootstrap()

    def policy(self, statement: MskStatement) -> iam.PolicyStatement:
        """Return the IAM statement about resources of this cluster."""
        path = cdk.Fn.select(1, cdk.Fn.split(":cluster/", self.arn))
        resource = self.arn
        if statement.kind != "cluster":
            resource = self.format_arn(
                service="kafka",
                resource=statement.kind,
                resource_name=f"{path}/{statement.name}",
            )
        return iam.PolicyStatement(actions=list(statement.actions), resources=[resource])

    def _express(self, subnets: list[str], network: NetworkStack, options: AwsOptions) -> str:
        key = kms.Key(self, "Key", enable_key_rotation=True, description="MSK at rest")
        log_group = logs.LogGroup(self, "Log", retention=logs.RetentionDays.ONE_MONTH)
        configuration = msk.CfnConfiguration(
            self,
            "Configuration",
            name="vpp",
            kafka_versions_list=[KAFKA_VERSION],
            server_properties="auto.create.topics.enable=false\n",
        )
        cluster = msk.CfnCluster(
            self,
            "Cluster",
            cluster_name="vpp",
            kafka_version=KAFKA_VERSION,
            number_of_broker_nodes=len(subnets),
            broker_node_group_info=msk.CfnCluster.BrokerNodeGroupInfoProperty(
                client_subnets=subnets,
                instance_type=options.broker_instance,
                security_groups=[network.broker_group.security_group_id],
            ),
            client_authentication=msk.CfnCluster.ClientAuthenticationProperty(
                sasl=msk.CfnCluster.SaslProperty(iam=msk.CfnCluster.IamProperty(enabled=True)),
                unauthenticated=msk.CfnCluster.UnauthenticatedProperty(enabled=False),
            ),
            configuration_info=msk.CfnCluster.ConfigurationInfoProperty(
                arn=configuration.attr_arn, revision=configuration.attr_latest_revision_revision
            ),
            encryption_info=msk.CfnCluster.EncryptionInfoProperty(
                encryption_at_rest=msk.CfnCluster.EncryptionAtRestProperty(data_volume_kms_key_id=key.key_arn),
                encryption_in_transit=msk.CfnCluster.EncryptionInTransitProperty(client_broker="TLS", in_cluster=True),
            ),
            enhanced_monitoring="PER_TOPIC_PER_PARTITION",
            logging_info=msk.CfnCluster.LoggingInfoProperty(
                broker_logs=msk.CfnCluster.BrokerLogsProperty(
                    cloud_watch_logs=msk.CfnCluster.CloudWatchLogsProperty(
                        enabled=True, log_group=log_group.log_group_name
                    )
                )
            ),
        )
        return str(cluster.attr_arn)

    def _serverless(self, subnets: list[str], network: NetworkStack) -> str:
        cluster = msk.CfnServerlessCluster(
            self,
            "Cluster",
            cluster_name="vpp",
            vpc_configs=[
                msk.CfnServerlessCluster.VpcConfigProperty(
                    subnet_ids=subnets, security_groups=[network.broker_group.security_group_id]
                )
            ],
            client_authentication=msk.CfnServerlessCluster.ClientAuthenticationProperty(
                sasl=msk.CfnServerlessCluster.SaslProperty(iam=msk.CfnServerlessCluster.IamProperty(enabled=True))
            ),
        )
        return str(cluster.attr_arn)

    def _bootstrap(self) -> str:
        # CloudFormation only has the cluster's name; its listeners are queried when the stack is deployed.
        call = cr.AwsSdkCall(
            service="Kafka",
            action="getBootstrapBrokers",
            parameters={"ClusterArn": self.arn},
            physical_resource_id=cr.PhysicalResourceId.of("vpp-bootstrap"),
        )
        answer = cr.AwsCustomResource(
            self,
            "Bootstrap",
            on_create=call,
            on_update=call,
            policy=cr.AwsCustomResourcePolicy.from_statements(
                [iam.PolicyStatement(actions=["kafka:GetBootstrapBrokers"], resources=[self.arn])]
            ),
            install_latest_aws_sdk=False,
            log_group=logs.LogGroup(self, "BootstrapLog", retention=logs.RetentionDays.ONE_MONTH),
        )
        return str(answer.get_response_field("BootstrapBrokerStringSaslIam"))
