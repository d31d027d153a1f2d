"""The hyperparameters of SESAR, with the place in the paper or the authors' code of each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Mode = Literal["bi", "two-forward"]
Decoder = Literal["FZ", "FS", "FW"]
DECODERS: tuple[Decoder, ...] = ("FZ", "FS", "FW")
CRITERIA = ("uniform", "ktop", "krandom", "kmi", "kjs", "coreset", "margin")


@dataclass(frozen=True)
class SesarConfig:
    """Hyperparameters; the defaults are those of the authors' code.

    Attributes:
        hidden: h, units of each stream of the encoder.
        layers: of the encoder.
        mode: `"bi"` reads forwards and backwards; `"two-forward"` is what the authors' PyTorch
            code does.
        decoder: `"FZ"` fixed zero input, `"FS"` fixed state, `"FW"` fixed zero with frozen weights.
        time: frames that a sequence is resampled to.
        alpha: weight of classification in the joint loss.
        learning_rate: of Adam.
        batch: sequences in a batch.
        clip: largest norm of the gradient.
        unsupervised_epochs: passes over the pool before the first question.
        joint_epochs: passes over the pool after each round of questions.
        repeats: how often a labelled sequence stands in an epoch of joint training.
        supervised_epochs: passes over the labelled sequences of the network that has nothing else.
        rounds: of questions.
        per_round: questions in a round, the k of the clusters.
        kmeans_starts: initialisations of the clustering.
    """

    hidden: int = 1024  # Predict & Cluster, PyTorch demo (NW-UCLA)
    layers: int = 3  # Predict & Cluster, both codes
    mode: Mode = "two-forward"  # Predict & Cluster, PyTorch demo
    decoder: Decoder = "FZ"  # what both codes do under the name of fixed weights
    time: int = 50  # Predict & Cluster, NW-UCLA
    alpha: float = 0.5  # OpenLabCluster
    learning_rate: float = 1e-3  # Predict & Cluster, PyTorch demo
    batch: int = 64  # all codes
    clip: float = 25.0  # Predict & Cluster, PyTorch demo
    unsupervised_epochs: int = 500  # Predict & Cluster; OpenLabCluster has 30
    joint_epochs: int = 30  # OpenLabCluster, per round
    repeats: int = 1  # OpenLabCluster; more saves epochs, in which most sequences have no label
    supervised_epochs: int = 100  # ours
    rounds: int = 5  # ours: the paper's schedule was not at hand
    per_round: int = 10  # ours
    kmeans_starts: int = 1  # OpenLabCluster; more find better clusters

    @classmethod
    def tutorial(cls) -> SesarConfig:
        """A network that trains in seconds on one core."""
        return cls(
            hidden=32,
            layers=2,
            mode="bi",
            time=20,
            learning_rate=3e-3,
            unsupervised_epochs=24,
            joint_epochs=3,
            repeats=6,
            supervised_epochs=60,
        )

    @classmethod
    def whole_recording(cls) -> SesarConfig:
        """Large networks on all of the Bandai Namco recording: for a GPU."""
        return cls(hidden=512, mode="bi", unsupervised_epochs=100, per_round=40)
