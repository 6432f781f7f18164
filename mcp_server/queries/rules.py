"""Queries for rules: search clauses of shipped notes and site documents, and check decisions against them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import lru_cache
from pathlib import Path

from agents.plant.clause_checks import ClauseBreach, breaches
from agents.plant.proposal import Check
from mcp_server.answers.acting import CheckDone
from mcp_server.answers.rules import RuleFound, Rules
from mcp_server.queries.context import ReadContext, UnknownNameError
from vpp.errors import nearest_hint
from vpp.messages import Decision, read_decision
from vpp.rules.clauses import Clause
from vpp.rules.index import RuleIndex
from vpp.rules.library import Library, RuleDocument, cited_name
from vpp.rules.support import ask
from vpp.store.tables import DECISIONS

NO_SUPPORT = "no clause supports an answer; rephrase the question, or add a manual with `vpp rules add`"


def library(context: ReadContext) -> Library:
    """Return the documents of the site."""
    return Library(rules_folder(context.settings.data_dir))


def rules_folder(data_dir: Path) -> Path:
    """Return the folder of a site's documents."""
    return data_dir / "rules"


def search_rules(context: ReadContext, query: str, limit: int) -> Rules:
    """Return the clauses in force today that answer a question; empty if none supports an answer."""
    support = ask(rule_index(rules_folder(context.settings.data_dir), context.now().date()), query, limit)
    return Rules(
        as_of=context.as_of(),
        query=query,
        supported=support.is_supported,
        support=support.score,
        rules=[
            RuleFound(
                clause=hit.clause.clause,
                title=hit.clause.title,
                text=hit.clause.text,
                source=hit.clause.source,
                citation=hit.clause.citation,
                version=hit.clause.version,
                effective=hit.clause.effective,
                page=hit.clause.page,
                score=hit.score,
                check=hit.clause.check,
            )
            for hit in support.hits
        ],
        hint=None if support.is_supported else NO_SUPPORT,
    )


def rule_index(folder: Path, day: date) -> RuleIndex:
    """Return the index of the clauses in force on a day; a change of the folder rebuilds it."""
    return _index(folder, Library(folder).stamp(), day)


@lru_cache(maxsize=2)
def _index(folder: Path, _stamp: int, day: date) -> RuleIndex:
    return RuleIndex(Library(folder).clauses(day))


def check_answer(check: Check, documents: Library, *, is_quoted: bool) -> CheckDone:
    """Return a check with its clause, and with the clause's text if ``is_quoted``."""
    clause = documents.cited(check.clause, check.version)
    return CheckDone(
        name=check.name,
        outcome=check.outcome,
        detail=check.detail,
        clause=check.clause,
        version=None if clause is None else clause.version,
        citation=None if clause is None else clause.citation,
        rule=clause.text if clause is not None and is_quoted else None,
    )


def clause_ids(context: ReadContext) -> list[str]:
    """Return the ids of all clauses in force: the number, with the document if several documents have the number."""
    clauses = _clauses(context)
    sources = Counter(number for number, _ in {(clause.clause, clause.source) for clause in clauses})
    return sorted({clause.clause if sources[clause.clause] == 1 else cited_name(clause) for clause in clauses})


def read_clause(context: ReadContext, clause_id: str) -> str:
    """Return the full text of a clause as Markdown; the parts of a divided clause are joined.

    Args:
        context: The run.
        clause_id: Number of the clause, or document and number as cited by checks.

    Raises:
        QuestionError: The clause is unknown.
    """
    parts = [clause for clause in _clauses(context) if clause_id in (clause.clause, cited_name(clause))]
    if not parts:
        raise UnknownNameError(f"there is no clause {clause_id!r}", hint=nearest_hint(clause_id, clause_ids(context)))
    first = parts[0]
    facts = [f"Source: {first.source}", f"Citation: {first.citation}"]
    facts += [f"Version: {first.version}"] if first.version else []
    facts += [f"In force from: {first.effective}"] if first.effective else []
    facts += [f"Page: {first.page}"] if first.page is not None else []
    facts += [f"Check of a plan: {first.check}"] if first.check else []
    text = "\n\n".join(part.text for part in parts if part.source == first.source)
    return f"# {first.clause}: {first.title}\n\n" + "\n".join(facts) + f"\n\n{text}\n"


def _clauses(context: ReadContext) -> list[Clause]:
    return library(context).clauses(context.now().date())


@dataclass(frozen=True, slots=True)
class BreachedDecision:
    """A past decision that a check would have refused."""

    zone: str
    decision_id: str
    breach: ClauseBreach


@dataclass(frozen=True, slots=True)
class Recheck:
    """Past decisions compared with a document's checks.

    ``decisions``: number of decisions checked. ``unjudged``: number of decisions without a plan (made by a reflex or a
    hold). ``absent``: zones and assets of the checks that the run does not have.
    """

    decisions: int
    unjudged: int
    refused: list[BreachedDecision]
    absent: list[str]


def recheck(context: ReadContext, document: RuleDocument, days: float) -> Recheck:
    """Compare the decisions of the last days, by each zone's run clock, with the checks of a document.

    Args:
        context: The run.
        document: The document; its effective date is ignored.
        days: Number of days.
    """
    judged, unjudged, refused = 0, 0, list[BreachedDecision]()
    checks = document.cited_checks
    for span in context.store.spans(DECISIONS) if checks else ():
        config = context.config(span.zone)
        if config is None:
            continue
        since = span.last - timedelta(days=days)
        for decision in _decisions(context, span.zone, since):
            broken = breaches(config, decision, checks)
            unjudged, judged = unjudged + (broken is None), judged + (broken is not None)
            refused += [BreachedDecision(span.zone, decision.decision_id, breach) for breach in broken or ()]
    return Recheck(judged, unjudged, refused, _absent(context, document))


def _absent(context: ReadContext, document: RuleDocument) -> list[str]:
    configs = [config for zone in context.zones() if (config := context.config(zone)) is not None]
    zones, assets = (
        {config.zone for config in configs},
        {asset.asset_id for config in configs for asset in config.assets},
    )
    unknown_names = [({*check.zones} - zones) | ({*check.assets} - assets) for check in document.checks]
    return sorted(set().union(*unknown_names)) if configs else []


def _decisions(context: ReadContext, zone: str, since: datetime) -> Iterator[Decision]:
    """Yield the decisions from a time on, without revisions by orders."""
    for rows in context.store.scan(DECISIONS, zone=zone, start=since, filters={"revision": 0}, columns=("body",)):
        yield from map(read_decision, rows.column("body"))
