"""The plant on AWS as a CDK app: MSK, Fargate workers, Timestream for InfluxDB, Grafana, alarms and a budget."""
