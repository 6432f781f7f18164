"""The store: Timestream for InfluxDB (InfluxDB 2), the shared model registry, and the secrets of the plant."""

from __future__ import annotations

import aws_cdk as cdk
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_efs as efs
from aws_cdk import aws_secretsmanager as secrets
from aws_cdk import aws_timestream as timestream
from constructs import Construct

from deploy.aws.network import INFLUX_PORT, NetworkStack
from deploy.aws.options import AwsOptions

USER = "10001"


class StoreStack(cdk.Stack):
    """Database, model registry and secrets.

    Attributes:
        influx_url: Address of InfluxDB.
        influx_token: Secret with a token that reads and writes the bucket. Its first value is random and no token: the
            runbook (docs/guide/aws.md) replaces it, and storage is refused by InfluxDB until then.
        approval_key: Secret that signs approvals.
        signing_key: Secret that signs every record.
        models: Access point of the model registry.
        models_files: Its file system.
    """

    def __init__(self, scope: Construct, name: str, *, options: AwsOptions, network: NetworkStack) -> None:
        """Make the store in the private subnets of ``network``."""
        super().__init__(scope, name)
        admin = self._secret("InfluxAdmin", "first user of InfluxDB")
        self.influx_token = self._secret("InfluxToken", "token of the storage worker")
        self.approval_key = self._secret("ApprovalKey", "signs approvals of plans")
        self.signing_key = self._secret("SigningKey", "signs every record")
        database = timestream.CfnInfluxDBInstance(
            self,
            "Influx",
            name="vpp",
            db_instance_type=options.influx_instance,
            allocated_storage=options.influx_storage_gib,
            db_storage_type="InfluxIOIncludedT1",
            deployment_type="SINGLE_AZ",
            organization="vpp",
            bucket="vpp",
            username="admin",
            password=admin.secret_value.unsafe_unwrap(),
            publicly_accessible=False,
            vpc_subnet_ids=[network.vpc.private_subnets[0].subnet_id],
            vpc_security_group_ids=[network.store_group.security_group_id],
        )
        database.apply_removal_policy(cdk.RemovalPolicy.RETAIN)
        self.influx_url = f"https://{database.attr_endpoint}:{INFLUX_PORT}"
        self.models_files = efs.FileSystem(
            self,
            "Models",
            vpc=network.vpc,
            security_group=network.files_group,
            vpc_subnets=ec2.SubnetSelection(subnet_type=ec2.SubnetType.PRIVATE_WITH_EGRESS),
            encrypted=True,
            enable_automatic_backups=True,
            removal_policy=cdk.RemovalPolicy.RETAIN,
        )
        owner = efs.PosixUser(uid=USER, gid=USER)
        self.models = self.models_files.add_access_point(
            "Registry",
            path="/models",
            posix_user=owner,
            create_acl=efs.Acl(owner_uid=USER, owner_gid=USER, permissions="750"),
        )

    def _secret(self, name: str, text: str) -> secrets.Secret:
        return secrets.Secret(
            self,
            name,
            description=text,
            generate_secret_string=secrets.SecretStringGenerator(exclude_punctuation=True, password_length=48),
        )
