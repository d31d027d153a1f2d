"""The sceptic's baselines: the same network, trained by gradient descent."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

from neurotutor.checks import as_count, as_positive
from neurotutor.plasticity.plasticity_rules.checks import as_inputs, as_labels
from neurotutor.plasticity.plasticity_rules.network import RuleNetwork


class GradientNetwork(nn.Module):
    """A copy of a `RuleNetwork` in which all weights are free parameters.

    Input weights, recurrent weights and output weights start where the rule network has them after
    a reset, except that the outputs start at zero in either form. Masks are kept.
    """

    def __init__(self, network: RuleNetwork):
        """Copy masks, sizes and input weights of `network`, which is left alone."""
        super().__init__()
        # A tuple hides the network from PyTorch's list of submodules: it lends its wiring only.
        self._wiring = (network,)
        self.input_weights = nn.Parameter(network.input_weights.clone())
        self.graph_weights = nn.Parameter(
            network.config.initial_weight * network.graph.to(network.input_weights)
        )
        self.output_weights = nn.Parameter(torch.zeros_like(network.output_weights))

    def forward(self, x: Float[Tensor, "*batch inputs"]) -> Float[Tensor, "*batch classes"]:
        """Return the scores of the classes, before the softmax."""
        network = self._wiring[0]
        drive = x @ (self.input_weights * network.input_mask).T
        h, _ = network.unroll(drive, self.graph_weights)
        return h @ self.output_weights.T

    def fit(
        self,
        x: Float[Tensor, "examples inputs"],
        labels: Int[Tensor, "examples"],
        *,
        epochs: int = 5,
        batch_size: int = 100,
        learning_rate: float | int = 1e-3,
        seed: int,
    ) -> GradientNetwork:
        """Minimise the cross-entropy with Adam.

        Args:
            x: inputs.
            labels: their classes.
            epochs: passes over the examples.
            batch_size: examples in a step.
            learning_rate: of Adam.
            seed: of the order.

        Raises:
            ValueError: if inputs, labels or sizes do not fit.
        """
        as_inputs(x, self.input_weights.shape[1])
        labels = as_labels(labels, len(x), self.output_weights.shape[0])
        as_count("epochs", epochs)
        as_count("batch_size", batch_size)
        optimiser = torch.optim.Adam(self.parameters(), lr=as_positive("rate", learning_rate))
        generator = torch.Generator().manual_seed(seed)
        for _ in range(epochs):
            order = torch.randperm(len(x), generator=generator).to(x.device)
            for chosen in order.split(batch_size):
                loss = functional.cross_entropy(self(x[chosen]), labels[chosen])
                optimiser.zero_grad()
                loss.backward()
                optimiser.step()
        return self

    @torch.no_grad()
    def score(self, x: Float[Tensor, "examples inputs"], labels: Int[Tensor, "examples"]) -> float:
        """Share of examples that are classified as labelled."""
        labels = as_labels(labels, len(x), self.output_weights.shape[0])
        return float((self(x).argmax(-1) == labels).double().mean())


def _hidden(network: RuleNetwork, x: Tensor) -> Tensor:
    """Hidden activity of a network whose recurrent weights are where a reset leaves them."""
    rest = network.config.initial_weight * network.graph.to(network.input_weights)
    with torch.no_grad():
        return network.observe(x @ network.input_weights.T, rest)[0]


def rule_curve(
    network: RuleNetwork,
    x: Float[Tensor, "examples inputs"],
    labels: Int[Tensor, "examples"],
    x_test: Float[Tensor, "test inputs"],
    labels_test: Int[Tensor, "test"],
    sizes: Sequence[int],
) -> list[float]:
    """Test accuracy after the first so many examples, shown once, one by one, to a rule network.

    The network is reset first.

    Raises:
        ValueError: if the sizes do not increase, or there are fewer examples.
    """
    network.reset()
    accuracy = []
    for first, last in _segments(sizes, len(x)):
        network.train_pass(x[first:last], labels[first:last])
        accuracy.append(network.score(x_test, labels_test))
    return accuracy


def adam_curve(
    network: RuleNetwork,
    x: Float[Tensor, "examples inputs"],
    labels: Int[Tensor, "examples"],
    x_test: Float[Tensor, "test inputs"],
    labels_test: Int[Tensor, "test"],
    sizes: Sequence[int],
    *,
    batch_size: int,
    learning_rate: float | int,
) -> list[float]:
    """Test accuracy after the first so many examples, for Adam on the output layer alone.

    Every example is used once, in the order given, as in `rule_curve`.

    Args:
        network: gives the hidden layer, which stays fixed.
        x: inputs.
        labels: their classes.
        x_test: inputs to score on.
        labels_test: their classes.
        sizes: increasing numbers of examples.
        batch_size: examples in a step; a remainder before the next size makes a smaller one.
        learning_rate: of Adam.

    Raises:
        ValueError: as `rule_curve` does, and for sizes and rates that are not positive.
    """
    as_count("batch_size", batch_size)
    as_positive("learning_rate", learning_rate)
    hidden, hidden_test = _hidden(network, x), _hidden(network, x_test)
    weights = nn.Parameter(torch.zeros_like(network.output_weights))
    optimiser = torch.optim.Adam([weights], lr=learning_rate)
    accuracy = []
    for first, last in _segments(sizes, len(x)):
        for start in range(first, last, batch_size):
            part = slice(start, min(start + batch_size, last))
            loss = functional.cross_entropy(hidden[part] @ weights.T, labels[part])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        answers = (hidden_test @ weights.detach().T).argmax(-1)
        accuracy.append(float((answers == labels_test).double().mean()))
    return accuracy


def _segments(sizes: Sequence[int], n_examples: int) -> list[tuple[int, int]]:
    edges = [0, *sizes]
    if len(edges) < 2 or any(b <= a for a, b in zip(edges, edges[1:], strict=False)):
        raise ValueError(f"sizes must be positive and increase, got {list(sizes)}")
    if edges[-1] > n_examples:
        raise ValueError(f"sizes go up to {edges[-1]}, but there are {n_examples} examples")
    return list(zip(edges, edges[1:], strict=False))
