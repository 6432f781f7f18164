"""`vpp rules`: adds documents with rules, asks and searches them, and checks past decisions against them."""

from __future__ import annotations

import asyncio
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import App, Parameter
from cyclopts.validators import Number

from console.cli.options import NO_OPTIONS, Common, Json, answer, out, say, table
from mcp_server.queries.context import ReadContext
from mcp_server.queries.rules import Recheck, recheck, rule_index, rules_folder
from vpp.domain import iso
from vpp.errors import ConfigError, DataError, nearest_hint
from vpp.rules.checks import parse_checks
from vpp.rules.clauses import cited, shipped_clauses
from vpp.rules.documents import documents_in, read_document
from vpp.rules.index import Hit, RuleIndex
from vpp.rules.library import Library, RuleDocument
from vpp.rules.support import Support, measured, ranked_by_support, read_questions
from vpp.rules.support import ask as ask_clauses
from vpp.settings import Settings
from vpp.store import open_store

app = App(
    name="rules", help="Rules: add documents (Markdown, HTML, text, PDF) by version, ask them, re-check decisions."
)

DAYS = 30.0
REFUSED = 4
Days = Annotated[float, Parameter(help="number of days of decisions to check", validator=Number(gte=0, lte=36_500))]
Limit = Annotated[int, Parameter(help="most clauses", validator=Number(gte=1, lte=100))]
Day = Annotated[str | None, Parameter(help="as on this day, such as 2027-01-01 [today, UTC]")]


@app.command
def add(
    path: Path,
    *,
    version: Annotated[str, Parameter(help="version of the document; other versions are kept")] = "",
    effective: Annotated[str | None, Parameter(help="day from which it is in force, such as 2027-01-01")] = None,
    checks: Annotated[
        Path | None, Parameter(help="YAML file with the numeric limits of its clauses", negative="")
    ] = None,
    no_checks: Annotated[bool, Parameter(negative="", help="the document has no limits to check")] = False,
    days: Days = DAYS,
    json: Json = False,
    common: Common = NO_OPTIONS,
) -> None:
    """Add a document, or all documents below a folder, and list the past decisions that its checks would have refused.

    Adding a version again replaces it.

    Args:
        path: File or folder.
    """
    settings, day = common.settings(), _day(effective)
    paths = documents_in(path)
    if checks is not None and len(paths) > 1:
        raise ConfigError("--checks belong to one document", hint="add it alone")
    demanded = [] if no_checks else None if checks is None else parse_checks(_text(checks), checks.name)
    library = Library(rules_folder(settings.data_dir))
    added = [library.add(path, version=version, effective=day, checks=demanded) for path in paths]
    answer([_rechecked(settings, document, days) for document in added], as_json=json, render=_show_rechecked)


@app.command(name="list")
def list_documents(*, on: Day = None, json: Json = False, common: Common = NO_OPTIONS) -> None:
    """List the added documents: version, effective date, clauses and checks."""
    library = Library(rules_folder(common.settings().data_dir))
    in_force = library.in_force(_day(on) or _today())
    rows = [
        {
            "document": document.source,
            "version": document.version,
            "effective": document.effective,
            "in_force": document in in_force,
            "clauses": len(document.clauses),
            "checks": [f"{check.clause}: {check.demand}" for check in document.checks],
        }
        for document in library.versions()
    ]
    answer(rows, as_json=json, render=_show_documents)


@app.command
def check(
    document: str,
    *,
    version: Annotated[str | None, Parameter(help="its version [the newest]")] = None,
    days: Days = DAYS,
    json: Json = False,
    common: Common = NO_OPTIONS,
) -> None:
    """List the decisions of the last days that a document's checks would have refused.

    Args:
        document: Its file name.
    """
    settings = common.settings()
    versions = Library(rules_folder(settings.data_dir)).versions()
    candidates = [stored for stored in versions if stored.source == document and version in (None, stored.version)]
    if not candidates:
        names = sorted({f"{document.source} --version {document.version}" for document in versions})
        raise DataError(f"there is no such version of {document}", hint=nearest_hint(document, names))
    answer([_rechecked(settings, candidates[-1], days)], as_json=json, render=_show_rechecked)


@app.command
def search(query: str, *, limit: Limit = 5, on: Day = None, json: Json = False, common: Common = NO_OPTIONS) -> None:
    """Find the clauses whose words match best, whether they answer the question or not.

    Args:
        query: The question, in words.
    """
    hits = _index(common.settings(), on).search(query, limit)
    answer([_row(hit) for hit in hits], as_json=json, render=_show_clauses)


@app.command
def ask(
    question: str,
    *,
    limit: Limit = 3,
    on: Day = None,
    brain: Annotated[Literal["strategy", "llm"] | None, Parameter(help="brain that answers [VPP_AGENT__BRAIN]")] = None,
    json: Json = False,
    common: Common = NO_OPTIONS,
) -> int:
    """Answer a question from the clauses in force, with citation; exit code 4 if none supports an answer.

    The brain `strategy` quotes the clauses. With `llm` the language model of VPP_AGENT__MODEL answers from them; an
    answer that does not quote them word for word is refused.

    Args:
        question: In words.
    """
    settings = common.settings()
    index = _index(settings, on)
    support, text = ask_clauses(index, question, limit), None
    if (brain or settings.agent.brain) == "llm":
        text, support = _read(settings, index, question, support)
    reply = {
        "question": question,
        "answer": text,
        "supported": support.is_supported,
        "support": support.score,
        "clauses": [_row(hit) for hit in support.hits],
    }
    answer(reply, as_json=json, render=_show_reply)
    return 0 if support.is_supported else REFUSED


