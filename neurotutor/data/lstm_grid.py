"""Lyapunov spectra of 110 trained LSTMs, as the authors of the method published them."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from neurotutor.data import registry

GRID = "lstm-le-grid/lstm_le_grid"
_SPECTRA = ("le_mean_e4", "le_std_e4", "le_mean_e15", "le_std_e15")


@dataclass(frozen=True)
class LstmGrid:
    """One-layer LSTMs of 512 units that predict the characters of *War and Peace*.

    The spectra are those of the published code: the hidden block of the Jacobian, with the cell
    state held fixed, multiplied in reverse order of time. They are real results, not exact
    exponents.

    Attributes:
        dropout: probability of dropout behind the recurrent layer.
        learning_rate: of Adam.
        validation_loss: cross entropy after each of 15 epochs, nats per character.
        early: spectrum after 4 epochs, nats per step.
        early_spread: its standard deviation over input sequences.
        late: spectrum after 15 epochs.
        late_spread: its standard deviation over input sequences.
    """

    dropout: Float[np.ndarray, "networks"]
    learning_rate: Float[np.ndarray, "networks"]
    validation_loss: Float[np.ndarray, "networks 15"]
    early: Float[np.ndarray, "networks exponents"]
    early_spread: Float[np.ndarray, "networks exponents"]
    late: Float[np.ndarray, "networks exponents"]
    late_spread: Float[np.ndarray, "networks exponents"]

    @property
    def final_loss(self) -> Float[np.ndarray, "networks"]:
        """Validation loss after the last epoch."""
        return self.validation_loss[:, -1]

    @property
    def converged(self) -> np.ndarray:
        """Mask of the networks whose loss did not jump up late (the others diverged)."""
        return self.final_loss < 1.2 * self.validation_loss.min(axis=1)


def load(name_or_path: str | os.PathLike = GRID) -> LstmGrid:
    """Load the grid; exponents are converted from bits to nats.

    Args:
        name_or_path: name of the registry, or the path of an `.npz` of the same form.

    Raises:
        neurotutor.data.DataNotFound: if it is not on this machine.
        neurotutor.data.UnknownData: for a name that the registry does not hold.
        neurotutor.data.CorruptData: if the file is damaged or lacks an array.
        ValueError: if shapes disagree or a number is not finite.

    Source: Vogt, Puelma Touzel, Shlizerman & Lajoie (2022), data of the published repository.
    """
    path = registry.resolve(name_or_path)
    arrays = registry.read_arrays(path, ("dropout", "lr", "val_loss", *_SPECTRA))
    n = len(np.atleast_1d(arrays["dropout"]))
    shapes = {"dropout": (n,), "lr": (n,), "val_loss": (n, 15)}
    shapes |= {name: (n, *arrays["le_mean_e4"].shape[1:2]) for name in _SPECTRA}
    for name, shape in shapes.items():
        values = arrays[name]
        if values.shape != shape or values.dtype.kind != "f" or not np.isfinite(values).all():
            raise ValueError(
                f"{path} is not the grid of networks: {name} must be {shape} finite numbers, got "
                f"{values.shape} of {values.dtype}"
            )
    nats = {name: arrays[name].astype(np.float64) * math.log(2) for name in _SPECTRA}
    return LstmGrid(
        dropout=arrays["dropout"].astype(np.float64),
        learning_rate=arrays["lr"].astype(np.float64),
        validation_loss=arrays["val_loss"].astype(np.float64),
        early=nats["le_mean_e4"],
        early_spread=nats["le_std_e4"],
        late=nats["le_mean_e15"],
        late_spread=nats["le_std_e15"],
    )
