"""The workers: one Fargate service per replica of a step, so a replica keeps its name in the consumer group."""

from __future__ import annotations

import aws_cdk as cdk
from aws_cdk import aws_ecs as ecs
from aws_cdk import aws_iam as iam
from aws_cdk import aws_logs as logs
from constructs import Construct

from deploy.aws.broker import BrokerStack
from deploy.aws.network import NetworkStack
from deploy.aws.options import AwsOptions
from deploy.aws.rights import MskStatement, statements, topic_maker
from deploy.aws.store import StoreStack
from deploy.generators.kubernetes import APPROVAL_READERS, METRICS_PORT, USER
from vpp.streams.topics import INPUT_OF

MODEL_READERS = frozenset({"forecast"})
# A worker that rebuilds its state from the changelog must not be ended for being slow.
START_S = 300
STOP_S = 60
_PROBE = "import urllib.request as u; u.urlopen('http://127.0.0.1:{port}/healthz', timeout=4)"


class WorkersStack(cdk.Stack):
    """ECS cluster, services of all workers and the task that makes the topics.

    The state of a worker lies on its task's own disk and is rebuilt from the changelog when the task is replaced:
    RocksDB does not belong on a network file system.

    Attributes:
        cluster: The ECS cluster.
        services: Services by name, such as ``forecast-0``.
    """

    def __init__(
        self,
        scope: Construct,
        name: str,
        *,
        options: AwsOptions,
        network: NetworkStack,
        broker: BrokerStack,
        store: StoreStack,
    ) -> None:
        """Make the services.

        Args:
            scope: The app.
            name: Name of the stack.
            options: The owner's choices.
            network: Where the tasks run.
            broker: What they connect to.
            store: Database, models and secrets.
        """
        super().__init__(scope, name)
        self._options, self._network, self._broker, self._store = options, network, broker, store
        self._log = logs.LogGroup(self, "Log", retention=logs.RetentionDays.THREE_MONTHS)
        self.cluster = ecs.Cluster(
            self, "Cluster", vpc=network.vpc, container_insights_v2=ecs.ContainerInsights.ENABLED
        )
        self._task("topics", ["vpp", "topics", "create"], topic_maker(), {})
        self.services: dict[str, ecs.FargateService] = {}
        for step in INPUT_OF:
            for ordinal in range(options.workers):
                self._service(f"{step}-{ordinal}", step, {"VPP_KAFKA__WORKER_ID": str(ordinal)})
        self._service("storage-0", "storage", {"VPP_STORE__KIND": "influx"})

    def _service(self, name: str, step: str, variables: dict[str, str]) -> None:
        task = self._task(name, ["python", "-m", f"topologies.{step}"], statements(step), variables, step=step)
        self.services[name] = ecs.FargateService(
            self,
            f"{name}-service",
            service_name=name,
            cluster=self.cluster,
            task_definition=task,
            desired_count=1,
            # Never two tasks of one name: the second would push the first out of the consumer group.
            min_healthy_percent=0,
            max_healthy_percent=100,
            circuit_breaker=ecs.DeploymentCircuitBreaker(rollback=True),
            security_groups=[self._network.worker_group],
            assign_public_ip=False,
            enable_execute_command=False,
        )

    def _task(
        self,
        name: str,
        command: list[str],
        rights: list[MskStatement],
        variables: dict[str, str],
        *,
        step: str = "",
    ) -> ecs.FargateTaskDefinition:
        options, store = self._options, self._store
        task = ecs.FargateTaskDefinition(
            self,
            name,
            family=f"vpp-{name}",
            cpu=options.worker_cpu,
            memory_limit_mib=options.worker_memory_mib,
            ephemeral_storage_gib=options.state_gib,
            runtime_platform=ecs.RuntimePlatform(cpu_architecture=ecs.CpuArchitecture.X86_64),
        )
        for right in rights:
            task.task_role.add_to_principal_policy(self._broker.policy(right))
        secrets = {"VPP_SIGNING__KEY": ecs.Secret.from_secrets_manager(store.signing_key)} if step else {}
        if step == "storage":
            secrets["VPP_INFLUX__TOKEN"] = ecs.Secret.from_secrets_manager(store.influx_token)
        if step in APPROVAL_READERS:
            secrets["VPP_APPROVAL_KEY"] = ecs.Secret.from_secrets_manager(store.approval_key)
        probe = ["CMD", "python", "-c", _PROBE.format(port=METRICS_PORT)]
        container = task.add_container(
            "worker",
            image=ecs.ContainerImage.from_registry(options.image),
            command=command,
            user=str(USER),
            readonly_root_filesystem=True,
            environment=self._environment() | variables,
            secrets=secrets,
            logging=ecs.LogDrivers.aws_logs(stream_prefix=name, log_group=self._log),
            stop_timeout=cdk.Duration.seconds(STOP_S),
            health_check=self._probe(probe) if step else None,
        )
        for volume, path in (("state", "/data"), ("scratch", "/tmp")):  # noqa: S108  # a volume of this task alone
            task.add_volume(name=volume)
            container.add_mount_points(ecs.MountPoint(source_volume=volume, container_path=path, read_only=False))
        if step in MODEL_READERS:
            self._mount_models(task, container)
        return task

    def _environment(self) -> dict[str, str]:
        return {
            "VPP_ENVIRONMENT": "production",
            "VPP_DATA_DIR": "/data",
            "VPP_LOG_FORMAT": "json",
            "VPP_INFERENCE": self._options.inference,
            "VPP_METRICS__HOST": "127.0.0.1",
            "VPP_METRICS__PORT": str(METRICS_PORT),
            "VPP_KAFKA__BOOTSTRAP_SERVERS": self._broker.bootstrap,
            "VPP_KAFKA__SECURITY_PROTOCOL": "sasl_ssl",
            "VPP_KAFKA__AWS_REGION": self.region,
            "VPP_KAFKA__PARTITIONS": str(self._options.partitions),
            "VPP_KAFKA__REPLICATION_FACTOR": "3",
            "VPP_INFLUX__URL": self._store.influx_url,
            "VPP_INFLUX__ORG": "vpp",
            "VPP_INFLUX__BUCKET": "vpp",
        }

    def _probe(self, command: list[str]) -> ecs.HealthCheck:
        return ecs.HealthCheck(
            command=command,
            interval=cdk.Duration.seconds(10),
            timeout=cdk.Duration.seconds(5),
            retries=3,
            start_period=cdk.Duration.seconds(START_S),
        )

    def _mount_models(self, task: ecs.FargateTaskDefinition, container: ecs.ContainerDefinition) -> None:
        files = self._store.models_files
        task.add_volume(
            name="models",
            efs_volume_configuration=ecs.EfsVolumeConfiguration(
                file_system_id=files.file_system_id,
                transit_encryption="ENABLED",
                authorization_config=ecs.AuthorizationConfig(
                    access_point_id=self._store.models.access_point_id, iam="ENABLED"
                ),
            ),
        )
        container.add_mount_points(
            ecs.MountPoint(source_volume="models", container_path="/data/models", read_only=True)
        )
        task.task_role.add_to_principal_policy(
            iam.PolicyStatement(
                actions=["elasticfilesystem:ClientMount"],
                resources=[files.file_system_arn],
                conditions={"StringEquals": {"elasticfilesystem:AccessPointArn": self._store.models.access_point_arn}},
            )
        )
