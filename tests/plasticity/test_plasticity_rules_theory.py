"""The last layer's theory, attacks, baselines and evolution."""

import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from neurotutor.data import mnist
from neurotutor.plasticity import plasticity_rules as pr
from neurotutor.plasticity.plasticity_rules import evolution, last_layer, robustness
from tests.harness import oracle, planted, recording, relative_error


def signs(n_inputs=12, n_examples=150, seed=0, low=-1.0):
    generator = torch.Generator().manual_seed(seed)
    x = torch.randint(2, (n_examples, n_inputs), generator=generator).double()
    wanted = torch.randn(n_inputs, generator=generator).double()
    return x * (1 - low) + low, (x @ wanted > wanted.sum() / 2).long()


# --- theorems --------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(5))
def test_the_perceptron_rule_is_the_perceptron_step_for_step(seed):
    """The difference of the two outputs takes the classical steps, of length 2 eta."""
    eta = 0.25
    x, labels = signs(seed=seed)
    config = pr.RuleConfig(step_size=eta)
    weights = torch.zeros(2, x.shape[1], dtype=torch.float64)
    classical = pr.perceptron(x, labels, step=2 * eta)
    moves = 0
    for i in range(len(x)):
        before = weights.clone()
        one = slice(i, i + 1)
        pr.readout_pass(
            weights, x[one], (x[one] > 0).long(), labels[one], pr.perceptron_rule().double(), config
        )
        moves += not torch.equal(before, weights)
        assert torch.equal(weights[1] - weights[0], classical[i])
    assert moves > 10


def test_the_perceptron_converges_on_separable_data():
    drawn = pr.separable_signs(20, 100, 0.5, seed=0)
    w, previous = None, None
    x, labels = drawn.x.repeat(60, 1), drawn.labels.repeat(60)
    path = pr.perceptron(x, labels, step=1.0)
    w, previous = path[-1], path[-len(drawn.x) - 1]
    assert torch.equal(w, previous), "the last pass changed nothing"
    assert ((drawn.x @ w > 0).long() == drawn.labels).all()


@pytest.mark.parametrize("seed", range(3))
def test_the_multiplicative_rule_is_winnow_step_for_step(seed):
    x, labels = signs(seed=seed, low=0.0)
    config = pr.RuleConfig(form="multiplicative", step_size=1.0)
    weights = torch.ones(2, x.shape[1], dtype=torch.float64)
    classical = pr.winnow(x, labels, factor=2.0)
    rule = pr.multiplicative_weights_rule().double()
    for i in range(len(x)):
        one = slice(i, i + 1)
        pr.readout_pass(weights, x[one], (x[one] > 0).long(), labels[one], rule, config)
        assert torch.equal(weights, classical[i])
    assert (weights != 1).any()


