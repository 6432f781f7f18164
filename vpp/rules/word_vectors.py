"""Word vectors from a file that lies here already (GloVe, word2vec, fastText as text); a text is their weighted mean.

Nothing is downloaded and no library is needed: one line a word, its numbers behind it, the common words first.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from vpp.errors import ConfigError
from vpp.numerics.arrays import Floats32

MAX_WORDS = 200_000
COMMON = 1e-3
_WORD = re.compile(r"[a-z]+|[0-9]+")


class WordVectors:
    """Floats32 of words, and of texts.

    Args:
        words: The vocabulary, the most common first.
        vectors: One row a word, shape (W, D).
    """

    def __init__(self, words: Sequence[str], vectors: Floats32) -> None:
        self._rows = {word: row for row, word in enumerate(words)}
        self._vectors = vectors
        # Zipf's law stands in for word counts, which such files do not hold.
        share = 1.0 / (np.arange(1, len(words) + 1) * np.log(max(len(words), 3)))
        self._weights = (COMMON / (COMMON + share)).astype(np.float32)

    def embed(self, texts: Sequence[str]) -> Floats32:
        """Return one vector of length 1 a text, shape (N, D); all 0 where no word of it is known.

        Each is the mean of its words' vectors with weights a / (a + p(word)), a = 0.001: Arora, Liang and Ma, "A simple
        but tough-to-beat baseline for sentence embeddings", ICLR 2017, without its removal of the common component.
        """
        found = np.zeros((len(texts), self._vectors.shape[1]), dtype=np.float32)
        for at, text in enumerate(texts):
            rows = [self._rows[word] for word in _WORD.findall(text.lower()) if word in self._rows]
            if rows:
                mean = self._weights[rows] @ self._vectors[rows]
                length = float(np.linalg.norm(mean))
                found[at] = mean / length if length > 0.0 else 0.0
        return found


def read_vectors(path: Path) -> WordVectors:
    """Return the vectors of a text file; a first line with two numbers (count, length) is a header.

    Raises:
        ConfigError: It cannot be read, or a line has another length than the first.
    """
    words: list[str] = []
    rows: list[Floats32] = []
    try:
        with path.open(encoding="utf-8", errors="replace") as lines:
            for number, line in enumerate(lines, start=1):
                word, _, numbers = line.rstrip().partition(" ")
                if number == 1 and len(numbers.split()) == 1:
                    continue
                row = np.array(numbers.split(), dtype=np.float32)
                if not len(row) or (rows and len(row) != len(rows[0])):
                    raise ConfigError(
                        f"line {number} of {path} has {len(row)} numbers", hint="rules.vectors is a text file"
                    )
                words.append(word.lower())
                rows.append(row)
                if len(words) == MAX_WORDS:
                    break
    except (OSError, ValueError) as error:
        raise ConfigError(f"cannot read the word vectors {path}: {error}", hint="see VPP_RULES__VECTORS") from error
    if not rows:
        raise ConfigError(f"{path} holds no word vectors", hint="see VPP_RULES__VECTORS")
    return WordVectors(words, np.stack(rows))
