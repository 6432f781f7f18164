"""Generated files are those that would be generated now, and they say what the topic table says."""

import json
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import jsonschema
import pytest
from pydantic import BaseModel

from console.cli.main import COMMANDS
from deploy.generate import ROOT, generated, main, stale, write
from deploy.generators.topic_docs import topic_schema
from tests.contract.deploy.rpk_script import NewTopic, calls_of, topics_of
from tests.worlds.source_tree import Module, our_modules
from vpp import errors
from vpp import messages as m
from vpp.settings import Settings, env_name, keys
from vpp.store.tables import TABLES
from vpp.streams.rights import rights
from vpp.streams.topics import BY_NAME, INPUT_OF, TOPICS, Topic

SCRIPT = ROOT / "deploy" / "create-topics.sh"


def test_generated_files_are_current() -> None:
    assert stale() == []


def test_writing_again_changes_nothing_and_a_change_is_seen(tmp_path: Path) -> None:
    write(tmp_path)
    assert stale(tmp_path) == []
    (tmp_path / "docs" / "reference" / "topics.md").write_text("edited")
    (tmp_path / "docs" / "reference" / "schemas" / "gone.json").write_text("{}")
    assert stale(tmp_path) == [Path("docs/reference/schemas/gone.json"), Path("docs/reference/topics.md")]


def test_a_wrong_option_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--chekc"]) == 2
    assert "usage" in capsys.readouterr().err


class TestTopicScript:
    @staticmethod
    def topics(tmp_path: Path, **environment: str) -> dict[str, NewTopic]:
        given = {"VPP_KAFKA__BOOTSTRAP_SERVERS": "redpanda:9092", **environment}
        return {topic.name: topic for topic in topics_of(calls_of(SCRIPT, tmp_path, given))}

    def test_it_creates_every_topic_of_the_table(self, tmp_path: Path) -> None:
        result = self.topics(tmp_path)
        for topic in TOPICS:
            assert result[topic.wire()] == NewTopic(topic.wire(), 4, 1, "redpanda:9092", topic.broker_config())

    def test_it_creates_one_compacted_changelog_per_stateful_topology(self, tmp_path: Path) -> None:
        result = self.topics(tmp_path)
        changelogs = {name: topic for name, topic in result.items() if name.startswith("changelog__")}
        assert len(result) == len(TOPICS) + len(changelogs)
        assert set(changelogs) == {f"changelog__vpp-{t}--{topic.wire()}--default" for t, topic in INPUT_OF.items()}
        assert {topic.config["cleanup.policy"] for topic in changelogs.values()} == {"compact"}

    def test_partitions_copies_and_run_are_settings(self, tmp_path: Path) -> None:
        result = self.topics(tmp_path, VPP_KAFKA__PARTITIONS="12", VPP_KAFKA__REPLICATION_FACTOR="3", VPP_RUN="july")
        assert {(topic.partitions, topic.replicas) for topic in result.values()} == {(12, 3)}
        assert {"vpp-july.bids", "changelog__vpp-july-plant--vpp-july.bids--default"} <= set(result)

    def test_without_a_broker_it_says_what_to_set(self, tmp_path: Path) -> None:
        with pytest.raises(subprocess.CalledProcessError):
            calls_of(SCRIPT, tmp_path, {})


class TestAccessScript:
    def test_it_grants_what_the_table_says(self, tmp_path: Path) -> None:
        calls = calls_of(
            ROOT / "deploy" / "create-acls.sh", tmp_path, {"VPP_KAFKA__BOOTSTRAP_SERVERS": "redpanda:9092"}
        )
        granted: dict[str, set[str]] = {}
        for call in calls:
            options = dict(zip(call[3::2], call[4::2], strict=True))
            if "write" in options["--operation"] and "--topic" in options:
                granted.setdefault(options["--topic"], set()).add(options["--allow-principal"])
        for topic in TOPICS:
            assert granted.pop(topic.wire()) == {f"User:vpp-{writer}" for writer in topic.writers}
        assert granted == {f"changelog__vpp-{name}--": {f"User:vpp-{name}"} for name in INPUT_OF}

    def test_nobody_may_do_everything(self) -> None:
        for right in rights("vpp"):
            assert right.name.startswith(("vpp.", "vpp-", "changelog__vpp-"))
            assert set(right.operations.split(",")) <= {"read", "write", "describe", "describe_configs"}


