"""IAM statements come from the same table as the ACLs of Kafka."""

import pytest

from deploy.aws.rights import statements, topic_maker
from vpp.streams.rights import rights


@pytest.mark.parametrize("user", sorted({right.user for right in rights("vpp")}))
def test_every_right_of_a_process_is_a_statement(user: str) -> None:
    own = [right for right in rights("vpp") if right.user == user]
    made = statements(user)
    assert made[0].kind == "cluster"
    assert [(one.kind, one.name.rstrip("*")) for one in made[1:]] == [(right.kind, right.name) for right in own]
    for right, one in zip(own, made[1:], strict=True):
        operations = right.operations.split(",")
        may_write = "kafka-cluster:WriteData" in one.actions
        assert may_write == (right.kind == "topic" and "write" in operations)
        may_read = "kafka-cluster:ReadData" in one.actions
        assert may_read == (right.kind == "topic" and "read" in operations)


def test_only_changelogs_are_made_by_workers() -> None:
    makers = {
        one.name
        for right in rights("vpp")
        for one in statements(right.user)
        if "kafka-cluster:CreateTopic" in one.actions
    }
    assert makers
    assert all(name.startswith("changelog__vpp-") for name in makers)
    assert [one.name for one in topic_maker() if "kafka-cluster:CreateTopic" in one.actions] == ["vpp.*"]


def test_a_process_without_rights_is_refused() -> None:
    with pytest.raises(ValueError, match="no rights"):
        statements("grafana")
