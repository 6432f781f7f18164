"""Monitoring of the plant on AWS: a Grafana workspace, alarms by mail, and a budget."""

from __future__ import annotations

import aws_cdk as cdk
from aws_cdk import aws_budgets as budgets
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_grafana as grafana
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sns_subscriptions as subscriptions
from constructs import Construct

from deploy.aws.options import AwsOptions
from deploy.aws.workers import WorkersStack
from vpp.streams.topics import INPUT_OF

# A step that is this many records behind for ten minutes does not keep up: a slot is one record per zone.
LAG_RECORDS = 1000


class WatchStack(cdk.Stack):
    """Alarms, budget and Grafana.

    Attributes:
        alarms: Topic that mails people.
    """

    def __init__(self, scope: Construct, name: str, *, options: AwsOptions, workers: WorkersStack) -> None:
        """Make an alarm per worker and per step, the budget and the Grafana workspace."""
        super().__init__(scope, name)
        key = kms.Key(self, "Key", enable_key_rotation=True, description="alarms at rest")
        key.grant_encrypt_decrypt(iam.ServicePrincipal("cloudwatch.amazonaws.com"))
        self.alarms = sns.Topic(self, "Alarms", master_key=key, enforce_ssl=True)
        self.alarms.add_subscription(subscriptions.EmailSubscription(options.alarm_email))
        notify = actions.SnsAction(self.alarms)
        for service in workers.services:
            running = cloudwatch.Metric(
                namespace="ECS/ContainerInsights",
                metric_name="RunningTaskCount",
                dimensions_map={"ClusterName": workers.cluster.cluster_name, "ServiceName": service},
                statistic="Minimum",
                period=cdk.Duration.minutes(1),
            )
            alarm = cloudwatch.Alarm(
                self,
                f"{service}-down",
                alarm_description=f"worker {service} does not run; see docs/guide/aws.md",
                metric=running,
                threshold=1,
                evaluation_periods=5,
                comparison_operator=cloudwatch.ComparisonOperator.LESS_THAN_THRESHOLD,
                treat_missing_data=cloudwatch.TreatMissingData.BREACHING,
            )
            alarm.add_alarm_action(notify)
        remote = ("inference",) if options.inference == "remote" else ()
        for step in (*INPUT_OF, "storage", *remote):
            lag = cloudwatch.Metric(
                namespace="AWS/Kafka",
                metric_name="SumOffsetLag",
                dimensions_map={"Cluster Name": "vpp", "Consumer Group": f"vpp-{step}"},
                statistic="Maximum",
                period=cdk.Duration.minutes(1),
            )
            alarm = cloudwatch.Alarm(
                self,
                f"{step}-lag",
                alarm_description=f"step {step} does not keep up with its input",
                metric=lag,
                threshold=LAG_RECORDS,
                evaluation_periods=10,
                treat_missing_data=cloudwatch.TreatMissingData.NOT_BREACHING,
            )
            alarm.add_alarm_action(notify)
        self._budget(options)
        self._grafana()

    def _budget(self, options: AwsOptions) -> None:
        subscriber = budgets.CfnBudget.SubscriberProperty(address=options.alarm_email, subscription_type="EMAIL")
        budgets.CfnBudget(
            self,
            "Budget",
            budget=budgets.CfnBudget.BudgetDataProperty(
                budget_type="COST",
                time_unit="MONTHLY",
                budget_limit=budgets.CfnBudget.SpendProperty(amount=options.monthly_budget_usd, unit="USD"),
            ),
            notifications_with_subscribers=[
                budgets.CfnBudget.NotificationWithSubscribersProperty(
                    notification=budgets.CfnBudget.NotificationProperty(
                        comparison_operator="GREATER_THAN",
                        notification_type=kind,
                        threshold=percent,
                        threshold_type="PERCENTAGE",
                    ),
                    subscribers=[subscriber],
                )
                for kind, percent in (("ACTUAL", 80), ("FORECASTED", 100))
            ],
        )

    def _grafana(self) -> None:
        role = iam.Role(self, "GrafanaRole", assumed_by=iam.ServicePrincipal("grafana.amazonaws.com"))
        role.add_to_policy(
            iam.PolicyStatement(
                actions=["cloudwatch:GetMetricData", "cloudwatch:ListMetrics", "cloudwatch:DescribeAlarms"],
                resources=["*"],
            )
        )
        grafana.CfnWorkspace(
            self,
            "Grafana",
            name="vpp",
            account_access_type="CURRENT_ACCOUNT",
            authentication_providers=["AWS_SSO"],
            permission_type="CUSTOMER_MANAGED",
            data_sources=["CLOUDWATCH"],
            role_arn=role.role_arn,
        )
