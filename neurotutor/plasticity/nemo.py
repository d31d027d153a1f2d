"""Coin-flipping in the brain: assemblies and noise learn frequencies (Dabagia et al., 2024).

Read in this order: `LogRule` (how synapses count), `CoinArea` (noise, cap, take-over), the theory,
`MarkovLearner`, `TrigramLearner`. Areas, caps and random rows are those of `assemblies`.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy import sparse
from scipy.optimize import minimize_scalar
from scipy.stats import norm

from neurotutor.plasticity.assemblies import cap_rows, draw_row
from neurotutor.plasticity.assemblies.synapses import stream

Recurrence = Literal["full", "block"]
UNRESOLVED = -1
_CHUNK = 4_000_000  # noise numbers drawn at a time


@dataclass(frozen=True)
class NemoConfig:
    """Sizes, noise and learning rule; the defaults are those of the paper's coin flips.

    Raises:
        ValueError: if a number is out of range.
    """

    n_neurons: int = 25_000  # n
    cap_size: int = 500  # k
    p: float = 0.1  # p: probability of a synapse
    noise: float = 5.0  # sigma: the noise has the standard deviation sigma sqrt(k p)
    rounds: int = 10  # R: recurrent rounds after the noisy one
    recurrent: Recurrence = "full"  # "block": recurrent synapses inside assemblies only (demo)
    recurrent_weight: float = 2.0  # w_R: weight of synapses inside an assembly
    rate: float = 26.0  # lambda
    offset: float = 0.5  # beta
    majority: float = 0.8  # an assembly has won when it holds more than this share of the cap
    homeostasis: bool = False  # scale every neuron's fresh in-weights to the same sum

    def __post_init__(self) -> None:
        if not 1 <= self.cap_size <= self.n_neurons:
            raise ValueError(
                f"cap_size must lie between 1 and n_neurons = {self.n_neurons}, got {self.cap_size}"
            )
        if not 0 < self.p <= 1:
            raise ValueError(f"p must be a probability above 0, got {self.p}")
        if not 0 <= self.noise < math.inf:
            raise ValueError(f"noise must be a finite number, 0 or greater, got {self.noise}")
        if self.rounds < 0 or not self.recurrent_weight > 0:
            raise ValueError("rounds must be 0 or greater and recurrent_weight above 0")
        if self.recurrent not in ("full", "block"):
            raise ValueError(f"recurrent must be 'full' or 'block', got {self.recurrent!r}")
        if not 0.5 <= self.majority < 1:
            raise ValueError(f"majority must lie in [0.5, 1), got {self.majority}")

    @classmethod
    def tutorial(cls) -> NemoConfig:
        """The sizes of the authors' demo: recurrent synapses inside assemblies only."""
        return cls(n_neurons=10_000, recurrent="block", recurrent_weight=10.0)

    @property
    def noise_sd(self) -> float:
        """Standard deviation of the noise on every neuron's input."""
        return self.noise * math.sqrt(self.cap_size * self.p)

    @property
    def rule(self) -> LogRule:
        """The learning rule."""
        return LogRule(self.rate, self.offset)


