"""`vpp rules`: documents by version, answers with citation, past decisions that a version would have refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from console.cli.main import main
from tests.worlds.models.llm_server import llm_server
from tests.worlds.plant_loop import Loop

WORLD = Path(__file__).parents[3] / "worlds" / "rules"
MANUAL = "# 2.1 Import limit\n\nA site shall not import more than {most} MW at its connection to the network.\n"
CHECK = "- {{clause: '2.1', quantity: import_mw, most: {most}}}\n"


@pytest.fixture
def run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Any:
    def run(*words: str, code: int = 0) -> Any:
        capsys.readouterr()
        assert main(["rules", *words, "--json", "--data-dir", str(tmp_path / "data")]) == code
        return json.loads(capsys.readouterr().out)

    return run


def written(folder: Path, most: float) -> tuple[str, str]:
    (folder / "code.md").write_text(MANUAL.format(most=most))
    (folder / "checks.yaml").write_text(CHECK.format(most=most))
    return str(folder / "code.md"), str(folder / "checks.yaml")


def test_a_new_version_lists_the_decisions_that_it_would_have_refused(tmp_path: Path, run: Any) -> None:
    loop = Loop(tmp_path / "data")
    loop.store.close()
    manual, checks = written(tmp_path, 100)
    (first,) = run("add", manual, "--version", "1", "--checks", checks)
    assert (first["decisions"], first["refused"]) == (2, [])
    manual, checks = written(tmp_path, 40)
    (second,) = run("add", manual, "--version", "2", "--effective", "2999-01-01", "--checks", checks)
    assert [one["slot"] for one in second["refused"]] == ["2022-01-03T00:30:00Z", "2022-01-03T01:00:00Z"]
    breach = second["refused"][0]
    assert (breach["clause"], breach["version"], breach["citation"]) == ("2.1", "2", "code.md 2.1")
    assert breach["text"].startswith("import at most 40 MW: ")
    assert run("check", "code.md") == run("check", "code.md", "--version", "2") == [second]
    assert second["absent"] == []
    listed = run("list")
    assert [(one["version"], one["in_force"]) for one in listed] == [("1", True), ("2", False)]
    assert [one["in_force"] for one in run("list", "--on", "2999-01-01")] == [False, True]


def test_a_check_of_what_the_run_does_not_have_is_named(tmp_path: Path, run: Any) -> None:
    loop = Loop(tmp_path / "data")
    loop.store.close()
    manual, checks = written(tmp_path, 100)
    Path(checks).write_text("- {clause: '2.1', quantity: soc, least: 0.2, zones: [ATLANTIS], assets: [batery]}\n")
    assert run("add", manual, "--checks", checks)[0]["absent"] == ["ATLANTIS", "batery"]


def test_a_question_is_answered_by_the_version_in_force_or_refused(tmp_path: Path, run: Any) -> None:
    for version, effective, most in (("1", "2020-01-01", 30), ("2", "2999-01-01", 20)):
        manual, checks = written(tmp_path, most)
        run("add", manual, "--version", version, "--effective", effective, "--checks", checks)
    question = "How much may a site import?"
    now, later = run("ask", question), run("ask", question, "--on", "2999-01-01")
    assert [one["clauses"][0]["version"] for one in (now, later)] == ["1", "2"]
    assert "more than 30 MW" in now["clauses"][0]["text"]
    assert (now["supported"], now["answer"], now["clauses"][0]["citation"]) == (True, None, "code.md 2.1")
    refused = run("ask", "May the canteen sell alcohol?", code=4)
    assert (refused["supported"], refused["clauses"]) == (False, [])


def test_a_language_model_answers_from_the_clauses(tmp_path: Path, run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    manual, _ = written(tmp_path, 30)
    run("add", manual)
    quotation = {"number": 1, "words": "shall not import more than 30 MW"}
    with llm_server(tool="answer", arguments={"answer": "At most 30 MW.", "quotations": [quotation]}) as server:
        monkeypatch.setenv("VPP_AGENT__MODEL", "openai-chat:own")
        monkeypatch.setenv("VPP_AGENT__API_KEY", "k")
        monkeypatch.setenv("VPP_AGENT__BASE_URL", f"{server.url}/v1")
        reply = run("ask", "How much may a site import at its connection?", "--brain", "llm")
    assert (reply["answer"], reply["supported"]) == ("At most 30 MW.", True)
    assert [one["citation"] for one in reply["clauses"]] == ["code.md 2.1"]


def test_the_figures_of_the_documentation_are_measured(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["rules", "measure", str(WORLD / "manual.html"), str(WORLD / "questions.yaml"), "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [row["questions"] for row in rows] == ["threshold chosen on", "the others", "all"]
    assert (rows[2]["answerable"], rows[2]["unanswerable"]) == (124, 61)
    assert rows[2]["supported"] >= 0.9
    assert rows[2]["false_support"] <= 0.05


def test_people_see_the_same(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    manual, checks = written(tmp_path, 30)
    data = ["--data-dir", str(tmp_path / "data")]
    assert main(["rules", "list", *data]) == 0
    assert main(["rules", "add", manual, "--version", "1", "--checks", checks, *data]) == 0
    assert main(["rules", "list", *data]) == 0
    assert main(["rules", "ask", "How much may a site import?", *data]) == 0
    assert main(["rules", "search", "import", *data]) == 0
    assert main(["rules", "ask", "xylophone", *data]) == 4
    assert main(["rules", "add", manual, "--version", "2", *data]) == 4
    shown = capsys.readouterr()
    for words in ("no documents", "2.1: import at most 30 MW", "[code.md 2.1, version 1]", "no clause supports"):
        assert words in shown.out
    assert "--no-checks" in shown.err


@pytest.mark.parametrize(
    "words",
    [
        ("add", "manual.md", "--effective", "tomorrow"),
        ("add", "nothing.md"),
        ("check", "nothing.md"),
        ("measure", str(WORLD / "manual.html"), "nothing.yaml"),
        ("check", "nothing.md", "--days=nan"),
        ("search", "approval", "--limit=-1"),
        ("ask", "who approves a plan", "--limit", "0"),
        ("ask", "a question", "--on", "31.1.2027"),
    ],
)
def test_what_is_wrong_is_an_error(words: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = [] if words[0] == "measure" else ["--data-dir", str(tmp_path)]
    assert main(["rules", *words, *data]) in (1, 2)
    shown = capsys.readouterr().err
    assert "Traceback" not in shown
    assert "--debug" not in shown
