"""Run a page's cells under other random numbers or another number of threads.

A page states its seeds in its cells. `seeds` changes what each of them starts, so that the same
cells draw other numbers everywhere: NumPy's and PyTorch's generators, and those that scikit-learn
makes from a `random_state`. What a page loads, recordings and kept weights, stays as it is.
"""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import torch


def other(seed: int, shift: int) -> int:
    """The seed that stands in for `seed`: a 32-bit number, another one for every shift."""
    return int(np.random.SeedSequence([seed, shift]).generate_state(1)[0])


def seeds(shift: int) -> None:
    """From now on, every seed starts another stream in this process.

    Args:
        shift: which one; 1 or greater.

    Raises:
        ValueError: if `shift` is smaller than 1; 0 would be the page as it stands.
    """
    if shift < 1:
        raise ValueError(f"shift must be 1 or greater, got {shift}; without a shift, run the page")

    def moved(seed: Any) -> Any:
        """Another seed for a whole number, another list for a list; anything else as it is."""
        if isinstance(seed, int | np.integer):
            return other(int(seed), shift)
        if isinstance(seed, list | tuple | np.ndarray):
            return [*np.ravel(np.asarray(seed, dtype=object)).tolist(), shift]
        return seed

    default_rng, manual_seed, python_seed = np.random.default_rng, torch.manual_seed, random.seed

    def keyed(key: Any) -> Any:
        """Another key of 128 bits in the place of one; None as it is."""
        if key is None:
            return None
        words = [int(word) for word in np.atleast_1d(key)]
        return np.random.SeedSequence([*words, shift]).generate_state(2, np.uint64)

    class Philox(np.random.Philox):
        def __init__(self, seed: Any = None, counter: Any = None, key: Any = None) -> None:
            super().__init__(moved(seed), counter, keyed(key))

    class SeedSequence(np.random.SeedSequence):
        def __init__(self, entropy: Any = None, **settings: Any) -> None:
            super().__init__(moved(entropy), **settings)

    class RandomState(np.random.RandomState):
        def __init__(self, seed: Any = None) -> None:
            super().__init__(moved(seed))

    class Generator(torch.Generator):
        def manual_seed(self, seed: int) -> torch.Generator:
            return super().manual_seed(moved(seed))

    def seeded(seed: Any = None) -> np.random.Generator:
        # Generators and seed sequences were moved when they were made.
        return default_rng(moved(seed))

    np.random.default_rng = seeded
    np.random.Philox = Philox
    np.random.SeedSequence = SeedSequence
    np.random.RandomState = RandomState
    torch.Generator = Generator
    torch.manual_seed = lambda seed: manual_seed(moved(seed))
    random.seed = lambda seed=None, version=2: python_seed(moved(seed), version)


def threads(count: int) -> None:
    """From now on, PyTorch computes on `count` threads, whatever the cells ask for.

    Raises:
        ValueError: if `count` is smaller than 1.
    """
    if count < 1:
        raise ValueError(f"count must be 1 or greater, got {count}")
    torch.set_num_threads(count)
    torch.set_num_threads = lambda asked: None
