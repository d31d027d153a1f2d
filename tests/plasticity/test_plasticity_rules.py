"""The network, its rules and how they are learned; equations and acceptance checks of the brief."""

import itertools
import math
import signal

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from neurotutor.data import mnist
from neurotutor.plasticity import plasticity_rules as pr
from neurotutor.plasticity.plasticity_rules import learning, network
from tests.harness import oracle, planted, relative_error

ETA = 1e-2


def small(rounds=1, n_classes=3, *, graph_rule=None, output_rule=None, seed=0, **changes):
    """A network of 20 neurons in double precision."""
    config = pr.RuleConfig(n_hidden=20, cap=8, rounds=rounds, **changes)
    return pr.RuleNetwork(
        6,
        n_classes,
        config,
        output_rule=output_rule,
        graph_rule=graph_rule,
        seed=seed,
        dtype=torch.float64,
    )


def drawn(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def examples(n=30, n_classes=3, seed=0):
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(n, 6, generator=generator, dtype=torch.float64)
    return x, torch.randint(n_classes, (n,), generator=generator)


# --- equations, transcribed ------------------------------------------------------------------


def literal_rounds(net, x, weights, rounds):
    """Round by round, neuron by neuron: activities and whether each neuron fired."""
    a, g = net.input_weights.numpy(), net.graph.numpy()
    n = len(a)
    h, fired = np.zeros(n), []
    for _ in range(rounds):
        received = np.zeros(n)
        for i in range(n):
            for j in range(n):
                received[i] += g[i, j] * float(weights[i, j]) * h[j]
            for j in range(len(x)):
                received[i] += a[i, j] * float(x[j])
            received[i] = max(received[i], 0.0)
        winners = sorted(range(n), key=lambda i: (-received[i], i))[: net.config.cap]
        h = np.array([received[i] if i in winners else 0.0 for i in range(n)])
        fired.append([int(value != 0) for value in h])
    return h, fired


@oracle("eq-plasticity-rules-rounds")
@pytest.mark.parametrize("rounds", [1, 3])
def test_equation_rounds(rounds):
    net = small(rounds)
    x, weights = drawn(6), 0.3 * drawn(20, 20, seed=1)
    fast, fired = net.unroll(x @ net.input_weights.T, weights)
    slow, slow_fired = literal_rounds(net, x, weights, rounds)
    assert relative_error(fast, slow) < 1e-12
    assert fired.int().tolist() == slow_fired


@oracle("eq-plasticity-rules-pattern")
def test_equation_pattern():
    fired = drawn(3, 5, 7) > 0
    slow = np.zeros((5, 7), dtype=int)
    for t, b, i in itertools.product(range(3), range(5), range(7)):
        slow[b, i] += 2 ** (3 - 1 - t) * int(fired[t, b, i])
    fast = pr.encode(fired)
    assert fast.tolist() == slow.tolist()
    assert set(fast.flatten().tolist()) <= set(range(8))


def literal_update(net, x, label, state):
    """Every synapse by itself, as the update equation reads."""
    config = net.config
    h, fired = literal_rounds(net, x, state.graph, config.rounds)
    n = len(h)
    pattern = [int("".join(str(each[i]) for each in fired), 2) for i in range(n)]
    scores = [sum(float(u[i]) * h[i] for i in range(n)) for u in state.output]
    guess = scores.index(max(scores))
    w, u = state.graph.numpy().copy(), state.output.numpy().copy()
    if guess != label:
        for i, j in itertools.product(range(n), range(n)):
            if net.graph[i, j] and net.graph_rule is not None:
                w[i, j] += config.step_size * float(net.graph_rule[pattern[j], pattern[i]])
        for i in range(n):
            u[label, i] += config.step_size * float(net.output_rule[pattern[i], 0])
            u[guess, i] += config.step_size * float(net.output_rule[pattern[i], 1])
    return w, u, pattern, guess


@oracle("eq-plasticity-rules-update")
@pytest.mark.parametrize("rounds", [1, 3])
def test_equation_update(rounds):
    size = 2**rounds
    net = small(rounds, graph_rule=drawn(size, size), output_rule=drawn(size, 2, seed=1))
    x, labels = examples()
    state, updates = net.state, 0
    for each, label in zip(x, labels.tolist(), strict=True):
        step = net.step(each, label, state)
        w, u, pattern, guess = literal_update(net, each, label, state)
        assert step.patterns.tolist() == pattern
        assert step.predicted == guess
        np.testing.assert_allclose(step.state.graph.numpy(), w, rtol=0, atol=1e-14)
        np.testing.assert_allclose(step.state.output.numpy(), u, rtol=0, atol=1e-14)
        updates += step.updated
        state = step.state
    assert updates > 5


def unrolled_loss(net, x, labels, output_rule, graph_rule):
    """The outer loss with the weights built update by update inside the autograd graph."""
    w = torch.zeros(20, 20, dtype=torch.float64)
    u = torch.zeros(net.n_classes, 20, dtype=torch.float64)
    for each, label in zip(x, labels.tolist(), strict=True):
        with torch.no_grad():
            h, patterns = net.observe(each @ net.input_weights.T, w)
            guess = int((u @ h).argmax())
        if guess == label:
            continue
        if graph_rule is not None:
            w = w + ETA * graph_rule[patterns[None, :], patterns[:, None]] * net.graph
        change = ETA * output_rule[patterns]
        u = u + torch.stack(
            [change[:, 0] * (c == label) + change[:, 1] * (c == guess) for c in range(len(u))]
        )
    h, _ = net.unroll(x @ net.input_weights.T, w)
    return functional.cross_entropy(h @ u.T, labels)


@oracle("eq-plasticity-rules-outer")
@pytest.mark.parametrize("rounds", [1, 3])
def test_equation_outer_and_its_gradient(rounds):
    size = 2**rounds
    output_rule = drawn(size, 2, seed=1).requires_grad_()
    graph_rule = drawn(size, size).requires_grad_() if rounds > 1 else None
    net = small(rounds, output_rule=output_rule, graph_rule=graph_rule)
    x, labels = examples()
    trace = net.reset().train_pass(x, labels)
    assert trace.mistakes.sum() > 5
    free = [output_rule] + ([graph_rule] if rounds > 1 else [])
    fast = pr.outer_loss(net, trace, x, labels, output_rule, graph_rule)
    slow = unrolled_loss(net, x, labels, output_rule, graph_rule)
    assert relative_error(fast, slow) < 1e-12
    for a, b in zip(torch.autograd.grad(fast, free), torch.autograd.grad(slow, free), strict=True):
        assert b.abs().max() > 0
        assert relative_error(a, b) < 1e-8


# --- one example, by hand --------------------------------------------------------------------


def test_one_mistake_moves_the_predicted_places_by_exactly_eta():
    mask = torch.tensor([[1, 0], [0, 1], [1, 1], [0, 0]], dtype=torch.bool)
    graph = ~torch.eye(4, dtype=torch.bool)
    net = pr.RuleNetwork(
        2,
        3,
        pr.RuleConfig(n_hidden=4, cap=2, density=1.0, input_weights="ones"),
        input_mask=mask,
        graph=graph,
        seed=0,
        dtype=torch.float64,
    )
    # Drives are 1, 0.5, 1.5 and 0: neurons 0 and 2 fire, all scores are 0, class 0 is guessed.
    step = net.step(torch.tensor([1.0, 0.5], dtype=torch.float64), 2)
    assert step.updated
    assert step.predicted == 0
    assert step.patterns.tolist() == [1, 0, 1, 0]
    expected = torch.tensor([[-1.0, 1, -1, 1], [0, 0, 0, 0], [1, -1, 1, -1]]).double() * ETA
    assert torch.equal(net.output_weights, expected)
    assert torch.equal(net.weights, torch.zeros(4, 4, dtype=torch.float64))
    again = net.step(torch.tensor([1.0, 0.5], dtype=torch.float64), 2)
    assert not again.updated
    assert torch.equal(net.output_weights, expected)


def test_step_with_a_given_state_leaves_state_and_network_alone():
    net = small(3, graph_rule=drawn(8, 8), output_rule=drawn(8, 2))
    x, _ = examples(1)
    given_state = pr.State(drawn(20, 20, seed=5), drawn(3, 20, seed=6))
    before = [each.clone() for each in (*given_state, *net.state)]
    label = (net.step(x[0], 0, given_state).predicted + 1) % 3
    result = net.step(x[0], label, given_state)
    assert result.updated
    for old, now in zip(before, (*given_state, *net.state), strict=True):
        assert torch.equal(old, now)
    assert not torch.equal(result.state.graph, given_state.graph)
    off_graph = ~net.graph
    assert torch.equal(result.state.graph[off_graph], given_state.graph[off_graph])
    net.state = given_state
    net.step(x[0], label)
    assert torch.equal(net.weights, result.state.graph)
    assert torch.equal(net.output_weights, result.state.output)


@pytest.mark.parametrize("form", ["additive", "multiplicative"])
@pytest.mark.parametrize("update", ["errors", "always"])
@pytest.mark.parametrize("edges", ["two", "all"])
@pytest.mark.parametrize("rounds", [1, 3])
def test_a_pass_is_its_steps_and_a_replay_rebuilds_it(form, update, edges, rounds):
    size = 2**rounds
    rules = {
        "output_rule": drawn(size, 2, seed=1),
        "graph_rule": drawn(size, size) if rounds > 1 else None,
    }
    net = small(rounds, form=form, update=update, edges=edges, **rules)
    x, labels = examples()
    state, guesses = net.state, []
    for each, label in zip(x, labels.tolist(), strict=True):
        step = net.step(each, label, state)
        guesses.append(step.predicted)
        state = step.state
    trace = net.train_pass(x, labels)
    assert trace.mistakes.tolist() == [g != y for g, y in zip(guesses, labels, strict=True)]
    assert len(trace.patterns) == (len(x) if update == "always" else int(trace.mistakes.sum()))
    rebuilt = pr.replay(net, trace, **rules)
    for name in pr.State._fields:
        expected = getattr(state, name)
        torch.testing.assert_close(getattr(net.state, name), expected, rtol=1e-10, atol=1e-12)
        torch.testing.assert_close(getattr(rebuilt, name), expected, rtol=1e-10, atol=1e-12)


def test_updates_on_all_edges_blame_every_other_class():
    net = small(edges="all", update="always")
    x, _ = examples(1)
    net.step(x[0], 1)
    fired = (net.unroll(x[0] @ net.input_weights.T, net.weights)[0] != 0).double() * 2 - 1
    torch.testing.assert_close(net.output_weights, ETA * torch.stack([-fired, fired, -fired]))


def test_doubling_the_rule_doubles_the_weights_when_every_example_updates():
    x, labels = examples()
    rule, graph_rule = drawn(2, 2), drawn(2, 2, seed=1)
    ends = []
    for factor in (1, 2):
        net = small(update="always", output_rule=factor * rule, graph_rule=factor * graph_rule)
        net.train_pass(x, labels)
        ends.append(net.state)
    for name in pr.State._fields:
        once, twice = getattr(ends[0], name), getattr(ends[1], name)
        assert once.abs().max() > 0
        torch.testing.assert_close(twice, 2 * once, rtol=1e-12, atol=1e-14)


def test_patterns_of_three_rounds():
    x, _ = examples(200)
    resting = small(3)
    drive = x @ resting.input_weights.T
    _, patterns = resting.observe(drive, resting.weights)
    assert set(patterns.flatten().tolist()) == {0, 7}, "the input alone repeats itself"
    _, patterns = resting.observe(drive, drawn(20, 20))
    assert set(patterns.flatten().tolist()) == set(range(8))
    as_code = small(3, drive="code")
    h, patterns = as_code.observe(drive, as_code.weights)
    assert set(patterns.flatten().tolist()) == {0, 4}, "rounds 2 and 3 are silent"
    assert h.abs().max() == 0


def test_what_counts_as_fired():
    mask = torch.ones(4, 1, dtype=torch.bool)
    weights = torch.tensor([[2.0], [-1.0], [-1.0], [-3.0]])
    patterns = []
    for fired in ("nonzero", "selected"):
        config = pr.RuleConfig(n_hidden=4, cap=3, fired=fired)
        net = pr.RuleNetwork(1, 2, config, input_mask=mask, input_weights=weights, seed=0)
        patterns.append(net.step(torch.ones(1), 1).patterns.tolist())
    assert patterns == [[1, 0, 0, 0], [1, 1, 1, 0]]


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.sampled_from([0.0, 0.5, 1.0, 2.0]), min_size=1, max_size=12),
    st.integers(1, 12),
)
def test_cap_keeps_the_largest_values_and_among_equals_the_first(values, k):
    k = min(k, len(values))
    drive = torch.tensor(values)
    order = sorted(range(len(values)), key=lambda i: (-values[i], i))[:k]
    expected = [value if i in order else 0.0 for i, value in enumerate(values)]
    assert pr.cap(drive, k).tolist() == expected
    assert int(pr.selected(drive, k).sum()) == k


