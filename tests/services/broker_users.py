"""The users and access rules of deploy/create-acls.sh, made on a real Kafka."""

import time
from pathlib import Path

from confluent_kafka import KafkaException
from confluent_kafka.admin import (
    AclBinding,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialUpsertion,
)

from tests.contract.deploy.compose_file import ROOT
from tests.contract.deploy.rpk_script import calls_of
from vpp.streams.rights import rights

PASSWORD = "test-only-placeholder"
KINDS = {
    "--topic": ResourceType.TOPIC,
    "--group": ResourceType.GROUP,
    "--transactional-id": ResourceType.TRANSACTIONAL_ID,
}


def create_users(kafka: str, run: str, folder: Path) -> list[AclBinding]:
    """Give every user of the table a password and the access rules that the script grants; return the rules."""
    (folder / "acls").mkdir()
    given = {"VPP_KAFKA__BOOTSTRAP_SERVERS": kafka, "VPP_RUN": run}
    # What a worker both reads and writes is described twice.
    acls = list(dict.fromkeys(acls_of(calls_of(ROOT / "deploy" / "create-acls.sh", folder / "acls", given))))
    admin = AdminClient({"bootstrap.servers": kafka})
    users = sorted({right.user for right in rights("vpp")})
    scram = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, 4096)
    upsertions = [UserScramCredentialUpsertion(f"vpp-{user}", scram, PASSWORD.encode()) for user in users]
    for done in (admin.alter_user_scram_credentials(upsertions), admin.create_acls(acls)):
        for future in done.values():
            future.result(30)
    wait_for_users(admin, [f"vpp-{user}" for user in users])
    return acls


def wait_for_users(admin: AdminClient, names: list[str], until_s: float = 30.0) -> None:
    """Wait until the broker knows the passwords: it answers before its own log-in reads what was written."""
    deadline = time.monotonic() + until_s
    while True:
        try:
            for future in admin.describe_user_scram_credentials(names).values():
                future.result(30)
            return
        except KafkaException:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)


def acls_of(calls: list[list[str]]) -> list[AclBinding]:
    """The access rules that the script's rpk calls create."""
    acls = []
    for call in calls:
        assert call[:3] == ["security", "acl", "create"]
        options = dict(zip(call[3::2], call[4::2], strict=True))
        kind, name = next((kind, options[kind]) for kind in KINDS if kind in options)
        prefixed = options.get("--resource-pattern-type") == "prefixed"
        pattern = ResourcePatternType.PREFIXED if prefixed else ResourcePatternType.LITERAL
        acls += [
            AclBinding(
                KINDS[kind],
                name,
                pattern,
                options["--allow-principal"],
                "*",
                AclOperation[one.upper()],
                AclPermissionType.ALLOW,
            )
            for one in options["--operation"].split(",")
        ]
    return acls
