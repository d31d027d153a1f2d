"""How good a roll is: frame by frame, note by note, key by key."""

from __future__ import annotations

from dataclasses import dataclass

import mir_eval
import numpy as np
from jaxtyping import Bool, Float, Shaped

from neurotutor.checks import as_positive
from neurotutor.data.scores import Notes
from neurotutor.perception.audeo.synthesis import as_roll


@dataclass(frozen=True)
class FrameScores:
    """Means over frames, each 1 in a frame where its denominator is 0.

    Attributes:
        precision: share of the reported keys that are right.
        recall: share of the right keys that are reported.
        accuracy: right and reported, of right or reported (Jaccard).
        f1: harmonic mean of precision and recall.
    """

    precision: float
    recall: float
    accuracy: float
    f1: float


def frame_scores(
    predicted: Shaped[np.ndarray, "frames keys"], target: Shaped[np.ndarray, "frames keys"]
) -> FrameScores:
    """Precision, recall, accuracy and F1 of each frame, averaged over frames.

    Never read precision alone: in a frame where nothing is reported it is 1.

    Args:
        predicted: true where a key is reported.
        target: true where a key is right.

    Returns:
        The four means.

    Raises:
        ValueError: for rolls of different shapes, empty ones, or values other than 0 and 1.
    """
    said, true = as_roll("predicted", predicted), as_roll("target", target)
    if said.shape != true.shape or not said.size:
        raise ValueError(
            f"predicted and target must have one shape that is not empty, got {said.shape} and "
            f"{true.shape}"
        )
    hits = (said & true).sum(axis=1)
    reported, right = said.sum(axis=1), true.sum(axis=1)

    def mean(top: np.ndarray, bottom: np.ndarray) -> float:
        return float(np.where(bottom == 0, 1.0, top / np.maximum(bottom, 1)).mean())

    return FrameScores(
        precision=mean(hits, reported),
        recall=mean(hits, right),
        accuracy=mean(hits, reported + right - hits),
        f1=mean(2 * hits, reported + right),
    )


def key_recall(
    predicted: Bool[np.ndarray, "frames keys"], target: Bool[np.ndarray, "frames keys"]
) -> Float[np.ndarray, "keys"]:
    """For each key the share of its frames that are reported; NaN for a key that never sounds.

    Args:
        predicted: true where a key is reported.
        target: true where a key is right.
    """
    said, true = as_roll("predicted", predicted), as_roll("target", target)
    count = true.sum(axis=0)
    return np.where(count, (said & true).sum(axis=0) / np.maximum(count, 1), np.nan)


@dataclass(frozen=True)
class NoteScores:
    """Scores of notes, matched one to one.

    Attributes:
        precision: share of the reported notes with a partner.
        recall: share of the right notes with a partner.
        f1: harmonic mean of both.
        n_predicted: reported notes.
        n_target: right notes.
    """

    precision: float
    recall: float
    f1: float
    n_predicted: int
    n_target: int


def note_scores(predicted: Notes, target: Notes, tolerance: float | int = 0.05) -> NoteScores:
    """Match notes of one pitch whose onsets are near; ends do not count.

    Args:
        predicted: reported notes.
        target: right notes.
        tolerance: largest distance of two onsets, s; 50 ms is the custom.

    Returns:
        Precision, recall, F1, and both numbers of notes; 1 where there is nothing to find and
        nothing was reported.

    Source: Raffel et al. (2014), mir_eval, transcription without offsets.
    """
    as_positive("tolerance", tolerance)
    n_predicted, n_target = len(predicted), len(target)
    if n_predicted == 0 or n_target == 0:
        return NoteScores(
            precision=float(n_predicted == 0),
            recall=float(n_target == 0),
            f1=float(n_predicted == n_target),
            n_predicted=n_predicted,
            n_target=n_target,
        )
    precision, recall, f1, _ = mir_eval.transcription.precision_recall_f1_overlap(
        *_intervals(target), *_intervals(predicted), onset_tolerance=tolerance, offset_ratio=None
    )
    return NoteScores(float(precision), float(recall), float(f1), n_predicted, n_target)


def _intervals(notes: Notes) -> tuple[np.ndarray, np.ndarray]:
    times = np.stack([notes.onset, notes.offset], axis=1)
    return times, mir_eval.util.midi_to_hz(notes.pitch.astype(float))