def test_cap_of_all_neurons_changes_nothing_and_density_one_fills_the_masks():
    drive = drawn(5, 20).relu()
    assert torch.equal(pr.cap(drive, 20), drive)
    full = pr.RuleNetwork(4, 2, pr.RuleConfig(n_hidden=9, cap=9, density=1.0), seed=0)
    assert full.input_mask.all()
    assert torch.equal(full.graph, ~torch.eye(9, dtype=torch.bool))


def test_masks_have_the_asked_density_and_no_loops():
    net = pr.RuleNetwork(200, 2, pr.RuleConfig(n_hidden=200, cap=100, density=0.3), seed=1)
    for mask in (net.input_mask, net.graph):
        assert abs(float(mask.double().mean()) - 0.3) < 0.01
    assert not net.graph.diagonal().any()
    assert (net.input_weights[~net.input_mask] == 0).all()


def test_same_seed_same_network_same_training():
    x, labels = examples(100)
    runs = [small(seed=3).fit(x, labels, epochs=2, seed=4).output_weights for _ in range(2)]
    assert torch.equal(*runs)
    other = small(seed=3).fit(x, labels, epochs=2, seed=5).output_weights
    assert not torch.equal(runs[0], other)


def test_ties_go_to_the_lowest_class():
    net = small()
    x, _ = examples(4)
    assert net.predict(x).tolist() == [0, 0, 0, 0]