class TestTopicPage:
    page = generated()[Path("docs/reference/topics.md")]

    def test_it_tells_of_every_topic_and_message_and_every_link_leads_somewhere(self) -> None:
        headings = {line.lstrip("#").strip() for line in self.page.splitlines() if line.startswith("#")}
        assert {topic.wire() for topic in TOPICS} <= headings
        types = {name for topic in TOPICS for name in topic_schema(topic)["$defs"]}
        assert types <= headings

    def test_a_field_has_its_type_and_default(self) -> None:
        assert "| `power_mw` | number |  |" in self.page
        assert "| `curve` | list of (number, number) | `[]` |" in self.page


def settings_without_description(model: type[BaseModel] = Settings, prefix: str = "") -> list[str]:
    missing = []
    for name, info in model.model_fields.items():
        if isinstance(info.annotation, type) and issubclass(info.annotation, BaseModel):
            missing += settings_without_description(info.annotation, f"{prefix}{name}.")
        elif not info.description:
            missing.append(prefix + name)
    return missing


def is_folder(module: Module) -> bool:
    return ROOT.joinpath(*module.name.split(".")).is_dir()


def test_every_module_is_in_the_tree_with_its_first_line() -> None:
    tree = generated()[Path("docs/explanation/architecture.md")].partition("<!-- tree:begin -->")[2]
    assert "- `solve.py`: " in tree
    assert [line for line in tree.splitlines() if line.strip().endswith("`:")] == []
    assert tree.count("    - `") == sum(1 for module in our_modules() if not is_folder(module))


def test_every_setting_is_described_and_listed() -> None:
    assert settings_without_description() == []
    page = generated()[Path("docs/reference/settings.md")]
    assert [key for key in keys() if f"`{env_name(key)}`" not in page] == []


def test_every_command_is_listed() -> None:
    headings = {line.strip("# ") for line in generated()[Path("docs/reference/cli.md")].splitlines() if line[:1] == "#"}
    assert {f"vpp {name}" for name in COMMANDS} <= headings


def test_every_error_class_is_listed() -> None:
    page = generated()[Path("docs/reference/errors.md")]
    classes = [
        value.__name__
        for value in vars(errors).values()
        if isinstance(value, type) and value.__module__ == errors.__name__
    ]
    assert [name for name in classes if f"| `{name}` |" not in page] == []


def test_the_table_page_has_a_section_for_each_table() -> None:
    page = generated()[Path("docs/reference/tables.md")]
    assert [line[3:] for line in page.splitlines() if line.startswith("## ")] == [table.name for table in TABLES]


class TestSchemas:
    @pytest.mark.parametrize("topic", [pytest.param(topic, id=topic.name) for topic in TOPICS])
    def test_a_schema_is_valid(self, topic: Topic) -> None:
        jsonschema.Draft202012Validator.check_schema(topic_schema(topic))

    def test_a_message_as_it_is_sent_fits_its_topic(self) -> None:
        slot = datetime(2022, 1, 1, tzinfo=UTC)
        sent = json.loads(
            m.encode(
                m.Setpoint(
                    zone="GB", slot=slot, asset_id="b1", power_mw=5.0, valid_until=slot, decision_id="d", reason="price"
                )
            )
        )
        schema = topic_schema(BY_NAME["setpoints"])
        jsonschema.Draft202012Validator(schema).validate(sent)
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.Draft202012Validator(schema).validate(sent | {"power_mw": "five"})
