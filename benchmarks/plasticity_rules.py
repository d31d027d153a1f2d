"""Plasticity rules against literal loops: `python -m benchmarks.plasticity_rules`.

The published code cannot be installed from a registry, so the workloads on which it was timed (CPU,
one thread) are run here in two ways. "Literal" does what that code does: every example goes through
the whole network by itself, and the gradient of the rule is back-propagated through the loop of
updates. "Ours" computes a hidden layer that rests once, and replays the run from its firing
patterns. No time is printed before both agree. The published code's seconds are printed beside
them, for the size of the numbers alone: they come from another machine.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

import torch
from torch.nn import functional

from benchmarks import common
from neurotutor.plasticity import plasticity_rules as pr
from neurotutor.plasticity.plasticity_rules.network import readout_pass

AGREEMENT = 1e-4
PARTS = {  # where the time may go; none of them calls another
    "the neurons' rounds of firing": pr.RuleNetwork.observe,
    "the rules' changes of a moving graph": pr.RuleNetwork._use_rules,
    "the updates of the output layer": readout_pass,
    "the loss of what comes out": pr.outer_loss,
    "its gradient": torch.autograd.grad,
}
WORKLOADS = {
    # what is done, seconds of the published code, required speed-up over the literal loop
    "learn, T = 1": ("Learning a rule, one round", 1.7, 3.0),
    "learn, T = 3": ("Learning a rule, three rounds", 1.3, 1.2),
    "use, T = 1": ("Training with a rule, 1000 pictures", 19.0, 20.0),
}


def literal_gradient(network, x, labels, output_rule, graph_rule):
    """Loss and gradient of one batch, back-propagated through every update."""
    config = network.config
    w = torch.zeros_like(network.weights)
    u = torch.zeros_like(network.output_weights)
    for each, label in zip(x, labels.tolist(), strict=True):
        with torch.no_grad():
            h, patterns = network.observe(each @ network.input_weights.T, w)
            guess = int((u * h).sum(1).argmax())
        if guess == label:
            continue
        if graph_rule is not None:
            change = graph_rule[patterns[None, :], patterns[:, None]]
            w = w + config.step_size * change * network.graph
        change = config.step_size * output_rule[patterns]
        rows = [torch.zeros_like(change[:, 0]) for _ in range(network.n_classes)]
        rows[label], rows[guess] = change[:, 0], change[:, 1]
        u = u + torch.stack(rows)
    h, _ = network.unroll(x @ network.input_weights.T, w)
    loss = functional.cross_entropy(h @ u.T, labels)
    free = [rule for rule in (output_rule, graph_rule) if rule is not None]
    return loss.detach(), torch.autograd.grad(loss, free)


def our_gradient(network, x, labels, output_rule, graph_rule):
    """The same from the trace of a run."""
    network.set_rules(output_rule, graph_rule)
    trace = network.reset().train_pass(x, labels)
    loss = pr.outer_loss(network, trace, x, labels, output_rule, graph_rule)
    free = [rule for rule in (output_rule, graph_rule) if rule is not None]
    return loss.detach(), torch.autograd.grad(loss, free)


def learning(rounds: int, n_batches: int) -> tuple[Callable, Callable]:
    """Two passes over 1,000 half-space points in batches of 100, V = 100, as two functions."""
    task = pr.halfspace(n_train=1000, n_test=1, seed=0)
    network = pr.RuleNetwork(10, 2, pr.RuleConfig.learning(rounds=rounds), seed=0)
    generator = torch.Generator().manual_seed(0)
    size = 2**rounds
    output_rule = pr.perceptron_rule(rounds).requires_grad_()
    graph_rule = None
    if rounds > 1:
        graph_rule = (0.1 * torch.randn(size, size, generator=generator)).requires_grad_()

    def run(gradient):
        found = []
        for batch in range(n_batches):
            part = slice(100 * (batch % 10), 100 * (batch % 10) + 100)
            found.append(
                gradient(network, task.x[part], task.labels[part], output_rule, graph_rule)[1]
            )
        return torch.cat([each.flatten() for gradients in found for each in gradients])

    return lambda: run(literal_gradient), lambda: run(our_gradient)


def using(n_images: int) -> tuple[Callable, Callable]:
    """Training V = 1000, k = 500 on pictures of 784 random pixels in ten classes."""
    generator = torch.Generator().manual_seed(0)
    centres = torch.rand(10, 784, generator=generator)
    labels = torch.randint(10, (n_images,), generator=generator)
    x = (centres[labels] + 0.3 * torch.randn(n_images, 784, generator=generator)).clamp(0, 1)
    network = pr.RuleNetwork(784, 10, pr.RuleConfig(), seed=0)

    def literal():
        network.reset()
        for each, label in zip(x, labels.tolist(), strict=True):
            network.step(each, label)
        return network.output_weights.clone()

    def ours():
        network.reset()
        network.train_pass(x, labels)
        return network.output_weights.clone()

    return literal, ours


def main(arguments: list[str] | None = None) -> int:
    options = common.options(__doc__, "plasticity_rules", arguments, repeats=3)
    torch.set_num_threads(1)
    runs = {
        "learn, T = 1": learning(1, 20),
        "learn, T = 3": learning(3, 20),
        "use, T = 1": using(1000),
    }
    rows, targets = [], []
    for name, (literal, ours) in runs.items():
        slow, fast = literal(), ours()
        agreed = common.agreement(
            "largest difference, relative to the largest entry",
            float((slow - fast).abs().max() / slow.abs().max()),
            AGREEMENT,
        )
        work, published, wanted = WORKLOADS[name]
        times = common.interleave({"literal": literal, "ours": ours}, options.repeats)
        row = common.row(
            work,
            times["ours"],
            times["literal"],
            peer_name="literal loop, one example at a time",
            agreement=agreed,
        )
        rows.append(row)

        def profile(run=ours) -> dict[str, float]:
            return common.stages(run, PARTS)

        targets += [
            common.target(
                f"times as fast as the literal loop ({work})",
                1 / row["ratio"],
                wanted,
                sense="at least",
                source="benchmarks/plasticity_rules.py",
                profile=profile,
            ),
            common.target(
                f"seconds ({work}); the published code, on another machine",
                row["ours"]["median_s"],
                published,
                sense="at most",
                profile=profile,
                why="with more than one round the graph moves with every example, and none can be "
                "computed before the last",
            ),
        ]
    targets.append(
        common.target(
            f"times as fast as the published code on another machine ({work})",
            published / row["ours"]["median_s"],
            100,
            sense="at least",
            profile=profile,
        )
    )
    record = common.record(
        "plasticity_rules",
        rows,
        targets,
        repeats=options.repeats,
        seeds=[0],
        packages=["torch"],
    )
    return common.finish(record, options.out)


if __name__ == "__main__":
    sys.exit(main())
