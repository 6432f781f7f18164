"""Writes the shell script that grants each process its rights, from the table in ``vpp/streams/rights.py``."""

from __future__ import annotations

from vpp.streams.rights import Right, rights

PREFIX = "$prefix"

_HEAD = """\
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
"""


def create_acls_script() -> str:
    """Return the script: one line per right."""
    table = rights(PREFIX)
    lines = [_HEAD]
    for user in dict.fromkeys(right.user for right in table):
        lines += [_line(right) for right in table if right.user == user]
        lines.append("")
    return "\n".join(lines)


def _line(right: Right) -> str:
    pattern = " --resource-pattern-type prefixed" if right.prefixed else ""
    return f'allow {right.user} {right.operations} --{right.kind} "{right.name}"{pattern}'