@app.command
def measure(manual: Path, questions: Path, *, json: Json = False) -> None:
    """Measure the answers to a list of questions: every other one (the threshold was chosen on these), the rest, all.

    Args:
        manual: A document with rules, asked together with the shipped notes.
        questions: YAML: a list of ``{q: question, clause: number, or null where nothing answers it}``.
    """
    index = RuleIndex([*read_document(manual), *shipped_clauses()])
    cases = read_questions(_text(questions), questions.name)
    halves = {"threshold chosen on": cases[0::2], "the others": cases[1::2], "all": cases}
    rows = [{"questions": name, **measured(index, half)} for name, half in halves.items()]
    answer(rows, as_json=json, render=lambda rows: table(None, rows[0], [row.values() for row in rows]))


def _read(settings: Settings, index: RuleIndex, question: str, support: Support) -> tuple[str | None, Support]:
    """Return a language model's answer, and the clauses that it quotes with their support."""
    from agents.autonomous.rule_reader import read_answer
    from console.cli.agent import chosen_model

    reply = asyncio.run(read_answer(chosen_model(settings.agent), question, ranked_by_support(index, question)))
    return reply.text or None, Support(question, support.score, reply.hits)


def _rechecked(settings: Settings, document: RuleDocument, days: float) -> dict[str, Any]:
    result = Recheck(0, 0, [], [])
    if document.checks:
        with open_store(settings, read_only=True) as store:
            result = recheck(ReadContext(settings, store), document, days)
    return {
        "document": document.source,
        "version": document.version,
        "effective": document.effective,
        "clauses": len(document.clauses),
        "checks": len(document.checks),
        "days": days,
        "decisions": result.decisions,
        "unjudged": result.unjudged,
        "absent": result.absent,
        "refused": [
            {
                "zone": decision.zone,
                "slot": decision.breach.start,
                "decision_id": decision.decision_id,
                "clause": decision.breach.cited.clause.clause,
                "citation": decision.breach.cited.clause.citation,
                "version": document.version,
                "text": str(decision.breach),
            }
            for decision in result.refused
        ],
    }


def _show_rechecked(rows: list[dict[str, Any]]) -> None:
    for row in rows:
        name = cited(row["document"], row["version"])
        say(f"{name}: {row['clauses']} clauses, {row['checks']} checks")
        if not row["checks"]:
            continue
        if row["absent"]:
            say(f"{name}: its checks name what this run does not have: {', '.join(row['absent'])}; see fleet.yaml")
        out.print(
            f"{name}: {len(row['refused'])} breaches in {row['decisions']} decisions of the last {row['days']:g} days"
            + (f"; {row['unjudged']} decisions had no plan to judge" if row["unjudged"] else "")
        )
        for decision in row["refused"]:
            out.print(
                f"  {decision['zone']} {iso(decision['slot'])} {decision['decision_id']}: "
                f"{decision['citation']}: {decision['text']}"
            )


def _show_documents(rows: list[dict[str, Any]]) -> None:
    if not rows:
        out.print("no documents; add one with: vpp rules add FILE")
        return
    table(None, rows[0], [[*list(row.values())[:-1], "; ".join(row["checks"])] for row in rows])


def _show_reply(reply: dict[str, Any]) -> None:
    if reply["answer"]:
        out.print(reply["answer"])
    if reply["supported"]:
        _show_clauses(reply["clauses"])
    else:
        out.print(f"no clause supports an answer (best support {reply['support']:.2f})")


def _show_clauses(rows: list[dict[str, Any]]) -> None:
    for row in rows:
        version = f", version {row['version']}" if row["version"] else ""
        out.print(f"{row['clause']}  {row['title']}  [{row['citation']}{version}]  {row['score']:.2f}")
        out.print(f"  {row['text']}")
    if not rows:
        out.print("no clause has these words; try others, or add documents with: vpp rules add FILE")


def _row(hit: Hit) -> dict[str, Any]:
    clause = hit.clause
    return {
        "clause": clause.clause,
        "title": clause.title,
        "citation": clause.citation,
        "version": clause.version,
        "effective": clause.effective,
        "page": clause.page,
        "score": hit.score,
        "text": clause.text,
    }


def _index(settings: Settings, on: str | None) -> RuleIndex:
    return rule_index(rules_folder(settings.data_dir), _day(on) or _today())


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"cannot read {path}: {error}", hint="give a text file in UTF-8") from error


def _today() -> date:
    return datetime.now(UTC).date()


def _day(text: str | None) -> date | None:
    try:
        return None if text is None else date.fromisoformat(text)
    except ValueError as error:
        raise ConfigError(f"{text!r} is not a day", hint="write 2027-01-31") from error
