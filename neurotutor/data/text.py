"""Text as sequences of character codes: *War and Peace*, and a language whose entropy is known.

The first is fetched. The second is made here: it needs no download, and a fresh machine uses it.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Int

from neurotutor.data import registry

WAR_AND_PEACE = "war-and-peace/war_and_peace_full"
WAR_AND_PEACE_300K = "war-and-peace/war_and_peace_300k"

_SHORT = 300_000  # characters of the short cut of the novel
_LETTERS = "abcdefghijklmnopqrstuvwxyz"


@dataclass(frozen=True)
class Text:
    """A text, as whole numbers.

    Attributes:
        codes: index of each character in `vocabulary`.
        vocabulary: the characters that occur, sorted.
        name: of the text.
        simulated: whether it was made by `simulate`.
        entropy_rate: smallest mean cross entropy that any predictor can reach, nats per character;
            NaN where nobody knows it.
    """

    codes: Int[np.ndarray, "characters"]
    vocabulary: str
    name: str
    simulated: bool
    entropy_rate: float

    @property
    def n_symbols(self) -> int:
        """How many different characters there are."""
        return len(self.vocabulary)

    def decode(self, codes: Int[np.ndarray, "some"] | None = None) -> str:
        """The characters of some codes; of the whole text by default."""
        chosen = self.codes if codes is None else np.asarray(codes)
        return "".join(np.array(list(self.vocabulary))[chosen])


def encode(text: str, *, name: str = "own text") -> Text:
    """Number the characters of a text.

    Args:
        text: two different characters or more.
        name: what to call it.

    Returns:
        The text with its sorted vocabulary.

    Raises:
        TypeError: for anything but a string.
        ValueError: for a text of fewer than two different characters.
    """
    if not isinstance(text, str):
        raise TypeError(f"text must be a string, got {type(text).__name__}")
    vocabulary = "".join(sorted(set(text)))
    if len(vocabulary) < 2:
        raise ValueError("text must hold two different characters or more")
    points = np.array([ord(each) for each in vocabulary])
    codes = np.searchsorted(points, np.frombuffer(text.encode("utf-32-le"), np.uint32))
    return Text(codes.astype(np.int64), vocabulary, name, False, float("nan"))


def load(name_or_path: str | os.PathLike = WAR_AND_PEACE_300K) -> Text:
    """Load a text.

    Args:
        name_or_path: `WAR_AND_PEACE` (3.2 million characters), `WAR_AND_PEACE_300K` (its first
            300,000), or the path of an `.npz` of the same form.

    Returns:
        The text; its entropy rate is not known.

    Raises:
        neurotutor.data.DataNotFound: if the text is not on this machine.
        neurotutor.data.UnknownData: for a name that the registry does not hold.
        neurotutor.data.CorruptData: if the file is damaged or lacks an array.
        ValueError: if the arrays are not those of a text.

    Source: L. Tolstoy, War and Peace, translated by L. and A. Maude (public domain).
    """
    path = registry.resolve(name_or_path)
    arrays = registry.read_arrays(path, ("codes", "vocab"))
    codes, points = arrays["codes"], arrays["vocab"]

    def fail(problem: str) -> ValueError:
        return ValueError(f"{path} is not a text: {problem}")

    if codes.ndim != 1 or codes.dtype.kind not in "iu" or len(codes) < 2:
        raise fail(f"codes must be whole numbers in a row, got {codes.shape} of {codes.dtype}")
    if points.ndim != 1 or points.dtype.kind not in "iu" or len(points) < 2:
        raise fail(f"vocab must be code points in a row, got {points.shape} of {points.dtype}")
    if not (np.diff(points.astype(np.int64)) > 0).all() or points[0] < 0 or points[-1] > 0x10FFFF:
        raise fail("vocab must hold Unicode code points in increasing order")
    if not 0 <= int(codes.min()) <= int(codes.max()) < len(points):
        raise fail(f"codes must lie in 0..{len(points) - 1}, got {codes.min()}..{codes.max()}")
    is_name = isinstance(name_or_path, str) and not name_or_path.endswith(".npz")
    return Text(
        codes=codes.astype(np.int64),
        vocabulary="".join(map(chr, points)),
        name=name_or_path if is_name else path.stem,
        simulated=False,
        entropy_rate=float("nan"),
    )


def simulate(n_characters: int = 100_000, n_words: int = 200, *, seed: int = 0) -> Text:
    """Write a text in a made-up language whose entropy rate is known.

    Words are drawn one by one, independently, from a lexicon, by Zipf's law: the k-th word has a
    probability in proportion to 1/k. A space follows each word. The text can be cut into words in
    one way only, so its entropy per character is that of a word over its mean length.

    Args:
        n_characters: length of the text.
        n_words: size of the lexicon.
        seed: of the lexicon and of the text.

    Returns:
        The text, with its entropy rate.

    Raises:
        ValueError: for fewer than 2 words or fewer than 100 characters.
    """
    if n_words < 2 or n_characters < 100:
        raise ValueError(
            f"a text needs 2 words and 100 characters or more, got {n_words} and {n_characters}"
        )
    rng = np.random.default_rng(seed)
    lexicon: dict[str, None] = {}
    while len(lexicon) < n_words:
        length = 1 + rng.poisson(3)
        lexicon["".join(rng.choice(list(_LETTERS), length))] = None
    words = list(lexicon)
    p = 1 / np.arange(1, n_words + 1)
    p /= p.sum()
    mean_length = float(p @ [len(word) + 1 for word in words])
    entropy_rate = float(-(p * np.log(p)).sum() / mean_length)
    drawn = rng.choice(n_words, size=int(n_characters / 2) + 1, p=p)
    text = " ".join(words[i] for i in drawn)[:n_characters]
    coded = encode(text)
    return Text(coded.codes, coded.vocabulary, "made-up language", True, entropy_rate)


def split(text: Text, share: float = 0.9) -> tuple[Text, Text]:
    """Cut a text into a first part to learn from and a last part to validate on.

    Args:
        text: the text.
        share: of the characters that go to the first part, between 0 and 1.

    Returns:
        Both parts, with the vocabulary of the whole.

    Raises:
        ValueError: if a part would have fewer than two characters.
    """
    edge = int(share * len(text.codes)) if 0 < share < 1 else 0
    if edge < 2 or len(text.codes) - edge < 2:
        raise ValueError(f"share must leave two characters on either side, got {share}")
    return tuple(
        Text(codes, text.vocabulary, text.name, text.simulated, text.entropy_rate)
        for codes in (text.codes[:edge], text.codes[edge:])
    )


def windows(
    text: Text, n_windows: int, length: int, *, rng: np.random.Generator
) -> Int[np.ndarray, "n_windows length_1"]:
    """Draw stretches of a text, each with one character more than `length`.

    The first `length` characters of a row are inputs; the targets are the same row moved by one, so
    that every target is the true next character.

    Args:
        text: the text.
        n_windows: number of rows.
        length: characters to read.
        rng: of the draw.

    Raises:
        ValueError: if the text is not longer than `length`, or a number is below 1.
    """
    if n_windows < 1 or length < 1 or len(text.codes) <= length:
        raise ValueError(
            f"windows of {length} + 1 characters need a longer text than {len(text.codes)}, and "
            f"n_windows >= 1; got {n_windows}"
        )
    starts = rng.integers(0, len(text.codes) - length, n_windows)
    return text.codes[starts[:, None] + np.arange(length + 1)]


def from_utf8(original: Path) -> dict[str, np.ndarray]:
    """Convert a UTF-8 text file to `codes` and `vocab`.

    Raises:
        neurotutor.data.CorruptData: if it is no such file.
    """
    return _arrays(_read(original))


def from_utf8_short(original: Path) -> dict[str, np.ndarray]:
    """Convert the first 300,000 characters of a UTF-8 text file.

    Raises:
        neurotutor.data.CorruptData: if it is no such file.
    """
    return _arrays(_read(original)[:_SHORT])


def _read(original: Path) -> str:
    try:
        return Path(original).read_bytes().decode("utf-8")
    except UnicodeDecodeError as error:
        raise registry.CorruptData(f"{original} is not a text in UTF-8 ({error})") from error


def _arrays(text: str) -> dict[str, np.ndarray]:
    coded = encode(text)
    if coded.n_symbols > 256:
        raise registry.CorruptData(f"{coded.n_symbols} different characters do not fit in a byte")
    points = np.array([ord(each) for each in coded.vocabulary], np.int32)
    return {"codes": coded.codes.astype(np.uint8), "vocab": points}
