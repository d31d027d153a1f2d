"""Coin flips: equations as oracles, the acceptance checks, chains, trigrams, the errors."""

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import norm

from neurotutor.plasticity import nemo
from neurotutor.plasticity.nemo import CoinArea, LogRule, MarkovLearner, NemoConfig, TrigramLearner
from tests.harness import oracle, planted, relative_error

SMALL = NemoConfig(
    n_neurons=2000, cap_size=200, recurrent="block", recurrent_weight=10.0, noise=5.0
)


def first_k(inputs, k):
    return sorted(sorted(range(len(inputs)), key=lambda i: (-inputs[i], i))[:k])


# --- the rule -----------------------------------------------------------------------------------


@oracle("eq-nemo-rule")
@pytest.mark.parametrize(
    ("rate", "offset"), [(26.0, 0.5), (60.0, 0.5), (24.0, math.log(1000) / 24)]
)
def test_equation_rule(rate, offset):
    rule = LogRule(rate, offset)
    weights = np.array([0.0, 1.0, 1.2, 1.5, 1.6, 1.7, 3.0])
    slow = []
    for w in weights:
        alpha = offset + math.log(rate) / rate
        slow.append(0.0 if w == 0 else min(alpha, math.exp(rate * (1 + offset - w))))
    assert relative_error(rule.increment(weights), slow) < 1e-12
    grown = rule.increment(np.linspace(0.01, 4, 500))
    assert (np.diff(grown) <= 0).all()
    assert grown.max() == rule.ceiling


@oracle("eq-nemo-growth")
def test_equation_growth():
    rule = LogRule(26.0, 0.5)
    w, slow = 1.0, [1.0]
    for _ in range(50):
        w += min(0.5 + math.log(26) / 26, math.exp(26 * (1.5 - w)))
        slow.append(w)
    assert relative_error(rule.weights(50), slow) < 1e-12
    assert (np.diff(rule.weights(200)) > 0).all()
    assert np.array_equal(
        rule.weight(np.array([[3, 0], [7, 3]])), rule.weights(7)[[[3, 0], [7, 3]]]
    )


def test_published_weights_are_met():
    # The authors' demo: increments 1000 exp(-24 (w - 1)).
    demo = LogRule(24.0, math.log(1000) / 24).weights(100)
    assert demo[1:3] == pytest.approx([1.42024205, 1.46190871], abs=1e-8)
    assert demo[[5, 10, 100]] == pytest.approx([1.49607227, 1.52199297, 1.61319527], abs=1e-8)
    trigram = LogRule(60.0, 0.5).weights(100)
    assert trigram[[1, 2, 100]] == pytest.approx([1.56823908, 1.58490574, 1.64542037], abs=1e-8)


@oracle("eq-nemo-bounds")
def test_equation_bounds():
    rule = LogRule(26.0, 0.5)
    counts = np.r_[1, 3:101]
    lower, upper = nemo.log_bounds(counts, rule)
    log_c = math.log(26 * math.exp(26 * 1.5))
    slow = [(log_c + math.log(t)) / 26 for t in counts]
    assert relative_error(lower, slow) < 1e-12
    slow = [(log_c + math.log(t + math.log(t))) / 26 for t in counts]
    assert relative_error(upper, slow) < 1e-12
    weights = rule.weight(counts)
    assert (weights >= lower - 1e-9).all()
    assert (weights <= upper + 1e-9).all()
    # At t = 2 the printed bound fails, by itself.
    assert rule.weights(2)[2] > nemo.log_bounds(np.array([2]), rule)[1][0]


def test_growth_has_no_parameters_of_its_own():
    scaled = [
        rule.rate * rule.weights(60)[1:] - rule.log_c
        for rule in (LogRule(26.0, 0.5), LogRule(60.0, 0.5), LogRule(12.0, 1.3))
    ]
    assert np.abs(scaled[0] - scaled[1]).max() < 1e-9
    assert np.abs(scaled[0] - scaled[2]).max() < 1e-9
    assert scaled[0][:2] == pytest.approx([0.0, 1.0])


def test_a_rule_with_max_for_min_does_not_count(monkeypatch):
    with planted(
        nemo,
        "np.minimum(self.ceiling, np.exp(exponent))",
        "np.maximum(self.ceiling, np.exp(exponent))",
    ) as bad:
        weights = bad.LogRule(26.0, 0.5).weights(20)
    lower, upper = nemo.log_bounds(np.arange(3, 21), LogRule(26.0, 0.5))
    assert (weights[3:] > upper).any()


