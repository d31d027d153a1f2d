"""Continuous-time rate networks whose wiring is known: six motifs, two hard ones, and stimuli.

A weight matrix W has the sources in its rows: entry [i, j] is the weight of i -> j.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from neurotutor.checks import as_count, as_not_negative, as_positive
from neurotutor.data.causal_series import STEP, ctrnn

BURN_IN = 200


@dataclass(frozen=True)
class Motif:
    """A small network and the input that drives it.

    Attributes:
        name: of the motif.
        weights: W; entry [i, j] is the weight of i -> j.
        input_mean: mean of the white input of each neuron.
        input_sd: standard deviation of the input.
    """

    name: str
    weights: Float[np.ndarray, "neurons neurons"]
    input_mean: float = 0.0
    input_sd: float = 1.0

    @property
    def truth(self) -> Bool[np.ndarray, "neurons neurons"]:
        """True graph: entry [i, j] true means i -> j. Each neuron drives itself, by its leak."""
        return (self.weights != 0) | np.eye(len(self.weights), dtype=bool)

    def simulate(
        self, seed: int, n_steps: int = 1000, *, burn_in: int = BURN_IN
    ) -> Float[np.ndarray, "time neurons"]:
        """States of the network, after a start that is thrown away.

        Args:
            seed: of the input noise.
            n_steps: rows to return.
            burn_in: steps before the first of them.

        Raises:
            ValueError: for a negative seed or burn-in, or no step at all.
        """
        as_count("seed", seed, 0)
        as_count("n_steps", n_steps)
        as_count("burn_in", burn_in, 0)
        rng = np.random.default_rng(seed)
        shape = (n_steps + burn_in, len(self.weights))
        return ctrnn(self.weights, rng.normal(self.input_mean, self.input_sd, shape))[burn_in:]


# Links of each motif: (source, target, sign), neurons numbered from 0.
_LINKS: dict[str, tuple[int, tuple[tuple[int, int, int], ...]]] = {
    "chain": (3, ((0, 1, 1), (1, 2, 1))),
    "fork": (3, ((0, 1, 1), (0, 2, 1))),
    "collider": (3, ((0, 2, 1), (1, 2, 1))),
    "feed-forward": (3, ((0, 1, 1), (1, 2, 1), (0, 2, 1))),
    "inhibition": (4, ((0, 2, 1), (1, 2, -1), (2, 3, 1))),
    "E-I loop": (3, ((0, 1, 1), (1, 2, 1), (2, 0, -1))),
    "positive loop": (3, ((0, 1, 1), (1, 2, 1), (2, 0, 1))),
    "code4": (4, ((0, 2, 1), (1, 2, 1), (2, 3, 1))),
}
MOTIFS = tuple(_LINKS)
EASY_MOTIFS = ("chain", "fork", "collider", "feed-forward", "inhibition", "E-I loop")


def motif(name: str, weight: float | int | None = None) -> Motif:
    """One of the book's motifs.

    The first six, `EASY_MOTIFS`, have an input of mean 0. `"positive loop"` excites itself all
    round. `"code4"` is the network of the published package: weight 10 and an input of mean 1.

    Args:
        name: one of `MOTIFS`.
        weight: strength of every link; default 2, and 10 for `"code4"`.

    Raises:
        ValueError: for an unknown name or a weight that is not positive.
    """
    if name not in _LINKS:
        raise ValueError(f"no motif {name!r}; choose one of {', '.join(MOTIFS)}")
    strength = (10.0 if name == "code4" else 2.0) if weight is None else weight
    as_positive("weight", strength)
    p, links = _LINKS[name]
    weights = np.zeros((p, p))
    for i, j, sign in links:
        weights[i, j] = sign * strength
    return Motif(name, weights, input_mean=1.0 if name == "code4" else 0.0)


@dataclass(frozen=True)
class StimulusBlocks:
    """Recordings of one network under several stimuli.

    Attributes:
        series: states, one recording a block, shape (blocks, time, neurons).
        labels: stimulus of each block.
        weights: W of the network; entry [i, j] is the weight of i -> j.
        driven: which neurons each stimulus drives, shape (stimuli, neurons).
    """

    series: Float[np.ndarray, "blocks time neurons"]
    labels: Int[np.ndarray, "blocks"]
    weights: Float[np.ndarray, "neurons neurons"]
    driven: Bool[np.ndarray, "stimuli neurons"]


def stimulus_blocks(
    seed: int,
    *,
    n_neurons: int = 12,
    n_inputs: int = 2,
    n_driven: int = 4,
    n_stimuli: int = 2,
    n_blocks: int = 5,
    n_steps: int = 1000,
    weight: float | int = 1.0,
    drive: float | int = 6.0,
    noise: float | int = 1.0,
) -> StimulusBlocks:
    """Record a random network while stimuli drive some of its neurons into saturation.

    The wiring is the same under every stimulus. A driven neuron sits where tanh is flat, so it
    passes nothing on: the functional graph changes although no synapse does.

    Args:
        seed: of wiring, stimuli and noise.
        n_neurons: size of the network.
        n_inputs: neurons that each neuron listens to; the signs are drawn at random.
        n_driven: neurons that a stimulus drives; no neuron belongs to two stimuli.
        n_stimuli: number of stimuli.
        n_blocks: recordings of each stimulus.
        n_steps: length of a recording, after 200 steps that are thrown away.
        weight: strength of a link.
        drive: mean input of a driven neuron; the others have mean 0.
        noise: standard deviation of the white input.

    Raises:
        ValueError: if sizes do not fit each other, or a strength is out of range.

    Source: ours; the recordings of the paper are not at hand.
    """
    for value, low, label in (
        (seed, 0, "seed"),
        (n_inputs, 0, "n_inputs"),
        (n_neurons, 2, "n_neurons"),
        (n_driven, 1, "n_driven"),
        (n_stimuli, 1, "n_stimuli"),
        (n_blocks, 1, "n_blocks"),
        (n_steps, 1, "n_steps"),
    ):
        as_count(label, value, low)
    as_positive("weight", weight)
    as_not_negative("noise", noise)
    if n_inputs >= n_neurons or n_driven * n_stimuli > n_neurons:
        raise ValueError(
            f"{n_neurons} neurons cannot have {n_inputs} other inputs each and hold {n_stimuli} "
            f"groups of {n_driven}; take more neurons"
        )
    rng = np.random.default_rng(seed)
    weights = np.zeros((n_neurons, n_neurons))
    for j in range(n_neurons):
        others = np.delete(np.arange(n_neurons), j)
        sources = rng.choice(others, n_inputs, replace=False)
        weights[sources, j] = weight * rng.choice([-1.0, 1.0], n_inputs)
    order = rng.permutation(n_neurons)
    driven = np.zeros((n_stimuli, n_neurons), bool)
    for stimulus in range(n_stimuli):
        driven[stimulus, order[stimulus * n_driven : (stimulus + 1) * n_driven]] = True
    labels = np.repeat(np.arange(n_stimuli), n_blocks)
    inputs = noise * rng.standard_normal((len(labels), n_steps + BURN_IN, n_neurons))
    series = ctrnn(weights, inputs + drive * driven[labels][:, None, :])[:, BURN_IN:]
    return StimulusBlocks(series, labels, weights, driven)


def mean_slope(states: Float[np.ndarray, "time neurons"]) -> Float[np.ndarray, "neurons"]:
    """How steep tanh is where each neuron spends its time: 1 at rest, 0 in saturation.

    Args:
        states: u(t), one column a neuron.

    Raises:
        ValueError: if there is no state, or one is not finite.
    """
    states = np.asarray(states, float)
    if states.ndim != 2 or not states.size or not np.isfinite(states).all():
        raise ValueError(f"states must be finite, shape (time, neurons), got {states.shape}")
    return (1 - np.tanh(states) ** 2).mean(axis=0)


def expected_effects(
    weights: Float[np.ndarray, "neurons neurons"],
    states: Float[np.ndarray, "time neurons"],
    step: float = STEP,
) -> Float[np.ndarray, "neurons neurons"]:
    """Linear effect of u_i(t) on u_j(t+1) that the weights and the operating points imply.

    Args:
        weights: W; entry [i, j] is the weight of i -> j.
        states: u(t), one column a neuron.
        step: Euler step over the time constant.

    Returns:
        Entry [i, j]: step * W_ij * (mean slope of tanh at i), plus 1 - step on the diagonal. This
        is the best linear prediction if u_i is Gaussian, by Stein's lemma.

    Raises:
        ValueError: if shapes disagree.
    """
    slope = mean_slope(states)
    if weights.shape != (len(slope), len(slope)):
        raise ValueError(f"weights must be {len(slope)} by {len(slope)}, got {weights.shape}")
    return step * slope[:, None] * weights + (1 - step) * np.eye(len(slope))