@dataclass(frozen=True)
class LogRule:
    """A Hebbian rule whose increments shrink exponentially, so that weights count by logarithms.

    Attributes:
        rate: lambda > 0.
        offset: beta >= 0.

    Raises:
        ValueError: if the largest increment, beta + ln(lambda) / lambda, is not positive.

    Source: Dabagia et al. (2024); section on plasticity, with min where a lemma prints max.
    """

    rate: float = 26.0
    offset: float = 0.5

    def __post_init__(self) -> None:
        if not (0 < self.rate < math.inf and 0 <= self.offset < math.inf):
            raise ValueError(
                f"rate must be positive and offset 0 or greater, got {self.rate} and {self.offset}"
            )
        if self.ceiling <= 0:
            raise ValueError(
                f"the largest increment would be {self.ceiling:.3g}; raise rate or offset until "
                "offset + ln(rate) / rate is positive"
            )

    @property
    def ceiling(self) -> float:
        """alpha: the first increment, always computed from the other two."""
        return self.offset + math.log(self.rate) / self.rate

    @property
    def log_c(self) -> float:
        """Ln c: the weight after t presentations is about (ln t + ln c) / lambda."""
        return math.log(self.rate) + self.rate * (1 + self.offset)

    def increment(self, weights: Float[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape"]:
        """How much synapses of these weights grow when they are used.

        Args:
            weights: 0 for synapses that do not exist; those never appear.

        Returns:
            pi(w), between 0 and alpha.
        """
        # Far below 1 + beta the exponential would overflow where the ceiling holds anyway.
        exponent = np.minimum(self.rate * (1 + self.offset - weights), self.rate)
        grown = np.minimum(self.ceiling, np.exp(exponent))
        return np.where(weights > 0, grown, 0.0)

    def weights(self, largest: int) -> Float[np.ndarray, "counts"]:
        """Weight after 0, 1, ..., `largest` presentations, from a fresh synapse of weight 1.

        Raises:
            ValueError: if `largest` is negative.
        """
        if largest < 0:
            raise ValueError(f"a number of presentations is 0 or greater, got {largest}")
        weights = np.ones(largest + 1)
        for count in range(largest):
            weights[count + 1] = weights[count] + self.increment(weights[count : count + 1])[0]
        return weights

    def weight(self, counts: Int[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape"]:
        """Weight after these numbers of presentations.

        Raises:
            ValueError: if a count is negative or no whole number.
        """
        counts = np.asarray(counts)
        if counts.dtype.kind not in "iu" or (counts.size and counts.min() < 0):
            raise ValueError("counts must be whole numbers, 0 or greater")
        return self.weights(int(counts.max(initial=0)))[counts]


def log_bounds(
    counts: Int[np.ndarray, "counts"], rule: LogRule
) -> tuple[Float[np.ndarray, "counts"], Float[np.ndarray, "counts"]]:
    """Lower and upper bound of the weight after t presentations: ln(c t) and ln(c (t + ln t)).

    Both over lambda. The upper one fails for t = 2 alone.

    Source: Dabagia et al. (2024), lemma on the growth of weights.
    """
    counts = np.asarray(counts, float)
    lower = (rule.log_c + np.log(counts)) / rule.rate
    return lower, (rule.log_c + np.log(counts + np.log(counts))) / rule.rate


class Flips(NamedTuple):
    """What happened in many flips.

    `outcome` is the assembly that won, or -1; `counts` how many neurons of each assembly fire in
    each round, round 0 being the noisy one.
    """

    outcome: Int[np.ndarray, "samples"]
    counts: Int[np.ndarray, "rounds samples outcomes"]

    @property
    def resolved(self) -> float:
        """Share of flips that one assembly won."""
        return float((self.outcome != UNRESOLVED).mean())

    def frequencies(self) -> Float[np.ndarray, "outcomes"]:
        """Share of flips that each assembly won; they sum to the resolved share."""
        m = self.counts.shape[2]
        won = self.outcome[self.outcome != UNRESOLVED]
        return np.bincount(won, minlength=m) / len(self.outcome)

    def leaders(self) -> Int[np.ndarray, "samples"]:
        """Assembly with most neurons in the noisy round; the first of several."""
        return self.counts[0].argmax(axis=1)


class CoinArea:
    """An area with one assembly for each outcome, and synapses from one or more contexts.

    The neurons of assembly i have the numbers i k, ..., (i + 1) k - 1; all others are background.

    Args:
        n_outcomes: m, number of assemblies; m k must not exceed n.
        config: sizes and noise.
        n_contexts: number of context assemblies outside this area.
        seed: of the graph, which is frozen. Noise has seeds of its own.

    Attributes:
        degrees: (contexts, neurons) number of synapses from each context to each neuron.

    Raises:
        ValueError: if there are too few neurons, or fewer than one outcome or context.

    Source: Dabagia et al. (2024), the assembly coin flip.
    """

    def __init__(
        self, n_outcomes: int, config: NemoConfig | None = None, *, n_contexts: int = 1, seed: int
    ):
        self.config = config = NemoConfig() if config is None else config
        if n_outcomes < 1 or n_contexts < 1:
            raise ValueError("an area needs one outcome and one context at least")
        if n_outcomes * config.cap_size > config.n_neurons:
            raise ValueError(
                f"{n_outcomes} assemblies of {config.cap_size} need "
                f"{n_outcomes * config.cap_size} neurons, the area has {config.n_neurons}; raise n"
            )
        self.n_outcomes, self.seed = n_outcomes, seed
        self._n_in = n_outcomes * config.cap_size
        self.degrees = np.stack(
            [
                stream(seed, "context", counter=context).binomial(
                    config.cap_size, config.p, config.n_neurons
                )
                for context in range(n_contexts)
            ]
        )
        self._graph = self._blocks() if config.recurrent == "block" else self._full()

    def inputs(
        self, weights: Float[np.ndarray, "outcomes"], context: int = 0
    ) -> Float[np.ndarray, "neurons"]:
        """Input from a context without noise: weight times number of synapses.

        Args:
            weights: of the synapses from the context to each assembly; background has weight 1.
            context: which one.

        Raises:
            ValueError: if a weight is negative or their number is wrong.
        """
        weights = np.asarray(weights, float)
        if weights.shape != (self.n_outcomes,) or not (weights >= 0).all():
            raise ValueError(
                f"expected {self.n_outcomes} weights, 0 or greater, got shape {weights.shape}"
            )
        config = self.config
        per_neuron = np.ones(config.n_neurons)
        per_neuron[: self._n_in] = np.repeat(weights, config.cap_size)
        if config.homeostasis:
            return per_neuron * config.cap_size * config.p
        return per_neuron * self.degrees[context]

    def flip(
        self,
        weights: Float[np.ndarray, "outcomes"],
        n_samples: int,
        *,
        seed: int,
        context: int = 0,
        rounds: int | None = None,
    ) -> Flips:
        """Flip the coin many times on the same graph.

        Round 0: context and noise, then the cap. Every further round: recurrent synapses alone.

        Args:
            weights: of the synapses from the context to each assembly.
            n_samples: how often.
            seed: of the noise (and of ties).
            context: which context fires.
            rounds: recurrent rounds; default: the configuration's. 0 looks at the first cap only.

        Returns:
            Winners, and the counts of every round.

        Raises:
            ValueError: if `n_samples` is below 1 or the weights do not fit.
        """
        if n_samples < 1:
            raise ValueError(f"n_samples must be 1 or greater, got {n_samples}")
        mean = self.inputs(weights, context).astype(np.float32)
        noise, ties = stream(seed, "noise"), stream(seed, "ties")
        rounds = self.config.rounds if rounds is None else rounds
        if self.config.noise == 0:
            # Nothing differs between samples, so even the ties of one graph fall one way.
            fires = cap_rows(mean[None], self.config.cap_size, stream(self.seed, "ties"))
            counts = self._settle(fires, rounds, stream(self.seed, "recurrent ties"))
            counts = np.repeat(counts, n_samples, axis=1)
            return Flips(self._outcomes(counts[-1]), counts)
        size = max(1, _CHUNK // self.config.n_neurons)
        parts = []
        for start in range(0, n_samples, size):
            count = min(size, n_samples - start)
            drawn = noise.standard_normal((count, len(mean)), dtype=np.float32)
            fires = cap_rows(
                mean + np.float32(self.config.noise_sd) * drawn, self.config.cap_size, ties
            )
            parts.append(self._settle(fires, rounds, ties))
        counts = np.concatenate(parts, axis=1)
        return Flips(self._outcomes(counts[-1]), counts)

    def _settle(
        self, fires: Bool[np.ndarray, "samples neurons"], rounds: int, ties: np.random.Generator
    ) -> Int[np.ndarray, "rounds samples outcomes"]:
        """Let the recurrent synapses work; counts of every round."""
        k = self.config.cap_size
        counts = [self._count(fires)]
        if self.config.recurrent == "block":
            # Nothing outside the assemblies receives recurrent input, so nothing there can win.
            fires = fires[:, : self._n_in]
        for _ in range(rounds):
            # A full assembly excites itself alone and fires again: nothing can change any more.
            open_rows = np.arange(len(fires))
            if self.config.recurrent == "block":
                open_rows = np.flatnonzero(counts[-1].max(axis=1) < k)
            if len(open_rows):
                fires[open_rows] = cap_rows(self._recurrent(fires[open_rows]), k, ties)
            counts.append(self._count(fires))
        return np.stack(counts)

    def _recurrent(
        self, fires: Bool[np.ndarray, "samples neurons"]
    ) -> Float[np.ndarray, "samples neurons"]:
        if self.config.recurrent == "full":
            return (sparse.csr_matrix(fires, dtype=np.float32) @ self._graph).toarray()
        blocks = fires.reshape(len(fires), self.n_outcomes, -1).transpose(1, 0, 2)
        total = np.matmul(blocks.astype(np.float32), self._graph)
        return total.transpose(1, 0, 2).reshape(len(fires), -1)

    def _count(self, fires: np.ndarray) -> Int[np.ndarray, "samples outcomes"]:
        inside = fires[:, : self._n_in].reshape(len(fires), self.n_outcomes, -1)
        return inside.sum(axis=2)

    def _outcomes(self, counts: Int[np.ndarray, "samples outcomes"]) -> np.ndarray:
        won = counts.max(axis=1) > self.config.majority * self.config.cap_size
        return np.where(won, counts.argmax(axis=1), UNRESOLVED)

    def _blocks(self) -> Float[np.ndarray, "outcomes k k"]:
        """Recurrent weights inside each assembly; there are no others."""
        k = self.config.cap_size
        graph = np.empty((self.n_outcomes, k, k), np.float32)
        for outcome in range(self.n_outcomes):
            rng = stream(self.seed, "block", counter=outcome)
            graph[outcome] = rng.random((k, k), dtype=np.float32) < self.config.p
            np.fill_diagonal(graph[outcome], 0.0)
        return graph * np.float32(self.config.recurrent_weight)

    def _full(self) -> sparse.csr_matrix:
        """Recurrent weights of the whole area: w_R inside an assembly, 1 elsewhere."""
        n, k = self.config.n_neurons, self.config.cap_size
        rows = [draw_row(stream(self.seed, "row", counter=j), n, self.config.p) for j in range(n)]
        rows = [row[row != j] for j, row in enumerate(rows)]
        starts = np.concatenate([[0], np.cumsum([len(row) for row in rows])])
        targets = np.concatenate(rows)
        sources = np.repeat(np.arange(n), np.diff(starts))
        same = (sources // k == targets // k) & (sources < self._n_in)
        weights = np.where(same, self.config.recurrent_weight, 1.0).astype(np.float32)
        return sparse.csr_matrix((weights, targets, starts), shape=(n, n))


# --- theory ---------------------------------------------------------------------------------------


def two_outcome_probability(
    difference: Float[np.ndarray, "*shape"], config: NemoConfig, *, printed: bool = False
) -> Float[np.ndarray, "*shape"]:
    """Probability that the first of two assemblies leads, by its advantage in weight.

    Args:
        difference: weight of the first minus weight of the second.
        config: k, p and sigma; the law holds for two assemblies without background.
        printed: use the constant as it is printed in the theorem, larger by sqrt(2 pi), instead of
            the one derived in the book.

    Source: Dabagia et al. (2024), theorem on two outcomes.
    """
    slope = config.cap_size * math.sqrt(config.p) / (config.noise * math.sqrt(math.pi))
    if printed:
        slope *= math.sqrt(2 * math.pi)
    return np.asarray(norm.cdf(slope * np.asarray(difference, float)))


def graph_offset(weight: float, config: NemoConfig) -> float:
    """Standard deviation over graphs of the offset inside the normal law, whatever k is.

    Source: derived in the book.
    """
    return weight * math.sqrt(2 * (1 - config.p)) / (config.noise * math.sqrt(math.pi))


def softmax(
    weights: Float[np.ndarray, "*sets outcomes"], rate: float
) -> Float[np.ndarray, "*sets outcomes"]:
    """Probabilities in proportion to exp(lambda w), along the last axis."""
    weights = np.asarray(weights, float)
    shifted = np.exp(rate * (weights - weights.max(axis=-1, keepdims=True)))
    return shifted / shifted.sum(axis=-1, keepdims=True)


def fit_softmax(
    weights: Float[np.ndarray, "sets outcomes"], probability: Float[np.ndarray, "sets"]
) -> tuple[float, float]:
    """Rate of the softmax that is nearest to measured probabilities of the first outcome.

    Args:
        weights: one set of weights in a row.
        probability: measured for the first outcome.

    Returns:
        Rate, and the root mean squared error at it.

    Raises:
        ValueError: if shapes disagree.
    """
    if probability.shape != (len(weights),):
        raise ValueError(f"probability must have shape ({len(weights)},), got {probability.shape}")

    def error(rate: float) -> float:
        return float(np.sqrt(np.mean((softmax(weights, rate)[:, 0] - probability) ** 2)))

    best = minimize_scalar(error, bounds=(0.1, 200.0), method="bounded")
    return float(best.x), float(best.fun)


# --- sequences ------------------------------------------------------------------------------------


def check_chain(transitions: Float[np.ndarray, "states states"]) -> None:
    """Refuse what is not a matrix of transition probabilities.

    Raises:
        ValueError: if it is not square, an entry is negative, or a row does not sum to 1.
    """
    transitions = np.asarray(transitions)
    if transitions.ndim != 2 or transitions.shape[0] != transitions.shape[1]:
        raise ValueError(f"transitions must be a square matrix, got shape {transitions.shape}")
    if not (transitions >= 0).all() or np.abs(transitions.sum(axis=1) - 1).max() > 1e-6:
        raise ValueError("every row of transitions must hold probabilities that sum to 1")


def walk(
    transitions: Float[np.ndarray, "states states"], length: int, *, seed: int, start: int = 0
) -> Int[np.ndarray, "length"]:
    """A stream of states of a Markov chain.

    Args:
        transitions: row i holds the probabilities of what follows state i.
        length: number of states.
        seed: of the stream.
        start: first state.

    Raises:
        ValueError: if the matrix is no chain, or `length` is below 1.
    """
    check_chain(transitions)
    if length < 1:
        raise ValueError(f"length must be 1 or greater, got {length}")
    draws = np.random.default_rng(seed).random(length)
    edges = np.cumsum(transitions, axis=1)
    states = np.empty(length, np.int64)
    states[0] = start
    for t in range(1, length):
        found = np.searchsorted(edges[states[t - 1]], draws[t], side="right")
        states[t] = min(found, len(edges) - 1)
    return states


class MarkovLearner:
    """Two areas that see a stream of states and then replay it, as often as they have seen it.

    Area A holds an assembly for each state, area B one for each state that may come next. While a
    stream is presented, A_i fires, then B_j: the synapses from A_i to B_j grow. Later A_i fires
    once, B flips its coin, and fires back the assembly of the next state.

    Args:
        n_states: number of states; n_states k must not exceed n.
        config: sizes, noise and rule.
        seed: of the graph.

    Attributes:
        weights: (states, states) weight of the synapses from A_i to B_j.
        area: area B.

    Raises:
        ValueError: if the area is too small for the states.

    Source: Dabagia et al. (2024), learning Markov chains.
    """

    def __init__(self, n_states: int, config: NemoConfig | None = None, *, seed: int):
        self.area = CoinArea(n_states, config, n_contexts=n_states, seed=seed)
        self.n_states = n_states
        self.rule = self.area.config.rule
        self.weights = np.ones((n_states, n_states))

    def present(self, sequence: Sequence[int] | Int[np.ndarray, "length"]) -> MarkovLearner:
        """Show a stream of states, one transition after another.

        Args:
            sequence: states 0 .. n_states - 1, two or more.

        Raises:
            ValueError: if a state is unknown, or there is no transition.
        """
        states = np.asarray(sequence)
        if states.ndim != 1 or len(states) < 2 or states.dtype.kind not in "iu":
            raise ValueError("a sequence needs two states or more, whole numbers from 0 on")
        if states.min() < 0 or states.max() >= self.n_states:
            raise ValueError(f"states must lie in 0..{self.n_states - 1}, got {states.max()}")
        for before, after in zip(states[:-1], states[1:], strict=True):
            used = self.weights[before, after : after + 1]
            used += self.rule.increment(used)
        return self

    def transition_matrix(
        self, n_samples: int = 300, *, seed: int = 0
    ) -> Float[np.ndarray, "states states"]:
        """What follows each state, estimated by flipping its coin many times.

        Args:
            n_samples: flips of each row.
            seed: of the noise.

        Returns:
            Row i: share of flips that each state won; it sums to the resolved share of that row.
        """
        return np.stack(
            [
                self.area.flip(
                    self.weights[state], n_samples, seed=seed * self.n_states + state, context=state
                ).frequencies()
                for state in range(self.n_states)
            ]
        )

    def sample(self, length: int, seed: int, *, start: int = 0) -> Int[np.ndarray, "length"]:
        """Replay: a stream of states, each from one flip.

        Args:
            length: number of states.
            seed: of the noise.
            start: first state.

        Returns:
            States. Where no assembly wins a majority the strongest one fires back.

        Raises:
            ValueError: if `length` is below 1 or `start` is unknown.
        """
        if length < 1 or not 0 <= start < self.n_states:
            raise ValueError(
                f"length must be 1 or greater and start in 0..{self.n_states - 1}, "
                f"got {length} and {start}"
            )
        states = [start]
        for t in range(1, length):
            flips = self.area.flip(
                self.weights[states[-1]], 1, seed=_one_seed(seed, t), context=states[-1]
            )
            states.append(int(flips.counts[-1, 0].argmax()))
        return np.array(states, np.int64)


def _triples(rows: Sequence[int]) -> list[tuple[int, int, int]]:
    return list(zip(rows[:-2], rows[1:-1], rows[2:], strict=True))


def _one_seed(seed: int, step: int) -> int:
    """A seed of its own for every step of a replay."""
    return int(stream(seed, "replay", counter=step).integers(2**62))


def tokens(text: str) -> list[str]:
    """Words of a text in lower case; every end of a sentence is the token ".".

    Hyphens separate words; commas, colons, dashes and quotation marks are dropped.

    Raises:
        ValueError: if no word is left.
    """
    text = re.sub(r"[-‐–—]", " ", text.lower())
    found = re.findall(r"[a-z']+|[.?!;]", text)
    words = ["." if each in ".?!;" else each.strip("'") for each in found]
    words = [word for word in words if word]
    if not words:
        raise ValueError("the text holds no word; pass a text in Latin letters")
    return words


class TrigramLearner:
    """Three areas that read a text and write a new one, word by word, from the last two words.

    Area A holds an assembly for each word. B and C keep the last word and the one before it. The
    synapses from B and from C to A learn; those that no pair of words of the text ever used do not
    exist.

    Args:
        config: sizes, noise and rule; `n_neurons` is ignored, since an area has k neurons for each
            word. The demo's noise is 10, its rate 60, its offset 0.5.
        seed: of the graph.

    Attributes:
        words: the vocabulary, after `read`.

    Source: Dabagia et al. (2024), trigram model.
    """

    def __init__(self, config: NemoConfig, *, seed: int):
        self.config, self.seed = config, seed

    def read(self, words: Sequence[str], presentations: int = 5) -> TrigramLearner:
        """Present a text several times.

        Args:
            words: its tokens, in order.
            presentations: how often.

        Raises:
            ValueError: if there are fewer than three tokens, or no presentation.
        """
        if len(words) < 3 or presentations < 1:
            raise ValueError("a text needs three tokens or more, and one presentation or more")
        self.words = sorted(set(words))
        number = {word: place for place, word in enumerate(self.words)}
        rows = np.array([number[word] for word in words])
        self.trigrams = Counter(_triples(rows.tolist()))
        size = len(self.words)
        counts = np.zeros((2, size, size), np.int64)
        for (before, last, following), times in self.trigrams.items():
            counts[0, last, following] += presentations * times
            counts[1, before, following] += presentations * times
        learned = self.config.rule.weight(counts)
        # Only synapses that some trigram uses exist at all.
        self.weights = np.where(counts > 0, learned, 0.0)
        config = replace(self.config, n_neurons=size * self.config.cap_size)
        # Contexts 0 .. size - 1 are the words in B, the rest those in C.
        self.area = CoinArea(size, config, n_contexts=2 * size, seed=self.seed)
        return self

    def write(self, length: int, first: tuple[str, str], *, seed: int) -> list[str]:
        """Write a text.

        Args:
            length: number of words, the first two included.
            first: the first two words.
            seed: of the noise.

        Raises:
            ValueError: if nothing was read, or a first word is unknown.
        """
        if not hasattr(self, "area"):
            raise ValueError("nothing was read yet; call read first")
        if any(word not in self.words for word in first):
            raise ValueError(f"the first words must occur in the text, got {first}")
        written = [self.words.index(word) for word in first]
        while len(written) < length:
            written.append(self._next(written[-2], written[-1], _one_seed(seed, len(written))))
        return [self.words[word] for word in written]

    def attested(self, words: Sequence[str]) -> float:
        """Share of positions, from the third on, whose trigram occurs in the text that was read.

        Raises:
            ValueError: if there are fewer than three words.
        """
        if len(words) < 3:
            raise ValueError(f"three words or more make a trigram, got {len(words)}")
        number = {word: place for place, word in enumerate(self.words)}
        rows = [number.get(word, -1) for word in words]
        return float(np.mean([each in self.trigrams for each in _triples(rows)]))

    def _next(self, before: int, last: int, seed: int) -> int:
        area, size = self.area, len(self.words)
        k = area.config.cap_size
        total = np.zeros(size * k, np.float32)
        for weights, context in (
            (self.weights[0, last], last),
            (self.weights[1, before], size + before),
        ):
            total += area.inputs(weights, context).astype(np.float32)
        noise, ties = stream(seed, "noise"), stream(seed, "ties")
        total += np.float32(area.config.noise_sd) * noise.standard_normal(
            len(total), dtype=np.float32
        )
        counts = area._settle(cap_rows(total[None], k, ties), area.config.rounds, ties)
        return int(counts[-1, 0].argmax())