def test_convexity_of_the_outer_loss_in_the_output_rule():
    """Theorem 2, for a fixed sequence: no negative curvature at random rules."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(60, 6, generator=generator, dtype=torch.float64)
    labels = torch.randint(3, (60,), generator=generator)
    config = pr.RuleConfig(n_hidden=20, cap=8, update="always", edges="all")
    net = pr.RuleNetwork(6, 3, config, seed=0, dtype=torch.float64)
    trace = net.train_pass(x, labels)

    def loss(entries):
        return pr.outer_loss(net, trace, x, labels, entries.reshape(2, 2))

    largest = 0.0
    for _ in range(10):
        at = 3 * torch.randn(4, generator=generator, dtype=torch.float64)
        curvature = torch.linalg.eigvalsh(torch.autograd.functional.hessian(loss, at))
        assert curvature.min() > -1e-10
        largest = max(largest, float(curvature.max()))
    assert largest > 1e-3


@oracle("eq-plasticity-rules-bound")
def test_equation_bound():
    for a, b, n, gamma in [(1.0, 1.0, 40, 0.4), (0.5, 2.0, 7, 1.3), (0.9, 1.1, 100, 0.2)]:
        slow = 2 * b * b * n / (a * a * gamma * gamma)
        assert relative_error(pr.mistake_bound(a, b, n, gamma), slow) < 1e-14


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize(("a", "b"), [(1.0, 1.0), (0.5, 1.0)])
def test_mistakes_stay_below_the_bound(seed, a, b):
    drawn = pr.separable_signs(40, 200, 0.8, seed=seed)
    assert float(drawn.normal.sum().abs()) < 1e-12
    assert abs(float(drawn.normal.norm()) - 1) < 1e-12
    assert drawn.margin >= 0.8
    assert ((drawn.x @ drawn.normal > 0).long() == drawn.labels).all()
    assert set(drawn.x.unique().tolist()) == {-1.0, 1.0}
    run = pr.count_mistakes(drawn.x, drawn.labels, torch.tensor([[-a, a], [b, -b]]))
    assert run.converged
    assert 0 < run.mistakes <= pr.mistake_bound(a, b, 40, drawn.margin)
    assert ((drawn.x @ run.weights.T).argmax(1) == drawn.labels).all()


def test_a_rule_with_a_flipped_sign_never_converges():
    drawn = pr.separable_signs(20, 100, 0.5, seed=0)
    run = pr.count_mistakes(
        drawn.x, drawn.labels, torch.tensor([[1.0, -1.0], [-1.0, 1.0]]), max_passes=30
    )
    assert not run.converged
    assert run.passes == 30


# --- closed form -----------------------------------------------------------------------------


def hidden_layer(seed=0, n=80, v=15):
    generator = torch.Generator().manual_seed(seed)
    values = torch.randn(n, v, generator=generator, dtype=torch.float64).relu()
    return values, torch.randint(3, (n,), generator=generator)


@oracle("eq-plasticity-rules-closed-form")
def test_equation_closed_form():
    """Scores summed synapse by synapse, and the stacked least-squares problem."""
    hidden, labels = hidden_layer()
    y, classes = hidden.numpy(), labels.numpy()
    eta, (n, v), n_classes = 0.01, hidden.shape, 3
    slow = np.zeros((n, n_classes, 4))
    for c, a, b in itertools.product(range(n_classes), (0, 1), (0, 1)):
        total = np.zeros(v)
        for i in range(n):
            concerned = (classes[i] == c) if b == 0 else (classes[i] != c)
            for k in range(v):
                total[k] += concerned * ((y[i, k] != 0) == (a == 1))
        for i in range(n):
            slow[i, c, 2 * a + b] = eta * sum(total[k] * y[i, k] for k in range(v))
    fast = pr.rule_features(hidden, labels, n_classes, eta)
    assert relative_error(fast, slow) < 1e-12
    wanted = np.eye(n_classes)[classes].ravel()
    by_numpy, *_ = np.linalg.lstsq(slow.reshape(-1, 4), wanted, rcond=None)
    best = pr.closed_form_rule(fast, labels)
    assert np.abs(best.rule.numpy().ravel() - by_numpy).max() < 1e-8
    residual = slow.reshape(-1, 4) @ by_numpy - wanted
    assert abs(best.error - np.mean(residual**2)) < 1e-12
    assert best.error < pr.best_scale(fast, labels, pr.perceptron_rule()).error


def test_features_are_what_a_network_accumulates():
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(40, 6, generator=generator, dtype=torch.float64)
    labels = torch.randint(3, (40,), generator=generator)
    rule = torch.randn(2, 2, generator=generator, dtype=torch.float64)
    config = pr.RuleConfig(n_hidden=20, cap=8, update="always", edges="all")
    net = pr.RuleNetwork(6, 3, config, output_rule=rule, seed=0, dtype=torch.float64)
    net.train_pass(x, labels)
    hidden, _ = net.observe(x @ net.input_weights.T, net.weights)
    features = pr.rule_features(hidden, labels, 3, config.step_size)
    torch.testing.assert_close(features @ rule.flatten(), net(x))


def test_best_scale_is_best():
    hidden, labels = hidden_layer()
    features = pr.rule_features(hidden, labels, 3)
    best = pr.best_scale(features, labels, pr.perceptron_rule())
    for factor in (0.9, 1.1):
        assert pr.squared_error(features, labels, factor * best.rule) > best.error


def test_swapped_columns_in_the_features_are_noticed():
    hidden, labels = hidden_layer()
    right = pr.rule_features(hidden, labels, 3)
    with planted(
        last_layer, "for membership in (truth, 1 - truth)", "for membership in (1 - truth, truth)"
    ) as wrong:
        assert relative_error(wrong.rule_features(hidden, labels, 3), right) > 0.1


# --- attacks ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def trained():
    task = pr.from_images(mnist.digits(seed=0), seed=1)
    net = pr.RuleNetwork(64, 10, pr.RuleConfig.tutorial(), seed=0)
    net.fit(task.x, task.labels, epochs=2, seed=0)
    return net, task.x_test[:40], task.labels_test[:40]


@oracle("eq-plasticity-rules-attack")
def test_equation_attack():
    generator = torch.Generator().manual_seed(0)
    origin = torch.rand(6, 9, generator=generator, dtype=torch.float64)
    x = (origin + 0.1 * torch.randn(6, 9, generator=generator, dtype=torch.float64)).clamp(0, 1)
    gradient = torch.randn(6, 9, generator=generator, dtype=torch.float64)
    slow = np.zeros((6, 9))
    for i in range(6):
        g = gradient[i].numpy()
        moved = x[i].numpy() - 0.2 * g / math.sqrt(sum(g**2))
        away = moved - origin[i].numpy()
        length = math.sqrt(sum(away**2))
        if length > 0.3:
            away = away * 0.3 / length
        slow[i] = [min(1.0, max(0.0, value)) for value in origin[i].numpy() + away]
    assert relative_error(pr.attack_step(x, origin, gradient, 0.2, 0.3), slow) < 1e-12


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.floats(0.01, 3.0), st.floats(0.01, 5.0))
def test_an_attack_step_never_leaves_ball_or_box(seed, length, radius):
    generator = torch.Generator().manual_seed(seed)
    origin = torch.rand(5, 20, generator=generator)
    gradient = torch.randn(5, 20, generator=generator)
    gradient[0] = 0
    x = pr.attack_step(origin, origin, gradient, length, radius)
    assert ((x - origin).norm(dim=1) <= radius * (1 + 1e-5)).all()
    assert ((x >= 0) & (x <= 1)).all()
    assert torch.equal(x[0], origin[0])


def test_attacks_stay_inside_and_radius_zero_is_the_clean_accuracy(trained):
    net, x, labels = trained
    clean = net.score(x, labels)
    attempts = pr.attack(net, x, labels, 0.7, n_steps=10)
    assert attempts.shape == (40, 9, 64)
    distance = (attempts - x[:, None]).norm(dim=-1)
    assert (distance <= 0.7 * (1 + 1e-5)).all()
    assert distance.max() > 0.6
    assert ((attempts >= 0) & (attempts <= 1)).all()
    still = pr.attack(net, x, labels, 0.0)
    assert torch.equal(still, x[:, None].expand_as(still))
    assert float(pr.withstands(net, still, labels).double().mean()) == pytest.approx(clean)
    curve = pr.robust_curve(net, x, labels, (0, 0.3, 0.7, 2.0), n_steps=10)
    assert float(curve.accuracy[0]) == pytest.approx(clean)
    assert (curve.accuracy.diff() <= 0).all()
    assert float(curve.accuracy[-1]) < 0.2 < clean
    # Every image that broke is shown with the input that broke it, within its radius.
    broken = curve.broken_at.isfinite()
    assert (net.predict(curve.examples[broken]) != labels[broken]).all()
    reach = (curve.examples - x).norm(dim=-1)
    assert (reach[broken] <= curve.broken_at[broken] * (1 + 1e-5)).all()
    assert torch.equal(curve.examples[~broken], x[~broken])


def test_each_attempt_aims_at_another_wrong_class():
    labels = torch.tensor([0, 2])
    assert robustness._wrong_classes(labels, 4).tolist() == [[1, 2, 3], [3, 0, 1]]


def test_the_attack_finds_the_nearest_boundary_of_a_linear_classifier():
    """Two classes, scores w x and 0: the distance to the boundary is |w x| / |w|."""
    w = torch.tensor([3.0, 4.0])

    def scores(x):
        return torch.stack([x @ w - 3.5, torch.zeros(len(x)).to(x)], dim=1)

    x = torch.tensor([[0.6, 0.6]])  # 0.14 from the boundary
    labels = torch.tensor([0])
    curve = pr.robust_curve(scores, x, labels, (0.0, 0.13, 0.15))
    assert curve.accuracy.tolist() == [1, 1, 0]
    noise = pr.noise_accuracy(scores, x, labels, 0.13, n_draws=50, seed=0)
    assert noise == 1.0


def test_an_attack_that_climbs_is_noticed(trained):
    net, x, labels = trained
    with planted(
        robustness,
        "moved = x - length * functional",
        "moved = x + length * functional",
    ) as wrong:
        weak = wrong.robust_curve(net, x, labels, (0.5,), n_steps=10)
    strong = pr.robust_curve(net, x, labels, (0.5,), n_steps=10)
    assert float(strong.accuracy[0]) < float(weak.accuracy[0]) - 0.2


def test_noise_is_weaker_than_the_attack(trained):
    net, x, labels = trained
    noisy = pr.noise_accuracy(net, x, labels, 0.7, seed=0)
    attacked = float(pr.robust_curve(net, x, labels, (0.7,), n_steps=10).accuracy[0])
    assert noisy > attacked + 0.2
    assert noisy <= net.score(x, labels)


# --- baselines -------------------------------------------------------------------------------


def test_gradient_training_keeps_masks_and_learns():
    task = pr.from_images(mnist.digits(seed=0), seed=1)
    net = pr.RuleNetwork(64, 10, pr.RuleConfig.tutorial(rounds=2), seed=0)
    before = net.input_weights.clone()
    trained = pr.GradientNetwork(net).fit(task.x, task.labels, epochs=4, seed=0)
    assert trained.score(task.x_test, task.labels_test) > 0.9
    assert torch.equal(net.input_weights, before)
    assert (trained.input_weights - before)[net.input_mask].abs().max() > 0
    assert {name for name, _ in trained.named_parameters()} == {
        "input_weights",
        "graph_weights",
        "output_weights",
    }


def test_gradient_network_starts_as_the_rule_network_does():
    net = pr.RuleNetwork(64, 10, pr.RuleConfig.tutorial(), seed=0)
    copy = pr.GradientNetwork(net)
    x = torch.rand(5, 64)
    with torch.no_grad():
        copy.output_weights.normal_()
        net.output_weights.copy_(copy.output_weights)
    torch.testing.assert_close(copy(x), net(x))


def test_learning_curves():
    task = pr.from_images(mnist.digits(seed=0), seed=1)
    net = pr.RuleNetwork(64, 10, pr.RuleConfig.tutorial(), seed=0)
    data = (task.x, task.labels, task.x_test, task.labels_test)
    sizes = (100, 1000)
    by_rule = pr.rule_curve(net, *data, sizes)
    fresh = pr.RuleNetwork(64, 10, pr.RuleConfig.tutorial(), seed=0)
    fresh.train_pass(task.x[:1000], task.labels[:1000])
    assert by_rule[1] == pytest.approx(fresh.score(task.x_test, task.labels_test))
    by_adam = pr.adam_curve(net, *data, sizes, batch_size=10, learning_rate=1e-2)
    assert len(by_adam) == 2
    assert by_adam[1] > 0.7
    for bad in ((), (200, 100), (10**6,)):
        with pytest.raises(ValueError, match="sizes"):
            pr.rule_curve(net, *data, bad)


# --- evolution -------------------------------------------------------------------------------


def away_from_one(traits):
    return ((traits - 1) ** 2).sum(-1)


@oracle("eq-plasticity-rules-replicator")
def test_equation_replicator():
    rng = np.random.default_rng(0)
    x = rng.uniform(0.05, 0.95, (2, 7))
    epsilon, theta = 0.05, 0.3

    def loss(traits):
        return (traits[:, 0] - 1) ** 2 + 0.5 * traits[:, 0] * traits[:, 1] + np.abs(traits[:, 1])

    mean = [epsilon * sum(2 * value - 1 for value in row) for row in x]
    slow = np.zeros_like(x)
    for k, i in np.ndindex(x.shape):

        def at(shift, k=k):
            moved = list(mean)
            moved[k] += shift
            return float(loss(np.array([moved]))[0])

        here = float(loss(np.array([mean]))[0])
        plus = x[k, i] * (1 + theta * (here - at(2 * epsilon * (1 - x[k, i]))))
        minus = (1 - x[k, i]) * (1 + theta * (here - at(-2 * epsilon * x[k, i])))
        slow[k, i] = plus / (plus + minus)
    assert relative_error(pr.replicator_step(x, loss, epsilon, theta), slow) < 1e-12


@oracle("eq-plasticity-rules-descent")
def test_equation_descent():
    x = np.random.default_rng(0).uniform(0.1, 0.9, (1, 9))
    epsilon, theta = 0.05, 0.1
    mean = epsilon * sum(2 * value - 1 for value in x[0])
    slow = [value - theta * value * (1 - value) * 2 * epsilon * 2 * (mean - 1) for value in x[0]]
    fast = pr.gradient_step(x, away_from_one, epsilon, theta)
    assert relative_error(fast, [slow]) < 1e-8


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.floats(0.001, 0.2))
def test_frequencies_stay_frequencies(seed, selection):
    start = np.random.default_rng(seed).uniform(0, 1, (1, 20))
    start[0, :2] = 0, 1
    end = pr.evolve(
        away_from_one, n_genes=20, selection=selection, n_generations=50, start=start
    ).frequencies
    assert end.min() >= 0
    assert end.max() <= 1
    assert end[0, 0] == 0
    assert end[0, 1] == 1


def test_without_differences_in_fitness_nothing_evolves():
    start = np.random.default_rng(0).uniform(0, 1, (1, 20))
    flat = pr.evolve(
        lambda traits: np.full(len(traits), 3.0), n_genes=20, n_generations=20, start=start
    )
    np.testing.assert_allclose(flat.frequencies, start, rtol=1e-13)


def test_weak_selection_is_gradient_descent_slowed_by_x_times_one_minus_x():
    start = np.random.default_rng(0).uniform(0.1, 0.9, (1, 50))
    gaps = []
    for strength in (1e-1, 1e-2, 1e-3):
        replicator = pr.replicator_step(start, away_from_one, 0.02 * strength, strength) - start
        descent = pr.gradient_step(start, away_from_one, 0.02 * strength, strength) - start
        gaps.append(relative_error(replicator, descent))
    assert gaps[0] > 5 * gaps[1] > 25 * gaps[2]
    assert gaps[2] < 1e-3


def test_replicator_and_gradient_descent_over_a_thousand_generations():
    paths = {
        name: pr.evolve(away_from_one, dynamics=name).traits[:, 0]
        for name in ("replicator", "selection", "printed")
    }
    assert np.abs(paths["replicator"] - paths["selection"]).max() <= 0.02
    assert paths["replicator"][500] == pytest.approx(0.80, abs=0.01)
    assert paths["printed"][500] > paths["replicator"][500] + 0.1


def test_a_finite_population_drifts_around_the_infinite_one():
    infinite = pr.evolve(away_from_one, n_generations=300).traits[:, 0]
    runs = np.array(
        [
            pr.evolve_population(away_from_one, n_individuals=1000, n_generations=300, seed=seed)
            for seed in range(3)
        ]
    )
    # Drift moves the mean of 200 genes by about 0.15 in 300 generations.
    assert np.abs(runs.mean(0) - infinite).max() < 0.3
    assert runs[:, -1].min() > 0.2
    assert runs.std(0)[-1] > 0


def test_a_flipped_advantage_is_noticed():
    with planted(
        evolution,
        "fitness.append(1 + selection * (here - losses))",
        "fitness.append(1 + selection * (losses - here))",
    ) as wrong:
        assert wrong.evolve(away_from_one, n_generations=100).traits[-1, 0] < -0.1


# --- the door --------------------------------------------------------------------------------


def test_bad_input(unchecked):
    x = torch.rand(4, 6)
    labels = torch.tensor([0, 1, 0, 1])
    net = pr.RuleNetwork(6, 3, pr.RuleConfig(n_hidden=9, cap=4), seed=0)
    half = np.full((1, 200), 0.5)
    cases = [
        (lambda: pr.mistake_bound(1.0, 0.5, 10, 0.1), "b must be"),
        (lambda: pr.mistake_bound(0.0, 1.0, 10, 0.1), "a must be"),
        (lambda: pr.mistake_bound(1.0, 1.0, 10, 0.0), "margin"),
        (lambda: pr.separable_signs(10, 10, 30.0, seed=0), "too rare"),
        (lambda: pr.separable_signs(10, 10, 0.1, tilt=1.0, seed=0), "tilt"),
        (lambda: pr.count_mistakes(x, labels + 1, pr.perceptron_rule()), "labels"),
        (lambda: pr.count_mistakes(x, labels, pr.perceptron_rule(), max_passes=0), "max_passes"),
        (lambda: pr.winnow(x, labels, factor=1.0), "factor"),
        (lambda: pr.attack(net, x, labels, -1.0), "radius"),
        (lambda: pr.attack(net, 2 * x + 1, labels, 1.0), "pixels"),
        (lambda: pr.attack(net, x, labels, 1.0, n_steps=0), "n_steps"),
        (lambda: pr.robust_curve(net, x, labels, (1.0, 0.5)), "increase"),
        (lambda: pr.robust_curve(net, x, labels, ()), "increase"),
        (lambda: pr.gradient_step(half, away_from_one, 0.1, 0.1, speed="fast"), "speed"),
        (lambda: pr.evolve(away_from_one, start=half + 1), "start"),
        (lambda: pr.evolve(away_from_one, n_generations=0), "steps"),
        (lambda: pr.evolve(away_from_one, selection=-1.0), "selection"),
        (lambda: pr.replicator_step(half, away_from_one, 2.0, 1.0), "lower selection"),
        (
            lambda: pr.evolve_population(away_from_one, effect=1.0, selection=1.0, seed=0),
            "without offspring",
        ),
        (lambda: pr.GradientNetwork(net).fit(x, labels, epochs=0, seed=0), "epochs"),
    ]
    for call, message in cases:
        with pytest.raises(ValueError, match=message):
            call()
    with pytest.raises(TypeError, match="float64"):
        pr.closed_form_rule(torch.zeros(4, 3, 4), labels)


# --- on the real images ----------------------------------------------------------------------


@pytest.mark.parametrize(("name", "least"), [(mnist.MNIST, 0.72), (mnist.FASHION_MNIST, 0.60)])
def test_a_rule_from_half_spaces_trains_a_network_on_images(name, least):
    images = mnist.load(recording(name))
    simple = pr.halfspace(n_train=3000, n_test=10, seed=0)
    rule = pr.learn_rule(simple.x, simple.labels, n_steps=200, seed=0).output_rule
    accuracy = []
    for seed in range(3):
        task = pr.from_images(images, n_train=5000, n_test=2000, seed=seed)
        net = pr.RuleNetwork(784, 10, pr.RuleConfig.tutorial(), output_rule=rule, seed=seed)
        accuracy.append(
            net.fit(task.x, task.labels, seed=seed).score(task.x_test, task.labels_test)
        )
    assert np.mean(accuracy) >= least


def test_input_weights_of_one_make_the_network_more_robust():
    task = pr.from_images(mnist.load(recording(mnist.MNIST)), n_train=5000, n_test=60, seed=0)
    robust = {}
    for kind in ("gaussian", "ones"):
        net = pr.RuleNetwork(784, 10, pr.RuleConfig.tutorial(input_weights=kind), seed=0)
        net.fit(task.x, task.labels, seed=0)
        curve = pr.robust_curve(net, task.x_test, task.labels_test, (1.0,), n_steps=20)
        robust[kind] = float(curve.accuracy[0])
    assert robust["ones"] - robust["gaussian"] >= 0.2


def test_softmax_of_scores_is_the_papers_output(trained):
    net, x, _ = trained
    probabilities = functional.softmax(net(x), dim=-1)
    assert torch.equal(probabilities.argmax(-1), net.predict(x))
