"""Learning the rule itself: gradient descent on the entries of a table.

A run of examples through the network is replayed as a function of the rule. Which neurons fired and
what was predicted are taken as they were; given those, the weights are sums of rule entries, and
the loss of the network that comes out can be differentiated through the sum.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

from neurotutor.checks import as_count
from neurotutor.plasticity.plasticity_rules.checks import as_inputs, as_labels, as_table
from neurotutor.plasticity.plasticity_rules.config import RuleConfig
from neurotutor.plasticity.plasticity_rules.network import (
    RuleNetwork,
    State,
    Trace,
    perceptron_rule,
)
from neurotutor.training import RandomState, fit


class TableRule(nn.Module):
    """A rule with one free number for every case."""

    def __init__(self, table: Float[Tensor, "rows columns"]):
        """Start from the given table, which is copied."""
        super().__init__()
        self.entries = nn.Parameter(table.detach().clone())

    def forward(self) -> Float[Tensor, "rows columns"]:
        """Return the table."""
        return self.entries


class NetworkRule(nn.Module):
    """A graph rule computed by a small network from the bits of both firing patterns.

    With T rounds it has a few dozen parameters where the table has 4^T, and similar patterns get
    similar changes.

    Source: Cristian et al. (2020), robustness experiment; 20 hidden units are the paper's, tanh
    and bits coded as 0 and 1 are ours.
    """

    def __init__(self, rounds: int, n_hidden: int, *, generator: torch.Generator):
        """Draw weights of scale 1 / sqrt(fan-in), with which the entries start at order 1."""
        super().__init__()
        as_count("rounds", rounds)
        as_count("n_hidden", n_hidden)
        self.layers = nn.Sequential(
            nn.Linear(2 * rounds, n_hidden), nn.Tanh(), nn.Linear(n_hidden, 1)
        )
        with torch.no_grad():
            for parameter in self.parameters():
                spread = parameter.shape[-1] ** -0.5 if parameter.ndim == 2 else 0.0
                parameter.copy_(spread * torch.randn(parameter.shape, generator=generator))
        codes = torch.arange(2**rounds)
        bits = (codes[:, None] >> torch.arange(rounds - 1, -1, -1)) % 2
        before, after = torch.broadcast_tensors(bits[:, None], bits[None, :])
        self.register_buffer("bits", torch.cat([before, after], dim=-1).float())

    def forward(self) -> Float[Tensor, "patterns patterns"]:
        """Return the table that the network spells out, [pattern before, pattern after]."""
        return self.layers(self.bits)[..., 0]


def replay(
    network: RuleNetwork,
    trace: Trace,
    output_rule: Float[Tensor, "patterns 2"],
    graph_rule: Float[Tensor, "patterns patterns"] | None = None,
) -> State:
    """Return the weights that a run leaves behind, as a differentiable function of the rules.

    A synapse ends at its start plus eta times the sum of the entries that it met. Which entries it
    met is in the trace, and does not depend on the rules here.

    Args:
        network: gives the graph, the step size and the form.
        trace: of a run with `RuleNetwork.train_pass`.
        output_rule: r_o.
        graph_rule: r, or None if W rests.

    Returns:
        W and U; equal to the network's own after the run, if the rules are its own.

    Source: the sum over counts is ours; it equals backpropagation through the loop of updates
    with firing patterns and predictions held fixed.
    """
    config, like = network.config, network.input_weights
    multiplicative = config.form == "multiplicative"
    met = output_rule[trace.patterns]
    truth = functional.one_hot(trace.labels, network.n_classes).to(like)
    if config.edges == "all":
        blamed = 1 - truth
    else:
        wrong = (trace.predicted != trace.labels)[:, None]
        blamed = functional.one_hot(trace.predicted, network.n_classes).to(like) * wrong
    if multiplicative:
        # Products of factors 1 + eta r become sums of their logarithms.
        met = torch.log1p(config.step_size * met)
    total = truth.T @ met[..., 0] + blamed.T @ met[..., 1]
    output = total.exp() if multiplicative else config.step_size * total
    if graph_rule is None:
        rest = config.initial_weight * network.graph.to(like)
        return State(rest, output)
    table = torch.log1p(config.step_size * graph_rule) if multiplicative else graph_rule
    after = functional.one_hot(trace.patterns, config.n_patterns).to(like)
    before = table[trace.patterns]
    # [i, j] = sum over updates of table[pattern of j, pattern of i].
    total = torch.einsum("uib,ujb->ij", after, before)
    graph = total.exp() if multiplicative else config.step_size * total
    return State(graph * network.graph, output)


def outer_loss(
    network: RuleNetwork,
    trace: Trace,
    x: Float[Tensor, "examples inputs"],
    labels: Int[Tensor, "examples"],
    output_rule: Float[Tensor, "patterns 2"],
    graph_rule: Float[Tensor, "patterns patterns"] | None = None,
) -> Float[Tensor, ""]:
    """Cross-entropy of the network that a run leaves behind: what the rule's entries minimise.

    Args:
        network: the network that made the run.
        trace: of the run.
        x: inputs to score the resulting network on; in the paper those of the run itself.
        labels: their classes.
        output_rule: r_o, in which the result is differentiable.
        graph_rule: r, likewise, or None.

    Source: Cristian et al. (2020), section 3; the cross-entropy is taken of the scores, where the
    authors' code applies the softmax twice.
    """
    state = replay(network, trace, output_rule, graph_rule)
    return functional.cross_entropy(network(x, state), labels)


@dataclass(frozen=True)
class LearnedRule:
    """A rule that gradient descent found, and how it got there.

    Attributes:
        output_rule: (2^T, 2) r_o.
        graph_rule: (2^T, 2^T) r, or None for T = 1, where W plays no part.
        output_path: (steps + 1, 2^T, 2) r_o before the first and after every step.
        losses: (steps,) cross-entropy of each batch after its run, before the step on the rule.
        mistakes: (steps,) share of each batch that was misclassified as it came.
        network: the network that the rule was learned on.
    """

    output_rule: Float[Tensor, "patterns 2"]
    graph_rule: Float[Tensor, "patterns patterns"] | None
    losses: Float[Tensor, "steps"]
    mistakes: Float[Tensor, "steps"]
    output_path: Float[Tensor, "steps+1 patterns 2"]
    network: RuleNetwork


def learn_rule(
    x: Float[Tensor, "examples inputs"],
    labels: Int[Tensor, "examples"],
    config: RuleConfig | None = None,
    *,
    n_steps: int = 200,
    n_classes: int | None = None,
    start: Float[Tensor, "patterns 2"] | str = "zero",
    learn_output: bool = True,
    learn_graph: bool | None = None,
    seed: int,
    checkpoint: Path | None = None,
    progress: bool = False,
) -> LearnedRule:
    """Learn a plasticity rule by gradient descent through networks that know only the rule.

    For each batch: reset the weights, show the examples one by one, take the cross-entropy of the
    resulting network on the batch, and move the rule's entries down its gradient.

    Args:
        x: inputs.
        labels: their classes.
        config: the network to learn on and the settings of Adam; default: V = 100, k = 50, T = 1.
        n_steps: steps on the rule, each on a fresh batch.
        n_classes: default: as many as the labels name.
        start: where the output rule starts: "zero" (as in the authors' code), "random" (N(0, 1)),
            "perceptron", or a table.
        learn_output: whether the output rule moves.
        learn_graph: whether there is a graph rule and it is learned; default: for T > 1. It starts
            at N(0, 1).
        seed: of network, starts and batches.
        checkpoint: file to save to, and to go on from; `None` saves nothing.
        progress: whether to show a progress bar.

    Returns:
        The rule and the path to it.

    Raises:
        ValueError: if nothing is to be learned, inputs, labels or sizes do not fit, or the
            checkpoint is of another run.
        KeyboardInterrupt: if Ctrl-C came; the checkpoint is saved.

    Source: Cristian et al. (2020), section 3 and appendix.
    """
    config = config or RuleConfig.learning()
    as_inputs(x, x.shape[-1])
    n_classes = max(2, int(labels.max()) + 1) if n_classes is None else n_classes
    labels = as_labels(labels, len(x), n_classes)
    as_count("n_steps", n_steps)
    learn_graph = config.rounds > 1 if learn_graph is None else learn_graph
    if not learn_output and not learn_graph:
        raise ValueError("there is nothing to learn: set learn_output or learn_graph")
    if config.batch_size > len(x):
        raise ValueError(
            f"batch_size is {config.batch_size}, but there are {len(x)} examples: lower it"
        )
    generator = torch.Generator().manual_seed(seed)
    network = RuleNetwork(x.shape[-1], n_classes, config, seed=seed, dtype=x.dtype, device=x.device)
    output = TableRule(_start(start, config, generator)).to(x)
    graph = None
    if learn_graph:
        drawn = torch.randn(config.n_patterns, config.n_patterns, generator=generator)
        graph = (
            TableRule(drawn)
            if config.rule_hidden is None
            else NetworkRule(config.rounds, config.rule_hidden, generator=generator)
        ).to(x)
    learned = [rule for rule, wanted in ((output, learn_output), (graph, learn_graph)) if wanted]
    optimiser = torch.optim.Adam(
        [parameter for rule in learned for parameter in rule.parameters()],
        lr=config.learning_rate,
        weight_decay=config.weight_decay,
    )
    batches = _Batches(len(x), config.batch_size, generator)
    path = _Path([output().detach().clone()])

    def one_step(_: int) -> dict[str, float]:
        chosen = batches.draw().to(x.device)
        network.set_rules(output(), graph() if graph else None)
        trace = network.reset().train_pass(x[chosen], labels[chosen])
        loss = outer_loss(
            network, trace, x[chosen], labels[chosen], output(), graph() if graph else None
        )
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        path.tables.append(output().detach().clone())
        return {"loss": float(loss.detach()), "mistakes": float(trace.mistakes.double().mean())}

    state = {"output": output, "optimiser": optimiser, "batches": batches, "path": path}
    history = fit(
        one_step,
        n_steps,
        state=state if graph is None else {**state, "graph": graph},
        checkpoint=checkpoint,
        checkpoint_every=10,
        description="learning the rule",
        progress=progress,
    )
    if history.interrupted:
        raise KeyboardInterrupt(f"stopped after {len(history.steps)} of {n_steps} steps")
    network.set_rules(output(), graph() if graph else None)
    network.reset()
    return LearnedRule(
        output_rule=output().detach().clone(),
        graph_rule=graph().detach().clone() if graph else None,
        output_path=torch.stack(path.tables),
        losses=torch.from_numpy(history.metrics["loss"]),
        mistakes=torch.from_numpy(history.metrics["mistakes"]),
        network=network,
    )


def _start(start: Tensor | str, config: RuleConfig, generator: torch.Generator) -> Tensor:
    """Return the table that the output rule starts from."""
    shape = (config.n_patterns, 2)
    if isinstance(start, Tensor):
        return as_table("start", start, shape)
    if start == "zero":
        return torch.zeros(shape)
    if start == "random":
        return torch.randn(shape, generator=generator)
    if start == "perceptron":
        return perceptron_rule(config.rounds)
    raise ValueError(f"start must be 'zero', 'random', 'perceptron' or a table, got {start!r}")


class _Batches:
    """Index batches for ever: shuffle, cut, and shuffle again when too few are left."""

    def __init__(self, n_examples: int, size: int, generator: torch.Generator):
        self.n_examples, self.size = n_examples, size
        self.random = RandomState(generator)
        self.left = torch.empty(0, dtype=torch.long)

    def draw(self) -> Tensor:
        if len(self.left) < self.size:
            self.left = torch.randperm(self.n_examples, generator=self.random.generator)
        batch, self.left = self.left[: self.size], self.left[self.size :]
        return batch

    def state_dict(self) -> dict[str, Any]:
        return {"random": self.random.state_dict(), "left": self.left.clone()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.random.load_state_dict(state["random"])
        self.left = state["left"]


@dataclass
class _Path:
    """Tables of the output rule so far, in a form that a checkpoint keeps."""

    tables: list[Tensor]

    def state_dict(self) -> dict[str, list[Tensor]]:
        return {"tables": self.tables}

    def load_state_dict(self, state: Mapping[str, list[Tensor]]) -> None:
        self.tables = [table.to(self.tables[0]) for table in state["tables"]]
