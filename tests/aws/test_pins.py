"""The packages for AWS are pinned like all others, in a file of their own."""

from tests.contract.pins import AWS_REQUIREMENTS, expected_aws, pinned


def test_every_package_of_the_extras_for_aws_is_pinned_to_its_installed_version() -> None:
    assert pinned(AWS_REQUIREMENTS.read_text(encoding="utf-8")) == expected_aws()
