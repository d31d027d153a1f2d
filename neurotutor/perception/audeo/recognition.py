"""Which piece is it? A search over scores by the course of their pitch classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Shaped
from scipy.fft import irfft, next_fast_len, rfft
from scipy.ndimage import uniform_filter1d

from neurotutor.data.scores import Notes
from neurotutor.perception.audeo.config import FRAME_RATE
from neurotutor.perception.audeo.synthesis import notes_to_roll

TEMPI = tuple(np.linspace(0.85, 1.25, 6).tolist())
_SMOOTH = 5  # frames


def chroma(
    roll: Shaped[np.ndarray, "frames keys"], lowest: int
) -> Float[np.ndarray, "frames classes"]:
    """How much of each of the twelve pitch classes sounds, smoothed over five frames.

    Args:
        roll: keys that are down, or their probabilities.
        lowest: MIDI number of the first column.
    """
    classes = (lowest + np.arange(roll.shape[1])) % 12
    found = np.zeros((len(roll), 12))
    for column, pitch_class in zip(np.asarray(roll, float).T, classes, strict=True):
        found[:, pitch_class] += column
    return uniform_filter1d(found, _SMOOTH, axis=0, mode="constant")


def best_match(
    query: Float[np.ndarray, "short classes"], piece: Float[np.ndarray, "long classes"]
) -> float:
    """Largest normalised correlation of a short chroma with any window of a long one.

    Args:
        query: what was heard.
        piece: what is searched; filled with silence if it is shorter.

    Returns:
        Cosine of the best window, 0 for silence.
    """
    return _Index([piece], len(query)).scores(query)[0]


class _Index:
    """Spectra of chromas that are searched again and again with queries of one length."""

    def __init__(self, chromas: Sequence[np.ndarray], length: int):
        self.length = length
        self.entries = []
        for each in chromas:
            padded = np.pad(each, ((0, max(length - len(each), 0)), (0, 0)))
            size = next_fast_len(len(padded) + length, real=True)
            energy = np.concatenate([[0.0], np.cumsum((padded**2).sum(axis=1))])
            self.entries.append((rfft(padded, size, axis=0), size, len(padded), energy))

    def scores(self, query: np.ndarray) -> list[float]:
        norm, found, spectra = np.sqrt((query**2).sum()), [], {}
        for spectrum, size, long, energy in self.entries:
            if size not in spectra:
                spectra[size] = rfft(query, size, axis=0).conj()
            product = (spectrum * spectra[size]).sum(axis=1)
            dots = irfft(product, size)[: long - self.length + 1]
            windows = np.sqrt(np.maximum(energy[self.length :] - energy[: -self.length], 0))
            bottom = norm * windows
            cosines = np.where(bottom > 1e-9, dots / np.maximum(bottom, 1e-9), 0)
            found.append(float(cosines.max()))
        return found


@dataclass(frozen=True)
class Match:
    """The pieces by likeness.

    Attributes:
        names: best first.
        scores: their largest normalised correlations, in this order.
    """

    names: tuple[str, ...]
    scores: tuple[float, ...]


class PieceFinder:
    """Finds the piece that a few seconds of roll are from.

    The chroma of the roll slides over that of every score at six tempi.

    Args:
        pieces: name -> notes, at the tempo of the score.
        seconds: length of the rolls that will be searched for.
        tempi: how many times as long as in the score the music may take.

    Raises:
        ValueError: for no pieces.
    """

    def __init__(
        self,
        pieces: Mapping[str, Notes],
        seconds: float | int = 8.0,
        tempi: Sequence[float] = TEMPI,
    ):
        if not pieces:
            raise ValueError("there are no pieces to search: pass one or more")
        self.names = tuple(pieces)
        self.n_tempi = len(tempi)
        self.length = round(seconds * FRAME_RATE)
        chromas = []
        for notes in pieces.values():
            for tempo in tempi:
                slow = Notes(
                    notes.pitch,
                    notes.onset * tempo,
                    notes.offset * tempo,
                    notes.velocity,
                    notes.track,
                )
                chromas.append(chroma(notes_to_roll(slow, lowest=0, n_keys=128), 0))
        self.index = _Index(chromas, self.length)

    def find(self, roll: Shaped[np.ndarray, "frames keys"], lowest: int) -> Match:
        """Rank the pieces.

        Args:
            roll: of the length that the finder was made for.
            lowest: MIDI number of its first column.

        Raises:
            ValueError: for another length.
        """
        if len(roll) != self.length:
            raise ValueError(f"expected a roll of {self.length} frames, got {len(roll)}")
        scores = np.array(self.index.scores(chroma(roll, lowest)))
        best = scores.reshape(len(self.names), self.n_tempi).max(axis=1)
        order = np.argsort(-best, kind="stable")
        return Match(tuple(self.names[i] for i in order), tuple(best[order].tolist()))