# --- learning the rule -----------------------------------------------------------------------


@pytest.fixture(scope="module")
def halfspace():
    return pr.halfspace(n_train=3000, n_test=2000, seed=0)


def test_learning_from_zero_ends_at_the_perceptrons_signs(halfspace):
    learned = pr.learn_rule(halfspace.x, halfspace.labels, n_steps=150, seed=0)
    signs = torch.tensor([[-1.0, 1.0], [1.0, -1.0]])
    assert torch.equal(learned.output_rule.sign(), signs)
    assert learned.output_rule.sum(1).abs().max() <= 1e-3
    assert learned.graph_rule is None
    assert learned.output_path.shape == (151, 2, 2)
    assert learned.losses[-20:].mean() < learned.losses[:20].mean() - 0.1
    net = pr.RuleNetwork(
        10, 2, pr.RuleConfig.learning(), output_rule=learned.output_rule, seed=100
    ).fit(halfspace.x, halfspace.labels, seed=0)
    assert net.score(halfspace.x_test, halfspace.labels_test) > 0.85


def test_learning_from_a_wrong_start_turns_the_signs_round(halfspace):
    wrong = torch.tensor([[1.0, -1.0], [-1.0, 1.0]])
    config = pr.RuleConfig.learning(learning_rate=0.1)
    learned = pr.learn_rule(halfspace.x, halfspace.labels, config, n_steps=150, start=wrong, seed=1)
    assert torch.equal(learned.output_rule.sign(), -wrong)