# --- the flip -----------------------------------------------------------------------------------


@oracle("eq-nemo-step")
def test_equation_step():
    """One noisy round and two recurrent ones, with loops; inputs do not tie."""
    config = replace(SMALL, n_neurons=60, cap_size=12, p=0.5, recurrent_weight=3.0)
    area = CoinArea(3, config, seed=4)
    rng = np.random.default_rng(0)
    area._graph = area._graph * (1 + 0.01 * rng.random(area._graph.shape)).astype(np.float32)
    weights = np.array([1.4, 1.5, 1.6])
    flips = area.flip(weights, 4, seed=7, rounds=2)
    noise = nemo.stream(7, "noise").standard_normal((4, 60), dtype=np.float32)
    for sample in range(4):
        inputs = []
        for i in range(60):
            w = weights[i // 12] if i < 36 else 1.0
            inputs.append(w * area.degrees[0, i] + 5.0 * math.sqrt(12 * 0.5) * noise[sample, i])
        firing = first_k(inputs, 12)
        for step in range(3):
            counts = [sum(i // 12 == m for i in firing if i < 36) for m in range(3)]
            assert flips.counts[step, sample].tolist() == counts
            if step < 2:
                inputs = [
                    sum(
                        area._graph[i // 12, j % 12, i % 12]
                        for j in firing
                        if j < 36 and j // 12 == i // 12
                    )
                    for i in range(36)
                ]
                firing = first_k(inputs, 12)


def test_the_full_graph_has_the_weights_that_it_should():
    config = replace(SMALL, n_neurons=300, cap_size=20, recurrent="full", recurrent_weight=2.0)
    graph = CoinArea(3, config, seed=0)._graph.toarray()
    assert np.diag(graph).max() == 0
    block = np.arange(300) // 20
    inside = (block[:, None] == block) & (block < 3)[:, None]
    assert set(np.unique(graph[inside])) == {0.0, 2.0}
    assert set(np.unique(graph[~inside])) == {0.0, 1.0}
    assert abs((graph > 0).mean() - 0.1) < 0.01


def test_a_full_graph_agrees_with_literal_rounds():
    config = replace(
        SMALL, n_neurons=80, cap_size=10, p=0.4, recurrent="full", recurrent_weight=2.0
    )
    area = CoinArea(3, config, seed=1)
    area._graph.data *= (1 + 0.01 * np.random.default_rng(0).random(len(area._graph.data))).astype(
        np.float32
    )
    fires = np.zeros((2, 80), bool)
    fires[0, [0, 1, 5, 12, 40, 41, 50, 60, 70, 79]] = True
    fires[1, 20:30] = True
    found = area._settle(fires.copy(), 3, np.random.default_rng(0))
    graph = area._graph.toarray()
    for row in range(2):
        firing = np.flatnonzero(fires[row]).tolist()
        for step in range(4):
            counts = [sum(10 * m <= i < 10 * m + 10 for i in firing) for m in range(3)]
            assert found[step, row].tolist() == counts
            firing = first_k(sum(graph[i] for i in firing), 10)


def test_flips_resolve_and_are_fair_over_graphs():
    shares, resolved = [], []
    for seed in range(40):
        flips = CoinArea(3, replace(SMALL, cap_size=100, n_neurons=500), seed=seed).flip(
            np.full(3, 1.6), 40, seed=seed
        )
        shares.append(flips.frequencies())
        resolved.append(flips.resolved)
    assert np.mean(resolved) >= 0.95
    assert np.abs(np.mean(shares, axis=0) - 1 / 3).max() < 0.06


def test_relabelling_outcomes_permutes_the_counts():
    area = CoinArea(3, SMALL, seed=3)
    twin = CoinArea(3, SMALL, seed=3)
    order, k = [2, 0, 1], SMALL.cap_size
    blocks = area.degrees[:, : 3 * k].reshape(1, 3, k)
    twin.degrees[:, : 3 * k] = blocks[:, order].reshape(1, -1)
    weights = np.array([1.4, 1.5, 1.6])
    quiet = replace(SMALL, noise=0.0)
    area.config = twin.config = quiet
    first = area.flip(weights, 1, seed=0, rounds=0).counts[0, 0]
    second = twin.flip(weights[order], 1, seed=0, rounds=0).counts[0, 0]
    # Without noise only ties at the edge are drawn.
    assert np.abs(first[order] - second).max() <= 15


def test_more_weight_never_means_fewer_neurons():
    area = CoinArea(3, SMALL, seed=5)
    counts = [
        area.flip(np.array([w, 1.5, 1.5]), 50, seed=9, rounds=0).counts[0, :, 0]
        for w in (1.3, 1.4, 1.5, 1.6, 1.7)
    ]
    assert (np.diff(counts, axis=0) >= 0).all()


def test_without_noise_every_flip_is_the_same_and_with_much_noise_all_are_equal():
    still = CoinArea(3, replace(SMALL, noise=0.0), seed=2).flip(np.full(3, 1.5), 20, seed=0)
    assert len(set(still.outcome.tolist())) == 1
    shares = [
        CoinArea(3, replace(SMALL, noise=500.0, n_neurons=600), seed=seed)
        .flip(np.array([1.3, 1.5, 1.7]), 60, seed=seed)
        .frequencies()
        for seed in range(12)
    ]
    assert np.abs(np.mean(shares, axis=0) - 1 / 3).max() < 0.08


def test_homeostasis_takes_the_graph_out_of_the_first_cap():
    def spread(homeostasis):
        config = replace(SMALL, n_neurons=400, homeostasis=homeostasis)
        return np.std(
            [
                (
                    CoinArea(2, config, seed=seed)
                    .flip(np.full(2, 2.0), 200, seed=seed, rounds=0)
                    .leaders()
                    == 0
                ).mean()
                for seed in range(25)
            ]
        )

    assert spread(True) < 0.06 < spread(False)


def test_same_seeds_same_flips():
    runs = [CoinArea(3, SMALL, seed=1).flip(np.full(3, 1.5), 30, seed=2).counts for _ in range(2)]
    assert np.array_equal(*runs)
    other = CoinArea(3, SMALL, seed=1).flip(np.full(3, 1.5), 30, seed=3).counts
    assert not np.array_equal(runs[0], other)


# --- theory -------------------------------------------------------------------------------------


@oracle("eq-nemo-law")
def test_equation_law():
    config = NemoConfig()
    for difference in (-0.05, 0.0, 0.03):
        z = 500 * math.sqrt(0.1) / (5 * math.sqrt(math.pi)) * difference
        slow = (1 + math.erf(z / math.sqrt(2))) / 2
        assert (
            relative_error(nemo.two_outcome_probability(np.array([difference]), config), [slow])
            < 1e-9
        )
        z = 500 * math.sqrt(2 * 0.1) / 5 * difference
        slow = (1 + math.erf(z / math.sqrt(2))) / 2
        printed = nemo.two_outcome_probability(np.array([difference]), config, printed=True)
        assert relative_error(printed, [slow]) < 1e-9


def first_cap_share(difference, graphs=30, samples=200):
    config = NemoConfig(n_neurons=1000, recurrent="block")
    shares = []
    for seed in range(graphs):
        counts = (
            CoinArea(2, config, seed=seed)
            .flip(np.array([2.0 + difference, 2.0]), samples, seed=seed, rounds=0)
            .counts[0]
        )
        ahead = counts[:, 0] - counts[:, 1]
        shares.append((ahead > 0).mean() + 0.5 * (ahead == 0).mean())
    return np.array(shares)


def test_the_law_holds_with_our_constant_and_not_with_the_printed_one():
    config = NemoConfig(n_neurons=1000)
    measured = first_cap_share(0.04).mean()
    assert abs(measured - nemo.two_outcome_probability(np.array(0.04), config)) < 0.05
    assert abs(measured - nemo.two_outcome_probability(np.array(0.04), config, printed=True)) > 0.1


@oracle("eq-nemo-offset")
def test_equation_offset():
    config = NemoConfig()
    slow = 2.0 * math.sqrt(2 * (1 - 0.1)) / (5.0 * math.sqrt(math.pi))
    assert relative_error(nemo.graph_offset(2.0, config), slow) < 1e-12
    # The spread of a fair coin over graphs is what the offset says.
    predicted = np.std(norm.cdf(slow * np.random.default_rng(0).standard_normal(4000)))
    assert abs(first_cap_share(0.0).std(ddof=1) - predicted) < 0.05


def test_the_normal_law_is_a_softmax_to_one_percent():
    x = np.linspace(-8, 8, 4001)
    assert np.abs(1 / (1 + np.exp(-1.7 * x)) - norm.cdf(x)).max() < 0.01


@oracle("eq-nemo-softmax")
def test_equation_softmax():
    weights = np.array([[1.4, 1.5, 1.6], [1.0, 1.0, 1.3]])
    slow = [[math.exp(26 * w) / sum(math.exp(26 * v) for v in row) for w in row] for row in weights]
    assert relative_error(nemo.softmax(weights, 26.0), slow) < 1e-12
    rate, error = nemo.fit_softmax(weights, np.array(slow)[:, 0])
    assert abs(rate - 26) < 0.01
    assert error < 1e-5


# --- chains -------------------------------------------------------------------------------------

CHAIN = np.array([[0.38, 0.073, 0.547], [0.406, 0.418, 0.176], [0.154, 0.206, 0.64]])


def test_training_by_events_is_setting_weights_by_counts_in_any_order():
    learner = MarkovLearner(3, SMALL, seed=0)
    stream = nemo.walk(CHAIN, 80, seed=1)
    learner.present(stream)
    counts = np.zeros((3, 3), int)
    np.add.at(counts, (stream[:-1], stream[1:]), 1)
    assert relative_error(learner.weights, learner.rule.weight(counts)) < 1e-12
    twin = MarkovLearner(3, SMALL, seed=0)
    pairs = np.random.default_rng(0).permutation(np.column_stack([stream[:-1], stream[1:]]))
    for pair in pairs:
        twin.present(pair)
    assert relative_error(twin.weights, learner.weights) < 1e-12


def test_a_chain_is_learned():
    config = replace(SMALL, cap_size=300, n_neurons=6000)
    found = []
    for seed in range(5):
        learner = MarkovLearner(3, config, seed=seed).present(nemo.walk(CHAIN, 300, seed=seed))
        found.append(learner.transition_matrix(150))
    assert np.abs(np.mean(found, axis=0) - CHAIN).mean() < 0.06
    assert np.allclose(np.sum(found, axis=2), 1, atol=0.05)


def test_rows_sum_to_the_resolved_share_and_unseen_transitions_are_rare():
    learner = MarkovLearner(3, replace(SMALL, majority=0.9, rounds=1), seed=0)
    learner.present([0, 1, 0, 1, 0, 1, 2, 0, 1] * 10)
    matrix = learner.transition_matrix(100, seed=3)
    flips = learner.area.flip(learner.weights[1], 100, seed=10, context=1)
    assert matrix[1].sum() == pytest.approx(flips.resolved)
    assert flips.resolved < 1
    settled = MarkovLearner(3, SMALL, seed=0).present([0, 1, 0, 1, 0, 1, 2, 0, 1] * 10)
    assert settled.transition_matrix(200)[0, [0, 2]].max() <= 0.02


def test_a_replay_follows_the_learned_chain():
    learner = MarkovLearner(3, SMALL, seed=0).present([0, 1, 2] * 40)
    replay = learner.sample(30, 5)
    assert len(replay) == 30
    assert replay[0] == 0
    assert np.mean((replay[:-1] + 1) % 3 == replay[1:]) > 0.9
    assert np.array_equal(replay, learner.sample(30, 5))
    assert learner.sample(5, 0, start=2)[0] == 2


def test_walks_have_the_frequencies_of_their_chain():
    states = nemo.walk(CHAIN, 20_000, seed=0)
    counts = np.zeros((3, 3))
    np.add.at(counts, (states[:-1], states[1:]), 1)
    assert np.abs(counts / counts.sum(axis=1, keepdims=True) - CHAIN).max() < 0.03


# --- trigrams -----------------------------------------------------------------------------------

TEXT = "the cat sat on the mat. the dog sat on the log; the cat ate the rat! the dog ate the cat."


def trigram_learner(**changes):
    config = replace(SMALL, cap_size=100, n_neurons=100, rate=60.0, noise=5.0, rounds=9, **changes)
    return TrigramLearner(config, seed=0)


def test_tokens_are_words_and_ends_of_sentences():
    assert nemo.tokens('A pea-green Boat, "O my love!"') == [
        "a",
        "pea",
        "green",
        "boat",
        "o",
        "my",
        "love",
        ".",
    ]
    with pytest.raises(ValueError, match="no word"):
        nemo.tokens("--- ,,,")


def test_weights_of_the_text_are_those_of_its_counts():
    learner = trigram_learner().read(nemo.tokens(TEXT), presentations=5)
    number = {word: place for place, word in enumerate(learner.words)}
    rule = learner.config.rule
    # "the cat" is followed by "sat", "ate" and "."; "cat sat" occurs once, and "the . sat" twice.
    assert learner.weights[0, number["cat"], number["sat"]] == rule.weights(5)[5]
    assert learner.weights[1, number["the"], number["sat"]] == rule.weights(10)[10]
    assert learner.weights[0, number["mat"], number["rat"]] == 0


def test_what_is_written_is_mostly_attested():
    learner = trigram_learner().read(nemo.tokens(TEXT))
    written = learner.write(40, ("the", "cat"), seed=0)
    assert len(written) == 40
    assert learner.attested(written) >= 0.85
    assert learner.attested(["the", "cat", "sat", "mat"]) == 0.5
    assert learner.write(40, ("the", "cat"), seed=0) == written
    assert learner.write(40, ("the", "cat"), seed=1) != written


# --- errors -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: CoinArea(11, SMALL, seed=0), "need 2200 neurons"),
        (lambda: CoinArea(0, SMALL, seed=0), "one outcome"),
        (lambda: CoinArea(2, SMALL, seed=0).flip(np.ones(3), 5, seed=0), "2 weights"),
        (lambda: CoinArea(2, SMALL, seed=0).flip(np.array([1.0, -1.0]), 5, seed=0), "2 weights"),
        (lambda: CoinArea(2, SMALL, seed=0).flip(np.ones(2), 0, seed=0), "n_samples"),
        (lambda: LogRule(26.0, 0.5).weight(np.array([-1])), "counts"),
        (lambda: LogRule(26.0, 0.5).weight(np.array([0.5])), "counts"),
        (lambda: LogRule(26.0, 0.5).weights(-1), "presentations"),
        (lambda: LogRule(0.5, 0.0), "largest increment"),
        (lambda: LogRule(-1.0, 0.0), "rate"),
        (lambda: NemoConfig(cap_size=0), "cap_size"),
        (lambda: NemoConfig(p=0.0), "probability"),
        (lambda: NemoConfig(noise=-1.0), "noise"),
        (lambda: NemoConfig(rounds=-1), "rounds"),
        (lambda: NemoConfig(recurrent="some"), "recurrent"),
        (lambda: NemoConfig(majority=0.3), "majority"),
        (lambda: nemo.walk(np.array([[0.5, 0.4], [0.5, 0.5]]), 5, seed=0), "sum to 1"),
        (lambda: nemo.walk(np.ones((2, 3)), 5, seed=0), "square"),
        (lambda: nemo.walk(CHAIN, 0, seed=0), "length"),
        (lambda: nemo.fit_softmax(np.ones((2, 3)), np.zeros(3)), "shape"),
        (lambda: MarkovLearner(3, SMALL, seed=0).present([0]), "two states"),
        (lambda: MarkovLearner(3, SMALL, seed=0).present([0, 3]), "0..2"),
        (lambda: MarkovLearner(3, SMALL, seed=0).present([0.5, 1.0]), "whole"),
        (lambda: MarkovLearner(3, SMALL, seed=0).sample(0, 0), "length"),
        (lambda: MarkovLearner(3, SMALL, seed=0).sample(5, 0, start=4), "start"),
        (lambda: trigram_learner().write(5, ("a", "b"), seed=0), "call read"),
        (lambda: trigram_learner().read(["a", "b"]), "three tokens"),
        (
            lambda: trigram_learner().read(nemo.tokens(TEXT)).write(5, ("a", "b"), seed=0),
            "first words",
        ),
        (lambda: trigram_learner().read(nemo.tokens(TEXT)).attested(["a"]), "three words"),
    ],
)
def test_errors(call, message, unchecked):
    with pytest.raises(ValueError, match=message):
        call()
