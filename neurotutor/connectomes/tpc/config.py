"""The settings of Time-Aware PC, and their checks."""

from __future__ import annotations

from dataclasses import dataclass, replace
from numbers import Real
from typing import Any, Literal

from neurotutor.checks import as_count


@dataclass(frozen=True)
class TpcConfig:
    """Settings of Time-Aware PC; the defaults follow the paper and its published code.

    The paper's own L, m and gamma could not be established. The values here are those of the
    published package before version 2.0; since 2.0 it runs once on all windows, as `tutorial()`
    does.
    """

    max_delay: int = 1  # tau: bins that an interaction may take
    alpha: float = 0.05  # level of a test; the paper sweeps 0.01, 0.05, 0.1 (figures 3 and 4)
    subsample_length: int | None = 50  # L: windows in one subsample; None: one run on all windows
    n_subsamples: int | None = 25  # m: subsamples; None together with subsample_length
    frequency: float = 0.25  # gamma: share of the subsamples in which an edge must be found
    prune: float = 0.1  # edges with |w| <= prune * max |w| are dropped; 0 keeps all
    test: Literal["fisherz", "hsic"] = "fisherz"  # hsic: kernel test, for what is not linear
    edges: Literal["all", "last"] = "all"  # ours: "last" counts edges into the last slice only
    stride: int | None = None  # bins from window to window; None: 2 (tau + 1), as in the paper
    max_conditioning: int | None = None  # cap on the size of conditioning sets; None: no cap
    seed: int = 0  # of the choice of subsamples

    def __post_init__(self):
        as_count("max_delay", self.max_delay, 0)
        as_count("seed", self.seed, 0)
        _between(self.alpha, "alpha", open_ends=True)
        _between(self.frequency, "frequency")
        _between(self.prune, "prune")
        if (self.subsample_length is None) != (self.n_subsamples is None):
            raise ValueError(
                "subsample_length and n_subsamples belong together, got "
                f"{self.subsample_length} and {self.n_subsamples}: give both, or None for both"
            )
        for name, smallest in (
            ("subsample_length", 5),
            ("n_subsamples", 1),
            ("stride", 1),
            ("max_conditioning", 0),
        ):
            if getattr(self, name) is not None:
                as_count(name, getattr(self, name), smallest)
        _one_of(self.test, ("fisherz", "hsic"), "test")
        _one_of(self.edges, ("all", "last"), "edges")

    @property
    def step(self) -> int:
        """Bins from the start of one window to the start of the next."""
        return 2 * (self.max_delay + 1) if self.stride is None else self.stride

    @classmethod
    def tutorial(cls, **changes: Any) -> TpcConfig:
        """One run on all windows, without subsamples: fast, and the default of the package 2.0."""
        return replace(cls(subsample_length=None, n_subsamples=None), **changes)


def _between(value: float, name: str, open_ends: bool = False) -> None:
    if not isinstance(value, Real) or isinstance(value, bool):
        raise TypeError(f"{name} must be a number, got {type(value).__name__}")
    if not (0 < value < 1 if open_ends else 0 <= value <= 1):
        raise ValueError(
            f"{name} must lie {'strictly ' if open_ends else ''}between 0 and 1, got {value}"
        )


def _one_of(value: str, known: tuple[str, ...], name: str) -> None:
    if value not in known:
        raise ValueError(f"{name} must be one of {', '.join(map(repr, known))}, got {value!r}")