def test_learning_three_rounds_moves_both_rules_and_repeats(halfspace):
    config = pr.RuleConfig.learning(rounds=3, batch_size=50)
    runs = [
        pr.learn_rule(halfspace.x, halfspace.labels, config, n_steps=4, seed=2) for _ in range(2)
    ]
    assert runs[0].output_rule.shape == (8, 2)
    assert runs[0].graph_rule.shape == (8, 8)
    assert torch.equal(runs[0].graph_rule, runs[1].graph_rule)
    assert runs[0].output_rule.abs().max() > 0


def test_a_stopped_search_for_a_rule_goes_on_to_the_same_rule(halfspace, tmp_path, monkeypatch):
    config = pr.RuleConfig.learning(rounds=2, batch_size=90, rule_hidden=4)
    x, labels = halfspace.x[:200], halfspace.labels[:200]

    def learn(checkpoint=None):
        return pr.learn_rule(x, labels, config, n_steps=7, seed=2, checkpoint=checkpoint)

    whole, loss, count = learn(), learning.outer_loss, [0]

    def stops(*args):
        count[0] += 1
        if count[0] == 4:
            signal.raise_signal(signal.SIGINT)
        return loss(*args)

    monkeypatch.setattr(learning, "outer_loss", stops)
    with pytest.raises(KeyboardInterrupt, match="after 4 of 7 steps"):
        learn(tmp_path / "rule.pt")
    monkeypatch.undo()
    resumed = learn(tmp_path / "rule.pt")
    for name in ("output_path", "graph_rule", "losses", "mistakes"):
        assert torch.equal(getattr(resumed, name), getattr(whole, name))


