#!/bin/sh
# Grants each process what it needs and no more, with rpk. Written by `python -m deploy.generate` from
# vpp/streams/topics.py: do not edit. Run it as a superuser, after create-topics.sh; users are named vpp-telemetry,
# vpp-forecast, ...
#
#   VPP_KAFKA__BOOTSTRAP_SERVERS   host:port of the broker
#   VPP_RUN                        name of the run, where it has one
#   RPK_USER, RPK_PASS, RPK_SASL_MECHANISM   the superuser, as rpk reads them
set -eu

brokers=${VPP_KAFKA__BOOTSTRAP_SERVERS:?set it to host:port of the broker}
prefix=vpp${VPP_RUN:+-$VPP_RUN}

allow() {
    user=$1
    operations=$2
    shift 2
    rpk security acl create --allow-principal "User:vpp-$user" --operation "$operations" "$@" -X "brokers=$brokers"
}

allow telemetry read,describe_configs --topic "$prefix.telemetry.raw"
allow telemetry write,describe_configs --topic "$prefix.telemetry"
allow telemetry write,describe_configs --topic "$prefix.alerts"
allow telemetry write,describe_configs --topic "$prefix.dlq"
allow telemetry read,write,describe_configs --topic "changelog__$prefix-telemetry--" --resource-pattern-type prefixed
allow telemetry read --group "$prefix-telemetry"
allow telemetry write --transactional-id "$prefix-telemetry-" --resource-pattern-type prefixed

allow forecast read,describe_configs --topic "$prefix.telemetry"
allow forecast write,describe_configs --topic "$prefix.features"
allow forecast write,describe_configs --topic "$prefix.forecasts"
allow forecast write,describe_configs --topic "$prefix.alerts"
allow forecast write,describe_configs --topic "$prefix.skill"
allow forecast write,describe_configs --topic "$prefix.dlq"
allow forecast read,write,describe_configs --topic "changelog__$prefix-forecast--" --resource-pattern-type prefixed
allow forecast read --group "$prefix-forecast"
allow forecast write --transactional-id "$prefix-forecast-" --resource-pattern-type prefixed

allow actor read,describe_configs --topic "$prefix.forecasts"
allow actor write,describe_configs --topic "$prefix.bids"
allow actor write,describe_configs --topic "$prefix.alerts"
allow actor write,describe_configs --topic "$prefix.dlq"
allow actor read,write,describe_configs --topic "changelog__$prefix-actor--" --resource-pattern-type prefixed
allow actor read --group "$prefix-actor"
allow actor write --transactional-id "$prefix-actor-" --resource-pattern-type prefixed

allow trader read,describe_configs --topic "$prefix.forecasts"
allow trader write,describe_configs --topic "$prefix.bids"
allow trader write,describe_configs --topic "$prefix.alerts"
allow trader write,describe_configs --topic "$prefix.dlq"
allow trader read,write,describe_configs --topic "changelog__$prefix-trader--" --resource-pattern-type prefixed
allow trader read --group "$prefix-trader"
allow trader write --transactional-id "$prefix-trader-" --resource-pattern-type prefixed

allow orders read,describe_configs --topic "$prefix.orders"
allow orders write,describe_configs --topic "$prefix.telemetry.raw"
allow orders write,describe_configs --topic "$prefix.bids"
allow orders write,describe_configs --topic "$prefix.alerts"
allow orders write,describe_configs --topic "$prefix.dlq"
allow orders write,describe_configs --topic "$prefix.audit"
allow orders read,write,describe_configs --topic "changelog__$prefix-orders--" --resource-pattern-type prefixed
allow orders read --group "$prefix-orders"
allow orders write --transactional-id "$prefix-orders-" --resource-pattern-type prefixed

