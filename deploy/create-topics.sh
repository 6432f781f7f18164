#!/bin/sh
# Creates every topic that is missing, with rpk. Written by `python -m deploy.generate` from
# vpp/streams/topics.py: do not edit.
#
# Settings, as for the workers:
#   VPP_KAFKA__BOOTSTRAP_SERVERS   host:port of the broker
#   VPP_KAFKA__PARTITIONS          partitions of every topic (all are partitioned by zone alike; default 4)
#   VPP_KAFKA__REPLICATION_FACTOR  copies of every topic (1, or 3 on a cluster; default 1)
#   VPP_RUN                        name of the run, where it has one: its topics have a prefix of their own
#   RPK_SECRETS_DIR                folder with the login: a file for each of RPK_USER, RPK_PASS, ... (default none)
set -eu

for file in "${RPK_SECRETS_DIR:-/nonexistent}"/RPK_*; do
    [ -f "$file" ] && export "$(basename "$file")=$(cat "$file")"
done

brokers=${VPP_KAFKA__BOOTSTRAP_SERVERS:?set it to host:port of the broker}
partitions=${VPP_KAFKA__PARTITIONS:-4}
replicas=${VPP_KAFKA__REPLICATION_FACTOR:-1}
prefix=vpp${VPP_RUN:+-$VPP_RUN}

create() {
    name=$1
    shift
    rpk topic create "$name" --if-not-exists -p "$partitions" -r "$replicas" "$@" -X "brokers=$brokers"
}

# What the topologies read and write.
create "$prefix.telemetry.raw" -c cleanup.policy=delete -c retention.ms=604800000 -c message.timestamp.type=LogAppendTime
create "$prefix.telemetry" -c cleanup.policy=delete -c retention.ms=604800000 -c message.timestamp.type=LogAppendTime
create "$prefix.features" -c cleanup.policy=delete -c retention.ms=86400000 -c message.timestamp.type=LogAppendTime
create "$prefix.forecasts" -c cleanup.policy=delete -c retention.ms=604800000 -c message.timestamp.type=LogAppendTime
create "$prefix.bids" -c cleanup.policy=delete -c retention.ms=604800000 -c message.timestamp.type=LogAppendTime
create "$prefix.orders" -c cleanup.policy=delete -c retention.ms=2592000000 -c message.timestamp.type=LogAppendTime
create "$prefix.order_states" -c cleanup.policy=delete -c retention.ms=2592000000 -c message.timestamp.type=LogAppendTime
create "$prefix.setpoints" -c cleanup.policy=delete -c retention.ms=604800000 -c message.timestamp.type=LogAppendTime
create "$prefix.assets" -c cleanup.policy=delete -c retention.ms=604800000 -c message.timestamp.type=LogAppendTime
create "$prefix.ledger" -c cleanup.policy=delete -c retention.ms=2592000000 -c message.timestamp.type=LogAppendTime
create "$prefix.decisions" -c cleanup.policy=delete -c retention.ms=604800000 -c message.timestamp.type=LogAppendTime
create "$prefix.alerts" -c cleanup.policy=delete -c retention.ms=604800000 -c message.timestamp.type=LogAppendTime
create "$prefix.skill" -c cleanup.policy=delete -c retention.ms=604800000 -c message.timestamp.type=LogAppendTime
create "$prefix.dlq" -c cleanup.policy=delete -c retention.ms=2592000000 -c message.timestamp.type=LogAppendTime
create "$prefix.audit" -c cleanup.policy=delete -c retention.ms=31536000000 -c message.timestamp.type=LogAppendTime
create "$prefix.commands" -c cleanup.policy=delete -c retention.ms=2592000000 -c message.timestamp.type=LogAppendTime

# The state of each stateful topology, so workers need no right to create topics.
create "changelog__$prefix-telemetry--$prefix.telemetry.raw--default" -c cleanup.policy=compact -c message.timestamp.type=LogAppendTime -c segment.bytes=16777216 -c segment.ms=3600000
create "changelog__$prefix-forecast--$prefix.telemetry--default" -c cleanup.policy=compact -c message.timestamp.type=LogAppendTime -c segment.bytes=16777216 -c segment.ms=3600000
create "changelog__$prefix-actor--$prefix.forecasts--default" -c cleanup.policy=compact -c message.timestamp.type=LogAppendTime -c segment.bytes=16777216 -c segment.ms=3600000
create "changelog__$prefix-trader--$prefix.forecasts--default" -c cleanup.policy=compact -c message.timestamp.type=LogAppendTime -c segment.bytes=16777216 -c segment.ms=3600000
create "changelog__$prefix-orders--$prefix.orders--default" -c cleanup.policy=compact -c message.timestamp.type=LogAppendTime -c segment.bytes=16777216 -c segment.ms=3600000
create "changelog__$prefix-plant--$prefix.bids--default" -c cleanup.policy=compact -c message.timestamp.type=LogAppendTime -c segment.bytes=16777216 -c segment.ms=3600000