def test_a_stopped_network_goes_on_to_the_same_weights(halfspace, tmp_path, monkeypatch):
    rules = {"output_rule": pr.perceptron_rule(2), "graph_rule": torch.ones(4, 4)}
    config = pr.RuleConfig.learning(rounds=2)
    x, labels = halfspace.x[:60], halfspace.labels[:60]

    def fitted(checkpoint=None):
        network = pr.RuleNetwork(x.shape[1], 2, config, seed=0, **rules)
        return network.fit(x, labels, epochs=3, seed=1, checkpoint=checkpoint)

    whole, show = fitted(), pr.RuleNetwork.train_pass

    def stops(self, *args):
        signal.raise_signal(signal.SIGINT)
        return show(self, *args)

    monkeypatch.setattr(pr.RuleNetwork, "train_pass", stops)
    with pytest.raises(KeyboardInterrupt, match="after 1 of 3 epochs"):
        fitted(tmp_path / "network.pt")
    monkeypatch.undo()
    resumed = fitted(tmp_path / "network.pt")
    assert torch.equal(resumed.weights, whole.weights)
    assert torch.equal(resumed.output_weights, whole.output_weights)


def test_a_rule_network_spells_out_a_table(halfspace):
    generator = torch.Generator().manual_seed(0)
    rule = pr.NetworkRule(2, 20, generator=generator)
    table = rule()
    assert table.shape == (4, 4)
    # Entry [pattern before 2 = 10, pattern after 1 = 01].
    single = rule.layers(torch.tensor([1.0, 0.0, 0.0, 1.0]))
    torch.testing.assert_close(table[2, 1], single[0])
    config = pr.RuleConfig.learning(rounds=2, rule_hidden=20, batch_size=50)
    learned = pr.learn_rule(halfspace.x, halfspace.labels, config, n_steps=3, seed=0)
    assert learned.graph_rule.shape == (4, 4)


def test_the_output_rule_can_be_held(halfspace):
    config = pr.RuleConfig.learning(rounds=2, batch_size=50)
    learned = pr.learn_rule(
        halfspace.x,
        halfspace.labels,
        config,
        n_steps=3,
        start="perceptron",
        learn_output=False,
        seed=0,
    )
    assert torch.equal(learned.output_rule, pr.perceptron_rule(2))


