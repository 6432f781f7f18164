"""The owner's choices: placeholders and wrong values are refused by name."""

import pytest

from deploy.aws.options import AwsOptions, read_options

IMAGE = "registry.example.org/smartgrid-ai@sha256:" + "0" * 64
GIVEN = {"image": IMAGE, "alarm_email": "ops@example.org"}


def test_options_come_from_the_context_and_the_command_line() -> None:
    options = read_options({"vpp": GIVEN | {"workers": 3}, "influx_storage_gib": "200"})
    assert options == AwsOptions(image=IMAGE, alarm_email="ops@example.org", workers=3, influx_storage_gib=200)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"image": "change-me"}, "image still is a placeholder"),
        ({"alarm_email": "change-me"}, "alarm_email still is a placeholder"),
        ({"image": "smartgrid-ai:0.1.0"}, "pinned by digest"),
        ({"broker": "kafka"}, "express or serverless"),
        ({"workers": 5}, "1 to 4"),
        ({"workers": 0}, "1 to 4"),
        ({"state_gib": 10}, "21 to 200"),
        ({"inference": "lambda"}, "local or remote"),
        ({"inference": "remote"}, "ECR repository by digest"),
        ({"wrokers": 2}, "unknown option 'wrokers'"),
        ({"workers": "two"}, "invalid literal"),
    ],
)
def test_a_wrong_choice_is_refused(given: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        read_options({"vpp": GIVEN | given})


def test_a_missing_image_is_named() -> None:
    with pytest.raises(ValueError, match="image is missing"):
        read_options({"vpp": {"alarm_email": "ops@example.org"}})
