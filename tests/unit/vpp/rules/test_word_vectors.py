"""Word vectors from a local text file, and the rules search by meaning."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vpp.errors import ConfigError
from vpp.rules.clauses import Clause, shipped_clauses
from vpp.rules.index import RuleIndex
from vpp.rules.word_vectors import WordVectors, read_vectors

TEXT = "the 0.5 0.5 0.5\nfire 1 0 0\nblaze 0.9 0.1 0\nwater 0 1 0\nflood 0.1 0.9 0\nmeter 0 0 1\n"


def clause(name: str, text: str) -> Clause:
    return Clause(clause=name, title=name, text=text, source="site", citation=f"site {name}")


@pytest.fixture
def vectors(tmp_path: Path) -> WordVectors:
    path = tmp_path / "small.vec"
    path.write_text("6 3\n" + TEXT)
    return read_vectors(path)


def test_a_header_is_no_word(tmp_path: Path, vectors: WordVectors) -> None:
    path = tmp_path / "plain.txt"
    path.write_text(TEXT)
    assert np.array_equal(read_vectors(path).embed(["fire water"]), vectors.embed(["fire water"]))


def test_rare_words_say_more_than_common_ones(vectors: WordVectors) -> None:
    (mixed,) = vectors.embed(["the meter"])
    assert mixed[2] > mixed[0] > 0.0
    assert np.linalg.norm(mixed) == pytest.approx(1.0)


def test_unknown_words_have_no_meaning(vectors: WordVectors) -> None:
    assert not vectors.embed(["xylophone"]).any()


def test_a_clause_is_found_by_a_word_that_it_does_not_have(vectors: WordVectors) -> None:
    clauses = [clause("W", "water in the meter"), clause("F", "fire near the meter"), clause("N", "of no kind")]
    assert RuleIndex(clauses).search("blaze") == []
    hits = RuleIndex(clauses, vectors).search("blaze")
    assert [hit.clause.clause for hit in hits] == ["F", "W"]
    assert hits[0].score == pytest.approx(1.0 / 61.0, abs=1e-6)


def test_words_still_count_and_both_rankings_are_fused(vectors: WordVectors) -> None:
    clauses = [clause("W", "water in the meter"), clause("X", "xylophone")]
    first = RuleIndex(clauses, vectors).search("xylophone flood")
    assert {hit.clause.clause for hit in first} == {"W", "X"}
    assert RuleIndex(clauses, vectors).search("zither") == []


def test_a_clause_number_still_comes_first(vectors: WordVectors) -> None:
    assert RuleIndex(shipped_clauses(), vectors).search("BAL-002 R3")[0].clause.clause == "BAL-002.R3"


@pytest.mark.parametrize(
    ("content", "said"),
    [("", "no word vectors"), ("a 1 2\nb 1\n", "line 2"), ("a 1 x\n", "cannot read"), ("lonely\n", "line 1")],
)
def test_a_file_of_another_kind_is_told(tmp_path: Path, content: str, said: str) -> None:
    path = tmp_path / "bad.vec"
    path.write_text(content)
    with pytest.raises(ConfigError, match=said):
        read_vectors(path)


@given(st.text(max_size=200))
def test_any_text_has_a_finite_vector(text: str) -> None:
    known = WordVectors(["a", "b"], np.eye(2, dtype=np.float32))
    assert np.isfinite(known.embed([text])).all()