def test_transposing_the_graph_rule_is_noticed():
    """It would still learn, so only a comparison with the equation finds it."""
    with planted(
        network,
        "by_pattern = self.graph_rule.T[patterns]",
        "by_pattern = self.graph_rule[patterns]",
    ) as wrong:
        config = pr.RuleConfig(n_hidden=20, cap=8, rounds=3)
        rules = {"graph_rule": drawn(8, 8), "output_rule": drawn(8, 2, seed=1)}
        net = wrong.RuleNetwork(6, 3, config, **rules, seed=0, dtype=torch.float64)
        x, labels = examples()
        net.state = pr.State(0.1 * drawn(20, 20, seed=3), drawn(3, 20, seed=4))
        state = pr.State(*(each.clone() for each in net.state))
        label = (net.step(x[0], 0, state).predicted + 1) % 3
        w, *_ = literal_update(net, x[0], label, state)
        found = net.step(x[0], label, state).state.graph.numpy()
        assert np.abs(found - w).max() > 1e-3


def test_a_wrong_sign_in_the_replay_fails_the_first_claim(halfspace):
    """Blaming the true label turns the gradient round: the rule no longer becomes a perceptron."""
    with planted(
        learning,
        "total = truth.T @ met[..., 0] + blamed.T @ met[..., 1]",
        "total = blamed.T @ met[..., 0] + truth.T @ met[..., 1]",
    ) as wrong:
        learned = wrong.learn_rule(halfspace.x, halfspace.labels, n_steps=60, seed=0)
    assert not torch.equal(learned.output_rule.sign(), pr.perceptron_rule().sign())


# --- tasks -----------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [pr.halfspace, pr.relu_network, pr.random_recurrent])
def test_simulated_tasks(make):
    task = make(n_train=400, n_test=300, seed=3)
    again, other = make(n_train=400, n_test=300, seed=3), make(n_train=400, n_test=300, seed=4)
    assert task.x.shape == (400, 10)
    assert task.labels_test.shape == (300,)
    assert torch.equal(task.x, again.x)
    assert torch.equal(task.labels, again.labels)
    assert not torch.equal(task.labels, other.labels)
    share = float(torch.cat([task.labels, task.labels_test]).double().mean())
    assert abs(share - 0.5) < 0.1
    assert task.simulated


def test_halfspace_is_one():
    from sklearn.linear_model import LogisticRegression

    task = pr.halfspace(n_train=2000, n_test=2000, seed=0)
    model = LogisticRegression(C=1e4).fit(task.x, task.labels)
    assert model.score(task.x_test, task.labels_test) > 0.99


def test_images_become_a_task():
    images = mnist.digits(seed=0)
    task = pr.from_images(images, n_train=200, n_test=100, seed=1)
    assert task.x.shape == (200, 64)
    assert 0 <= float(task.x.min()) < float(task.x.max()) <= 1
    assert task.n_classes == 10
    row = next(
        i
        for i, each in enumerate(images.train.reshape(len(images.train), -1))
        if np.array_equal(each / 16, task.x[0].numpy())
    )
    assert images.train_labels[row] == int(task.labels[0])
    assert len(task.first(50).x) == 50
    with pytest.raises(ValueError, match="there are"):
        pr.from_images(images, n_train=10**6, seed=0)
    with pytest.raises(ValueError, match="n_examples"):
        task.first(0)


def test_the_rule_learns_the_bundled_digits():
    task = pr.from_images(mnist.digits(seed=0), seed=1)
    net = pr.RuleNetwork(64, 10, pr.RuleConfig.tutorial(), seed=0)
    net.fit(task.x, task.labels, epochs=2, seed=0)
    assert net.score(task.x_test, task.labels_test) > 0.8