allow plant read,describe_configs --topic "$prefix.bids"
allow plant write,describe_configs --topic "$prefix.order_states"
allow plant write,describe_configs --topic "$prefix.setpoints"
allow plant write,describe_configs --topic "$prefix.assets"
allow plant write,describe_configs --topic "$prefix.ledger"
allow plant write,describe_configs --topic "$prefix.decisions"
allow plant write,describe_configs --topic "$prefix.alerts"
allow plant write,describe_configs --topic "$prefix.dlq"
allow plant read,write,describe_configs --topic "changelog__$prefix-plant--" --resource-pattern-type prefixed
allow plant read --group "$prefix-plant"
allow plant write --transactional-id "$prefix-plant-" --resource-pattern-type prefixed

allow storage read,describe_configs --topic "$prefix.telemetry"
allow storage read,describe_configs --topic "$prefix.forecasts"
allow storage read,describe_configs --topic "$prefix.bids"
allow storage read,describe_configs --topic "$prefix.orders"
allow storage read,describe_configs --topic "$prefix.order_states"
allow storage read,describe_configs --topic "$prefix.setpoints"
allow storage read,describe_configs --topic "$prefix.assets"
allow storage read,describe_configs --topic "$prefix.ledger"
allow storage read,describe_configs --topic "$prefix.decisions"
allow storage read,describe_configs --topic "$prefix.alerts"
allow storage read,describe_configs --topic "$prefix.skill"
allow storage read,describe_configs --topic "$prefix.dlq"
allow storage read,describe_configs --topic "$prefix.audit"
allow storage read,describe_configs --topic "$prefix.commands"
allow storage write,describe_configs --topic "$prefix.alerts"
allow storage write,describe_configs --topic "$prefix.dlq"
allow storage read --group "$prefix-storage"
allow storage read --group "$prefix-storage-history"
allow storage write --transactional-id "$prefix-storage-" --resource-pattern-type prefixed

allow inference read,describe_configs --topic "$prefix.features"
allow inference write,describe_configs --topic "$prefix.telemetry"
allow inference write,describe_configs --topic "$prefix.alerts"
allow inference write,describe_configs --topic "$prefix.dlq"
allow inference read --group "$prefix-inference"
allow inference write --transactional-id "$prefix-inference-" --resource-pattern-type prefixed

allow agent write --topic "$prefix.audit"

allow alerts write --topic "$prefix.alerts"
allow alerts read --topic "$prefix.alerts"
allow alerts read --group "$prefix-alerts"

allow cli write --topic "$prefix.orders"
allow cli write --topic "$prefix.alerts"
allow cli write --topic "$prefix.audit"
allow cli read --topic "$prefix." --resource-pattern-type prefixed
allow cli describe --group "$prefix-" --resource-pattern-type prefixed

allow dashboard write --topic "$prefix.orders"
allow dashboard write --topic "$prefix.alerts"
allow dashboard write --topic "$prefix.audit"
allow dashboard read --topic "$prefix." --resource-pattern-type prefixed
allow dashboard describe --group "$prefix-" --resource-pattern-type prefixed

allow feed write --topic "$prefix.telemetry.raw"

allow gateway write --topic "$prefix.telemetry.raw"
allow gateway write --topic "$prefix.orders"
allow gateway write --topic "$prefix.alerts"
allow gateway write --topic "$prefix.commands"
allow gateway read --topic "$prefix.setpoints"

allow mcp write --topic "$prefix.orders"
allow mcp write --topic "$prefix.audit"
allow mcp read --topic "$prefix." --resource-pattern-type prefixed
allow mcp describe --group "$prefix-" --resource-pattern-type prefixed

allow replay write --topic "$prefix.telemetry.raw"

allow simulate write --topic "$prefix.telemetry.raw"

allow ticker write --topic "$prefix.telemetry.raw"
allow ticker write --topic "$prefix.bids"

allow train write --topic "$prefix.telemetry.raw"

allow console read,describe_configs --topic "$prefix." --resource-pattern-type prefixed
allow console describe --group "$prefix-" --resource-pattern-type prefixed
