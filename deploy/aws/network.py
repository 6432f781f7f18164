"""The network: three zones, workers without public addresses, one NAT gateway, logs of all flows."""

from __future__ import annotations

import aws_cdk as cdk
from aws_cdk import aws_ec2 as ec2
from constructs import Construct

INFLUX_PORT = 8086
IAM_PORT = 9098
NFS_PORT = 2049


class NetworkStack(cdk.Stack):
    """Network and security groups of the plant.

    Attributes:
        vpc: The network.
        worker_group: Security group of every task of ours.
        broker_group: Security group of the brokers: workers alone reach their IAM port.
        store_group: Security group of InfluxDB: workers alone reach it.
        files_group: Security group of the model registry's file system.
    """

    def __init__(self, scope: Construct, name: str, *, cidr: str) -> None:
        """Make the network in ``cidr``."""
        super().__init__(scope, name)
        self.vpc = ec2.Vpc(
            self,
            "Vpc",
            ip_addresses=ec2.IpAddresses.cidr(cidr),
            availability_zones=[cdk.Fn.select(index, cdk.Fn.get_azs()) for index in range(3)],
            nat_gateways=1,
            subnet_configuration=[
                ec2.SubnetConfiguration(name="public", subnet_type=ec2.SubnetType.PUBLIC, cidr_mask=24),
                ec2.SubnetConfiguration(name="workers", subnet_type=ec2.SubnetType.PRIVATE_WITH_EGRESS, cidr_mask=20),
            ],
            flow_logs={"all": ec2.FlowLogOptions(traffic_type=ec2.FlowLogTrafficType.ALL)},
            restrict_default_security_group=False,
        )
        self.vpc.add_gateway_endpoint("S3", service=ec2.GatewayVpcEndpointAwsService.S3)
        self.worker_group = self._group("Workers", "tasks of the plant", outbound=True)
        self.broker_group = self._group("Brokers", "MSK")
        self.store_group = self._group("Store", "InfluxDB")
        self.files_group = self._group("Files", "model registry")
        for group, port, reason in (
            (self.broker_group, IAM_PORT, "Kafka with IAM"),
            (self.store_group, INFLUX_PORT, "InfluxDB"),
            (self.files_group, NFS_PORT, "NFS"),
        ):
            group.add_ingress_rule(self.worker_group, ec2.Port.tcp(port), f"{reason} from workers")

    def _group(self, name: str, text: str, *, outbound: bool = False) -> ec2.SecurityGroup:
        return ec2.SecurityGroup(self, name, vpc=self.vpc, description=text, allow_all_outbound=outbound)