# --- the door --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"step_size": -0.1}, "step_size must be a finite number > 0"),
        ({"step_size": math.nan}, "step_size"),
        ({"cap": 11}, "cap must be at most n_hidden"),
        ({"cap": 0}, "cap must be at least 1"),
        ({"rounds": 0}, "rounds must be at least 1"),
        ({"rounds": 9}, "at most 8"),
        ({"density": 0.0}, "density"),
        ({"form": "subtractive"}, "form must be one of"),
        ({"fired": "yes"}, "fired must be one of"),
        ({"weight_decay": 1.0}, "weight_decay"),
    ],
)
def test_configurations_that_cannot_run(changes, message):
    with pytest.raises(ValueError, match=message):
        pr.RuleConfig(**{"n_hidden": 10, "cap": 5, **changes})


def test_a_size_that_is_no_whole_number(unchecked):
    with pytest.raises(TypeError, match="n_hidden must be a whole number"):
        pr.RuleConfig(n_hidden=10.0, cap=5)


def test_bad_input_to_the_network(unchecked):
    net = small()
    x, labels = examples()
    cases = [
        (lambda: net.train_pass(x, labels + 3), ValueError, r"labels must lie in 0\.\.2"),
        (lambda: net.train_pass(x, labels - 3), ValueError, "labels must lie in"),
        (lambda: net.train_pass(x, labels[:-1]), ValueError, "one for each example"),
        (lambda: net.train_pass(x, labels.double()), TypeError, "whole numbers"),
        (lambda: net.train_pass(x[:, :5], labels), ValueError, "shape"),
        (lambda: net.train_pass(x[:0], labels[:0]), ValueError, "hold something"),
        (lambda: net.step(x[0], 7), ValueError, "labels must lie in"),
        (lambda: net.step(x[:1], 0), ValueError, r"shape \(6,\)"),
        (lambda: net.predict(x * math.nan), ValueError, "finite"),
        (lambda: net.predict(labels), TypeError, "floating-point"),
        (lambda: net.fit(x, labels, epochs=0, seed=0), ValueError, "epochs"),
        (lambda: net.set_rules(torch.zeros(4, 2)), ValueError, r"shape \(2, 2\)"),
        (lambda: net.set_rules(torch.full((2, 2), math.inf)), ValueError, "finite"),
        (lambda: setattr(net, "state", pr.State(torch.zeros(2, 2), x)), ValueError, "state.graph"),
        (lambda: pr.cap(x, 0), ValueError, "k must lie in"),
        (lambda: pr.cap(x, 7), ValueError, "k must lie in"),
        (lambda: small(n_classes=1), ValueError, "2 classes"),
        (lambda: small(form="multiplicative", step_size=1.0), ValueError, "above -1"),
        (
            lambda: pr.RuleNetwork(
                2, 2, pr.RuleConfig(n_hidden=3, cap=1), graph=torch.ones(3, 3).bool(), seed=0
            ),
            ValueError,
            "self-loops",
        ),
        (
            lambda: pr.RuleNetwork(
                2, 2, pr.RuleConfig(n_hidden=3, cap=1), input_mask=torch.ones(2, 3).bool(), seed=0
            ),
            ValueError,
            "input_mask must have shape",
        ),
    ]
    for call, error, message in cases:
        with pytest.raises(error, match=message):
            call()


def test_bad_input_to_learning(unchecked):
    x, labels = examples()
    config = pr.RuleConfig.learning(batch_size=10)
    for changes, message in [
        ({"n_steps": 0}, "n_steps"),
        ({"start": "nowhere"}, "start must be"),
        ({"start": torch.zeros(3, 3)}, "start must be a table"),
        ({"learn_output": False}, "nothing to learn"),
        ({"config": pr.RuleConfig.learning(batch_size=31)}, "batch_size is 31"),
        ({"n_classes": 2}, "labels must lie in"),
    ]:
        with pytest.raises(ValueError, match=message):
            pr.learn_rule(x, labels, **{"config": config, "seed": 0, "n_steps": 1, **changes})
    for make in (pr.halfspace, pr.relu_network, pr.random_recurrent):
        with pytest.raises(ValueError, match="n_train"):
            make(n_train=0, seed=0)
