"""The user's rule documents: every version with its effective date and its checks."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import lru_cache
from hashlib import sha256
from pathlib import Path

import msgspec

from vpp.atomic_file import write_atomic
from vpp.errors import ConfigError, RefusedError
from vpp.rules.checks import ClauseCheck
from vpp.rules.clauses import Clause, clause_named, shipped_clauses
from vpp.rules.documents import read_document


@dataclass(frozen=True, slots=True)
class CitedCheck:
    """A check with the clause that sets it."""

    check: ClauseCheck
    clause: Clause

    @property
    def name(self) -> str:
        """The clause as it is cited: document and number."""
        return cited_name(self.clause)


class RuleDocument(msgspec.Struct, frozen=True, kw_only=True):
    """One version of a document. ``effective``: day from which it is in force; None: always."""

    source: str
    version: str
    effective: date | None
    clauses: list[Clause]
    checks: list[ClauseCheck] = []

    @property
    def cited_checks(self) -> list[CitedCheck]:
        """The checks, each with its clause."""
        clauses = {clause.clause: clause for clause in reversed(self.clauses)}
        return [CitedCheck(check, clauses[check.clause]) for check in self.checks]


class Library:
    """The documents of a site.

    Args:
        folder: One file for each version of a document.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def add(
        self,
        path: Path,
        *,
        version: str = "",
        effective: date | None = None,
        checks: Sequence[ClauseCheck] | None = None,
    ) -> RuleDocument:
        """Read a document and keep it; the same version is replaced, another one is kept beside it.

        Args:
            path: The document; its file name identifies it.
            version: Its version.
            effective: Day from which that version is in force; None: always.
            checks: What its clauses demand of the plant; empty: nothing that can be checked. None: the same, refused
                where the version before has checks.

        Raises:
            DataError: It cannot be read.
            ConfigError: A check names a clause that the document does not have.
            RefusedError: The checks of the version before would be dropped.
        """
        clauses = [replace(clause, version=version, effective=effective) for clause in read_document(path)]
        if checks is None and any(version.source == path.name and version.checks for version in self.versions()):
            raise RefusedError(
                f"an earlier version of {path.name} has checks, this one names none",
                hint="give --checks FILE, or --no-checks where it demands nothing that can be checked",
            )
        numbers = {clause.clause for clause in clauses}
        for check in checks or ():
            if check.clause not in numbers:
                raise ConfigError(
                    f"{path.name} has no clause {check.clause!r}", hint=f"one of {', '.join(sorted(numbers)[:20])}"
                )
        document = RuleDocument(
            source=path.name, version=version, effective=effective, clauses=clauses, checks=list(checks or ())
        )
        write_atomic(self._folder / _file_name(path.name, version), msgspec.json.encode(document))
        return document

    def versions(self) -> list[RuleDocument]:
        """Return every version of every document, in the order in which they come into force, then of the version.

        Raises:
            ConfigError: A file in the folder is not one of ours.
        """
        return list(_versions_in(self._folder, self.stamp()))

    def in_force(self, day: date) -> list[RuleDocument]:
        """Return each document in the version that is in force on a day."""
        newest: dict[str, RuleDocument] = {}
        for document in self.versions():
            if document.effective is None or document.effective <= day:
                newest[document.source] = document
        return list(newest.values())

    def clauses(self, day: date) -> list[Clause]:
        """Return the clauses of the documents in force on a day, then the shipped ones."""
        return [*(clause for version in self.in_force(day) for clause in version.clauses), *shipped_clauses()]

    def checks(self, day: date) -> list[CitedCheck]:
        """Return the checks of the documents in force on a day."""
        return [check for version in self.in_force(day) for check in version.cited_checks]

    def cited(self, name: str | None, version: str | None) -> Clause | None:
        """Return the clause cited by a check, in the cited version; None if there is none."""
        shipped = clause_named(name)
        if shipped is not None or name is None:
            return shipped
        clauses = (clause for other in self.versions() if other.version == (version or "") for clause in other.clauses)
        return next((clause for clause in clauses if cited_name(clause) == name), None)

    def stamp(self) -> int:
        """Return a number that changes with every change of the documents."""
        files = {path.name: path.stat() for path in self._folder.glob("*.json")} if self._folder.is_dir() else {}
        return hash(
            tuple(sorted((name, status.st_mtime_ns, status.st_ino, status.st_size) for name, status in files.items()))
        )


@lru_cache(maxsize=2)
def _versions_in(folder: Path, _stamp: int) -> tuple[RuleDocument, ...]:
    """Return the versions in a folder, read again for each stamp of it."""
    versions = []
    for path in sorted(folder.glob("*.json")):
        try:
            versions.append(msgspec.json.decode(path.read_bytes(), type=RuleDocument))
        except (OSError, msgspec.DecodeError) as error:
            raise ConfigError(
                f"{path} holds no clauses: {error}", hint="remove it and add the document again"
            ) from error
    return tuple(sorted(versions, key=lambda version: (version.effective or date.min, _natural(version.version))))


def _file_name(source: str, version: str) -> str:
    """Return the file of a version; a name that has to be changed carries a digest, so no two share a file."""
    name = f"{source}@{version}" if version else source
    plain = re.sub(r"[^\w.@-]+", "_", name)
    return f"{plain}.json" if plain == name else f"{plain}-{sha256(name.encode()).hexdigest()[:8]}.json"


def _natural(version: str) -> list[tuple[int, str]]:
    """Return a key that sorts versions by their numbers: 9 before 10."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", version)]


def cited_name(clause: Clause) -> str:
    """Return the citation of a clause by a check: the id of a shipped clause, else document and number."""
    return clause.clause if clause_named(clause.clause) is clause else f"{clause.source} {clause.clause}"
