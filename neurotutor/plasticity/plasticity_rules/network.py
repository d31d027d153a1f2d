"""A network whose synapses change by looking up a table, and by nothing else.

The hidden neurons sit on a random directed graph. In each of T rounds the k most excited of them
fire. After an example, every synapse looks at when its two ends fired, looks that up in a rule, and
changes by the number that it finds there.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from neurotutor import training
from neurotutor.plasticity.plasticity_rules.checks import as_inputs, as_labels, as_table
from neurotutor.plasticity.plasticity_rules.config import RuleConfig


def selected(drive: Float[Tensor, "*batch neurons"], k: int) -> Bool[Tensor, "*batch neurons"]:
    """Pick the k largest entries; of equal entries at the edge, the first ones.

    Args:
        drive: what each neuron receives.
        k: how many to pick.

    Raises:
        ValueError: if k does not lie in 1..neurons.
    """
    edge = _edge(drive, k)
    above, level = drive > edge, drive == edge
    # topk alone leaves open which of several equal entries it keeps.
    room = k - above.sum(-1, keepdim=True)
    return above | (level & (level.cumsum(-1) <= room))


def cap(drive: Float[Tensor, "*batch neurons"], k: int) -> Float[Tensor, "*batch neurons"]:
    """Keep the values of the k largest entries, and silence the rest.

    Args:
        drive: what each neuron receives, not negative.
        k: how many may fire; of equal entries at the edge the first ones may.

    Returns:
        The same values with all but k of them set to zero.

    Raises:
        ValueError: if k does not lie in 1..neurons.

    Source: Cristian et al. (2020), section 2.
    """
    if k == drive.shape[-1]:
        return drive
    edge = _edge(drive, k)
    kept = drive >= edge
    # Equal entries need a closer look only where they are not silent anyway.
    if ((kept.sum(-1, keepdim=True) > k) & (edge > 0)).any():
        kept = selected(drive, k)
    return drive * kept


def _edge(drive: Tensor, k: int) -> Tensor:
    """The smallest of the k largest entries."""
    n_neurons = drive.shape[-1]
    if not 1 <= k <= n_neurons:
        raise ValueError(f"k must lie in 1..{n_neurons}, the number of neurons, got {k}")
    return drive.topk(k, dim=-1, sorted=False).values.amin(-1, keepdim=True)


def encode(fired: Bool[Tensor, "rounds *batch neurons"]) -> Int[Tensor, "*batch neurons"]:
    """Write down when each neuron fired, as a number: the first round is the leading bit.

    Args:
        fired: whether each neuron fired in each round, first round first.

    Returns:
        Firing patterns, 0 (silent throughout) to 2^rounds - 1 (fired every time).

    Source: Cristian et al. (2020), section 2.
    """
    pattern = torch.zeros(fired.shape[1:], dtype=torch.long, device=fired.device)
    for each in fired:
        pattern = 2 * pattern + each
    return pattern


def perceptron_rule(rounds: int = 1) -> Float[Tensor, "patterns 2"]:
    """Return the output rule of the perceptron, by whether a neuron fired in the last round.

    Column 0 is for the edge to the true label, column 1 for the edge to the label that was
    predicted instead. For T = 1 the rows (silent, fired) read [-1, +1; +1, -1].
    """
    fired = torch.arange(2**rounds) % 2
    toward_truth = 2.0 * fired - 1
    return torch.stack([toward_truth, -toward_truth], dim=1)


def multiplicative_weights_rule(
    step_size: float | int = 1.0, factor: float | int = 2.0
) -> Float[Tensor, "2 2"]:
    """Return the rule of multiplicative weights: on an error, multiply and divide what was active.

    Inactive inputs keep their weights. The entries are such that 1 + step_size * r is `factor` for
    the edge to the true label and 1 / `factor` for the other.

    Source: Cristian et al. (2020), Table 1.
    """
    return torch.tensor([[0.0, 0.0], [factor - 1, 1 / factor - 1]]) / step_size


class State(NamedTuple):
    """The plastic weights: everything that a rule changes."""

    graph: Float[Tensor, "hidden hidden"]
    """W; entry [i, j] is the synapse from neuron j to neuron i."""
    output: Float[Tensor, "classes hidden"]
    """U; entry [c, i] is the synapse from neuron i to the output of class c."""


class Step(NamedTuple):
    """What one example did."""

    state: State
    patterns: Int[Tensor, "hidden"]
    predicted: int
    updated: bool


class Trace(NamedTuple):
    """What a run of examples left behind: enough to replay it with other rule entries."""

    patterns: Int[Tensor, "updates hidden"]
    """Firing patterns at every update."""
    labels: Int[Tensor, "updates"]
    """True labels at every update."""
    predicted: Int[Tensor, "updates"]
    """Predicted labels at every update."""
    mistakes: Bool[Tensor, "examples"]
    """For every example, whether it was misclassified when it came."""


def readout_pass(
    weights: Float[Tensor, "classes hidden"],
    hidden: Float[Tensor, "examples hidden"],
    patterns: Int[Tensor, "examples hidden"],
    labels: Int[Tensor, "examples"],
    rule: Float[Tensor, "patterns 2"],
    config: RuleConfig,
) -> Int[Tensor, "examples"]:
    """Show fixed hidden activities one by one to a layer of outputs that learns by a rule.

    Args:
        weights: U, changed in place.
        hidden: what the hidden neurons send, for every example.
        patterns: their firing patterns.
        labels: the classes.
        rule: r_o, by pattern and column.
        config: its step size, form, update and edges.

    Returns:
        What was predicted for each example as it came.

    Source: Cristian et al. (2020), section 2, the last layer alone.
    """
    additive = config.form == "additive"
    change = config.step_size * rule.detach()
    change = change if additive else 1 + change
    use = np.add if additive else np.multiply
    # Calls on vectors this short cost NumPy a fraction of what they cost PyTorch.
    toward, away = (column[patterns].cpu().numpy() for column in change.T)
    table, sent = weights.detach().cpu().numpy(), hidden.detach().cpu().numpy()
    predicted = np.empty(len(labels), dtype=np.int64)
    for index, label in enumerate(labels.tolist()):
        # Row by row, so that equal rows have equal scores and the lowest class wins the tie.
        guess = int((table * sent[index]).sum(1).argmax())
        predicted[index] = guess
        if guess == label and config.update == "errors":
            continue
        use(table[label], toward[index], out=table[label])
        if config.edges == "all":
            others = [c for c in range(len(table)) if c != label]
            table[others] = use(table[others], away[index])
        elif guess != label:
            # A right answer has no wrongly predicted label: only the true label's edges change.
            use(table[guess], away[index], out=table[guess])
    weights.copy_(torch.from_numpy(table))
    return torch.from_numpy(predicted).to(labels.device)


class RuleNetwork(nn.Module):
    """A fixed random graph, fixed random input weights, two rules, and weights that the rules set.

    Attributes:
        config: sizes and options.
        input_mask: (hidden, inputs) which input reaches which neuron.
        input_weights: (hidden, inputs) A, zero outside the mask; never changes.
        graph: (hidden, hidden) G; [i, j] tells whether there is a synapse from j to i.
        output_rule: (2^T, 2) r_o, by firing pattern and column.
        graph_rule: (2^T, 2^T) r, by pattern before and pattern after the synapse; None: W rests.

    Source: Cristian et al. (2020), section 2.
    """

    def __init__(
        self,
        n_inputs: int,
        n_classes: int,
        config: RuleConfig | None = None,
        *,
        output_rule: Float[Tensor, "patterns 2"] | None = None,
        graph_rule: Float[Tensor, "patterns patterns"] | None = None,
        input_mask: Bool[Tensor, "hidden inputs"] | None = None,
        input_weights: Float[Tensor, "hidden inputs"] | None = None,
        graph: Bool[Tensor, "hidden hidden"] | None = None,
        seed: int,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str = "cpu",
    ):
        """Draw what is not given, and set the plastic weights to where they start.

        Args:
            n_inputs: d.
            n_classes: number of outputs.
            config: sizes and options; default: the paper's.
            output_rule: default: the rule of the perceptron.
            graph_rule: default: none, so that the recurrent weights stay where they start.
            input_mask: default: every connection with probability p.
            input_weights: default: drawn as `config.input_weights` says; masked in any case.
            graph: default: every ordered pair with probability p, no neuron with itself.
            seed: of the draws, which are made on the CPU and are the same on every device.
            dtype: of all weights.
            device: where the network lives.

        Raises:
            ValueError: if sizes or tables do not fit.
        """
        super().__init__()
        config = config or RuleConfig()
        if n_inputs < 1 or n_classes < 2:
            raise ValueError(
                f"a classifier needs 1 input and 2 classes at least, got {n_inputs} and {n_classes}"
            )
        hidden, generator = config.n_hidden, torch.Generator().manual_seed(seed)
        drawn_mask = torch.rand(hidden, n_inputs, generator=generator) < config.density
        drawn_graph = torch.rand(hidden, hidden, generator=generator) < config.density
        drawn_graph.fill_diagonal_(False)
        drawn_weights = torch.randn(hidden, n_inputs, generator=generator, dtype=torch.float64)
        if config.input_weights == "ones":
            drawn_weights = torch.ones_like(drawn_weights)
        mask = drawn_mask if input_mask is None else input_mask
        weights = drawn_weights if input_weights is None else input_weights
        graph = drawn_graph if graph is None else graph
        for name, value, shape in (
            ("input_mask", mask, (hidden, n_inputs)),
            ("input_weights", weights, (hidden, n_inputs)),
            ("graph", graph, (hidden, hidden)),
        ):
            if tuple(value.shape) != shape:
                raise ValueError(f"{name} must have shape {shape}, got {tuple(value.shape)}")
        if graph.diagonal().any():
            raise ValueError("graph must have no self-loops: clear its diagonal")
        self.config = config
        self.register_buffer("input_mask", mask.bool())
        self.register_buffer("input_weights", weights.to(dtype) * mask)
        self.register_buffer("graph", graph.bool())
        self.register_buffer("weights", torch.empty(hidden, hidden, dtype=dtype))
        self.register_buffer("output_weights", torch.empty(n_classes, hidden, dtype=dtype))
        self.set_rules(
            perceptron_rule(config.rounds) if output_rule is None else output_rule, graph_rule
        )
        self.reset()
        self.to(device)

    @property
    def n_inputs(self) -> int:
        """Width d of the input."""
        return self.input_weights.shape[1]

    @property
    def n_classes(self) -> int:
        """Number of outputs."""
        return self.output_weights.shape[0]

    @property
    def state(self) -> State:
        """The plastic weights as they are now; changing these tensors changes the network."""
        return State(self.weights, self.output_weights)

    @state.setter
    def state(self, state: State) -> None:
        for name, old, new in zip(State._fields, self.state, state, strict=True):
            if new.shape != old.shape:
                raise ValueError(
                    f"state.{name} must have shape {tuple(old.shape)}, got {tuple(new.shape)}"
                )
            old.copy_(new)

    def set_rules(self, output_rule: Tensor, graph_rule: Tensor | None = None) -> None:
        """Replace the rules; the weights stay.

        Raises:
            ValueError: if a table has the wrong size, is not finite, or, in the multiplicative
                form, would turn a weight negative.
        """
        n_patterns, like = self.config.n_patterns, self.input_weights
        tables = {"output_rule": as_table("output_rule", output_rule, (n_patterns, 2))}
        if graph_rule is not None:
            tables["graph_rule"] = as_table("graph_rule", graph_rule, (n_patterns, n_patterns))
        if self.config.form == "multiplicative":
            for name, table in tables.items():
                if float(table.detach().min()) * self.config.step_size <= -1:
                    raise ValueError(
                        f"{name} times step_size must stay above -1, so that weights stay "
                        "positive: lower step_size"
                    )
        for name in ("output_rule", "graph_rule"):
            value = tables[name].detach().clone().to(like) if name in tables else None
            self.register_buffer(name, value)

    def reset(self) -> RuleNetwork:
        """Put the plastic weights back to where they start: 0 (additive) or 1 (multiplicative)."""
        self.weights.fill_(self.config.initial_weight)
        self.weights.mul_(self.graph)
        self.output_weights.fill_(self.config.initial_weight)
        return self

    def unroll(
        self, drive: Float[Tensor, "*batch hidden"], weights: Float[Tensor, "hidden hidden"]
    ) -> tuple[Float[Tensor, "*batch hidden"], Bool[Tensor, "rounds *batch hidden"]]:
        """Let the neurons fire for T rounds, each on what the last round sent it and on the input.

        Args:
            drive: A x, what the input sends to every neuron; it is the same in every round.
            weights: W, from column to row; synapses outside the graph do not count.

        Returns:
            What the neurons send in the last round, and whether each fired in every round.

        Source: Cristian et al. (2020), section 2.
        """
        synapses = (weights * self.graph).T
        received, fired = drive.relu(), []
        for following in reversed(range(self.config.rounds)):
            h = cap(received, self.config.cap)
            if self.config.fired == "nonzero":
                fired.append(h != 0)
            else:
                fired.append(selected(received, self.config.cap))
            if following:
                received = h @ synapses + drive
                if self.config.drive == "code":
                    received = (h + drive) @ synapses
                received = received.relu()
        return h, torch.stack(fired)

    def observe(
        self, drive: Float[Tensor, "*batch hidden"], weights: Float[Tensor, "hidden hidden"]
    ) -> tuple[Float[Tensor, "*batch hidden"], Int[Tensor, "*batch hidden"]]:
        """Return what the neurons send in the last round, and their firing patterns.

        Arguments as for `unroll`.
        """
        h, fired = self.unroll(drive, weights)
        return h, encode(fired)

    def forward(
        self, x: Float[Tensor, "*batch inputs"], state: State | None = None
    ) -> Float[Tensor, "*batch classes"]:
        """Return the scores U h of the classes, before the softmax; differentiable in `x`.

        Args:
            x: inputs.
            state: plastic weights to use instead of the network's own.
        """
        state = state or self.state
        h, _ = self.unroll(x @ self.input_weights.T, state.graph)
        return h @ state.output.T

    @torch.no_grad()
    def predict(self, x: Float[Tensor, "examples inputs"]) -> Int[Tensor, "examples"]:
        """Return the class with the highest score; of equal scores, the lowest class."""
        as_inputs(x, self.n_inputs)
        # A few thousand rows at a time keep the hidden layer of a large test set small.
        return torch.cat([self(part).argmax(-1) for part in x.split(4096)])

    def score(self, x: Float[Tensor, "examples inputs"], labels: Int[Tensor, "examples"]) -> float:
        """Share of examples that are classified as labelled."""
        labels = as_labels(labels, len(x), self.n_classes)
        return float((self.predict(x) == labels).double().mean())

    def graph_change(self, patterns: Int[Tensor, "hidden"]) -> Float[Tensor, "hidden hidden"]:
        """Look up the graph rule for every synapse: [i, j] is eta r[pattern of j, pattern of i]."""
        by_pattern = self.graph_rule.T[patterns]
        return self.config.step_size * by_pattern[:, patterns]

    @torch.no_grad()
    def step(self, x: Float[Tensor, "inputs"], label: int, state: State | None = None) -> Step:
        """Show one example, and let the rules change the weights.

        Args:
            x: one input.
            label: its class.
            state: weights to start from. They are left alone, and so is the network; the new
                weights are in the result. None: start from the network's own and keep the new ones.

        Returns:
            The new weights, the firing patterns, the prediction, and whether anything changed.

        Raises:
            ValueError: if the input or the label does not fit the network.

        Source: Cristian et al. (2020), section 2.
        """
        as_inputs(x, self.n_inputs, batched=False)
        as_labels(torch.tensor([label]), 1, self.n_classes)
        new = State(*(each.clone() for each in (state or self.state)))
        h, patterns = self.observe(x @ self.input_weights.T, new.graph)
        predicted = int((new.output * h).sum(-1).argmax())
        updated = predicted != label or self.config.update == "always"
        if updated:
            self._use_rules(new, patterns, label, predicted)
        if state is None:
            self.state = new
        return Step(new, patterns, predicted, updated)

    def _use_rules(self, state: State, patterns: Tensor, label: int, predicted: int) -> None:
        """Change `state` in place by one use of the rules."""
        additive = self.config.form == "additive"
        if self.graph_rule is not None:
            change = self.graph_change(patterns)
            if additive:
                state.graph.addcmul_(change, self.graph.to(change))
            else:
                state.graph.mul_(1 + change)
        columns = self.config.step_size * self.output_rule[patterns].T
        if self.config.edges == "all":
            change = columns[1].expand(self.n_classes, -1).clone()
            change[label] = columns[0]
            rows = slice(None)
        else:
            # A right answer has no wrongly predicted label: only the true label's edges change.
            rows = [label] if predicted == label else [label, predicted]
            change = columns[: len(rows)]
        if additive:
            state.output[rows] += change
        else:
            state.output[rows] *= 1 + change

    @torch.no_grad()
    def train_pass(
        self, x: Float[Tensor, "examples inputs"], labels: Int[Tensor, "examples"]
    ) -> Trace:
        """Show examples one by one, in the order given, and let the rules change the weights.

        Returns:
            The trace of firing patterns, labels and predictions at every update.

        Raises:
            ValueError: if inputs or labels do not fit the network.
        """
        as_inputs(x, self.n_inputs)
        labels = as_labels(labels, len(x), self.n_classes)
        drive = x @ self.input_weights.T
        if self.graph_rule is None:
            # W rests, so the hidden layer is computed once for all examples.
            hidden, patterns = self.observe(drive, self.weights)
            predicted = readout_pass(
                self.output_weights, hidden, patterns, labels, self.output_rule, self.config
            )
        else:
            patterns, predicted = self._moving_pass(drive, labels)
        mistakes = predicted != labels
        used = mistakes if self.config.update == "errors" else torch.ones_like(mistakes)
        return Trace(patterns[used], labels[used], predicted[used], mistakes)

    def _moving_pass(self, drive: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Run the examples one by one through a graph that changes; patterns and predictions."""
        patterns = torch.empty(drive.shape, dtype=torch.long, device=drive.device)
        predicted = torch.empty_like(labels)
        for index, label in enumerate(labels.tolist()):
            h, patterns[index] = self.observe(drive[index], self.weights)
            guess = int((self.output_weights * h).sum(-1).argmax())
            predicted[index] = guess
            if guess != label or self.config.update == "always":
                self._use_rules(self.state, patterns[index], label, guess)
        return patterns, predicted

    def fit(
        self,
        x: Float[Tensor, "examples inputs"],
        labels: Int[Tensor, "examples"],
        *,
        epochs: int = 1,
        seed: int,
        checkpoint: Path | None = None,
    ) -> RuleNetwork:
        """Reset the weights, then show all examples, reshuffled in every epoch.

        Args:
            x: inputs.
            labels: their classes.
            epochs: passes over the examples.
            seed: of the order.
            checkpoint: file to save to after every epoch, and to go on from; `None` saves nothing.

        Raises:
            ValueError: if inputs or labels do not fit the network, `epochs` is below 1, or the
                checkpoint is of another run.
            KeyboardInterrupt: if Ctrl-C came; the checkpoint is saved.
        """
        if epochs < 1:
            raise ValueError(f"epochs must be at least 1, got {epochs}")
        self.reset()
        generator = torch.Generator().manual_seed(seed)

        def one_epoch(_: int) -> dict[str, float]:
            order = torch.randperm(len(x), generator=generator).to(x.device)
            trace = self.train_pass(x[order], labels[order])
            return {"mistakes": float(trace.mistakes.double().mean())}

        history = training.fit(
            one_epoch,
            epochs,
            state={"network": self, "order": training.RandomState(generator)},
            checkpoint=checkpoint,
            checkpoint_every=1,
            progress=False,
        )
        if history.interrupted:
            raise KeyboardInterrupt(f"stopped after {len(history.steps)} of {epochs} epochs")
        return self

    def with_rules(self, output_rule: Tensor, graph_rule: Tensor | None = None) -> RuleNetwork:
        """Return a network on the same graph and input weights with other rules, weights reset."""
        like = self.input_weights
        return RuleNetwork(
            self.n_inputs,
            self.n_classes,
            self.config,
            output_rule=output_rule,
            graph_rule=graph_rule,
            input_mask=self.input_mask,
            input_weights=like,
            graph=self.graph,
            seed=0,
            dtype=like.dtype,
            device=like.device,
        )
