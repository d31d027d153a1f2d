"""EIT: parameter counts, equations against loops, what each module may and may not see."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import ot
import pytest
import torch
from torch import nn

from neurotutor.data import many_body, reach
from neurotutor.representations import eit
from neurotutor.representations.eit import EIT, EitConfig, IndividualModule, alignment, layers
from neurotutor.representations.eit import model as model_module
from neurotutor.representations.eit import population as population_module
from tests.harness import oracle, planted, recording, relative_error

SMALL = EitConfig(dim=6, n_heads=2, head_width=3)
BODIES = replace(EitConfig.two_body(), dim=6, n_heads=2, head_width=3)


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def network(config=SMALL, n=5, c=2, classes=4, seed=0, module=model_module):
    return module.EIT(n, c, classes, config, seed=seed).double().eval()


# --- a slow, literal EIT ----------------------------------------------------------------------


def slow_linear(x, layer):
    weight = layer.weight.tolist()
    bias = [0.0] * len(weight) if layer.bias is None else layer.bias.tolist()
    return [
        sum(w * a for w, a in zip(row, x, strict=True)) + b
        for row, b in zip(weight, bias, strict=True)
    ]


def slow_norm(x, layer):
    mean = sum(x) / len(x)
    sd = math.sqrt(sum((a - mean) ** 2 for a in x) / len(x) + layer.eps)
    scale = zip(x, layer.weight.tolist(), layer.bias.tolist(), strict=True)
    return [(a - mean) / sd * w + b for a, w, b in scale]


def slow_softmax(scores):
    top = max(scores)
    weights = [math.exp(s - top) for s in scores]
    return [w / sum(weights) for w in weights]


def slow_attention(tokens, layer, width):
    """Multi-head attention of a list of tokens, head by head and token by token."""
    maps = [slow_linear(token, layer.qkv) for token in tokens]
    inner = layer.n_heads * width
    out = []
    for i in range(len(tokens)):
        joined = []
        for h in range(layer.n_heads):
            part = slice(h * width, (h + 1) * width)
            q = maps[i][:inner][part]
            keys = [m[inner : 2 * inner][part] for m in maps]
            values = [m[2 * inner :][part] for m in maps]
            scores = [
                sum(a * b for a, b in zip(q, k, strict=True)) / math.sqrt(width) for k in keys
            ]
            weights = slow_softmax(scores)
            joined += [
                sum(w * v[e] for w, v in zip(weights, values, strict=True)) for e in range(width)
            ]
        out.append(slow_linear(joined, layer.out))
    return out


def slow_mlp(x, layer):
    hidden = [0.5 * a * (1 + math.erf(a / math.sqrt(2))) for a in slow_linear(x, layer[0])]
    return slow_linear(hidden, layer[3])


def add(a, b):
    return [x + y for x, y in zip(a, b, strict=True)]


def slow_individual(z, layer, width, skip=False):
    h = slow_attention([slow_norm(each, layer.norm_1) for each in z], layer.attention, width)
    if skip:
        h = [add(a, b) for a, b in zip(z, h, strict=True)]
    return [add(each, slow_mlp(slow_norm(each, layer.norm_2), layer.mlp)) for each in h]


def slow_interaction(u, layer, width, form):
    mixed = slow_attention([slow_norm(each, layer.norm_1) for each in u], layer.attention, width)
    if form == "attention":
        return mixed
    u = [add(a, b) for a, b in zip(u, mixed, strict=True)]
    return [add(each, slow_mlp(slow_norm(each, layer.norm_2), layer.mlp)) for each in u]


def slow_forward(net, x):
    """Logits of one sample (time, channels, features), written out."""
    config, width = net.config, net.config.head_width
    n_bins, n_channels = len(x), len(x[0])
    z = []
    for n in range(n_channels):
        tokens = [slow_linear(x[t][n], net.individual.embed) for t in range(n_bins)]
        for layer in net.individual.layers:
            tokens = slow_individual(tokens, layer, width, config.individual_skip)
        z.append(tokens)
    logits, own = [], []
    for t in range(n_bins):
        codes = net.channel_embedding.tolist()
        u = [add(z[n][t], codes[n]) for n in range(n_channels)]
        for layer in net.layers:
            u = slow_interaction(u, layer, width, config.interaction)
        s = [a for each in u for a in slow_linear(each, net.head.squeeze)]
        logits.append(slow_linear(slow_norm(s, net.head.norm), net.head.project))
        head = net.individual.head
        s = [a for n in range(n_channels) for a in slow_linear(z[n][t], head.squeeze)]
        own.append(slow_linear(s, head.project))
    return logits, own


@oracle("eq-eit-attention")
def test_equation_attention(module=layers):
    torch.manual_seed(0)
    layer = module.Attention(6, 3, 4).double()
    tokens = random(2, 5, 6)
    slow = [slow_attention(each, layer, 4) for each in tokens.tolist()]
    assert relative_error(layer(tokens), slow) < 1e-12
    weights = layer.weights(tokens)
    assert relative_error(weights.sum(-1), np.ones((2, 3, 5))) < 1e-12
    q, k, v = layer._heads(tokens)
    assert relative_error(weights @ v, module.attend(q, k, v)) < 1e-12


@oracle("eq-eit-individual")
@pytest.mark.parametrize("skip", [False, True])
def test_equation_individual(skip, module=layers):
    torch.manual_seed(1)
    layer = module.IndividualLayer(replace(SMALL, individual_skip=skip)).double()
    z = random(3, 4, 6)
    slow = [slow_individual(each, layer, 3, skip) for each in z.tolist()]
    assert relative_error(layer(z), slow) < 1e-12


@oracle("eq-eit-interaction")
@pytest.mark.parametrize("form", ["residual", "attention"])
def test_equation_interaction(form, module=layers):
    torch.manual_seed(2)
    layer = module.InteractionLayer(replace(SMALL, interaction=form)).double().eval()
    u = random(3, 4, 6)
    slow = [slow_interaction(each, layer, 3, form) for each in u.tolist()]
    assert relative_error(layer(u), slow) < 1e-12


@oracle("eq-eit-head")
@pytest.mark.parametrize(
    "config", [SMALL, BODIES, replace(SMALL, individual_skip=True, bottleneck=3)]
)
def test_equation_head(config, module=model_module):
    net, x = network(config, module=module), random(2, 3, 5, 2)
    out = net(x)
    for i in range(2):
        logits, own = slow_forward(net, x[i].tolist())
        assert relative_error(out.logits[i], logits) < 1e-11
        assert relative_error(out.individual_logits[i], own) < 1e-11


@oracle("eq-eit-loss")
def test_equation_loss(module=model_module):
    net, x, y = network(), random(3, 2, 5, 2), torch.tensor([0, 3, 1])
    out = net(x)
    totals = []
    for logits in (out.logits.tolist(), out.individual_logits.tolist()):
        terms = [
            -math.log(slow_softmax(logits[i][t])[int(y[i])]) for i in range(3) for t in range(2)
        ]
        totals.append(sum(terms) / 6)
    for weight in (0.0, 0.5):
        slow = totals[0] + weight * totals[1]
        assert relative_error(module.eit_loss(out, y, weight), slow) < 1e-12


@oracle("eq-eit-distance")
def test_equation_distance(module=alignment):
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(3, 14, 4)), rng.normal(size=(2, 9, 4)) + 1
    slow = [
        [
            ot.emd2(np.full(14, 1 / 14), np.full(9, 1 / 9), ot.dist(p, q, metric="sqeuclidean"))
            for q in b
        ]
        for p in a
    ]
    assert relative_error(module.channel_distances(a, b), slow) < 1e-7
    uniform = np.full(14, 1 / 14)
    slow = [[ot.emd2(uniform, uniform, ot.dist(p, q)) for q in a] for p in a]
    assert relative_error(module.channel_distances(a), slow) < 1e-9


# --- sizes ------------------------------------------------------------------------------------


def test_parameter_counts_are_the_published_ones():
    assert eit.count_parameters(EIT(4, 2, 3, EitConfig.two_body())) == 51_112
    assert eit.count_parameters(EIT(6, 2, 10, EitConfig.three_body())) == 155_506
    neural = EIT(163, 1, 8)
    assert eit.count_parameters(neural) == 107_480
    assert eit.count_parameters(neural.individual) == 52_817
    assert eit.count_parameters(eit.PopulationTransformer(163, 1, 8, 2)) == 3_822_847


@pytest.mark.parametrize(("dim", "heads", "width", "expansion"), [(16, 6, 64, 2), (24, 4, 16, 3)])
def test_parameters_of_a_layer_in_closed_form(dim, heads, width, expansion):
    config = EitConfig(dim=dim, n_heads=heads, head_width=width, individual_expansion=expansion)
    count = eit.count_parameters(layers.IndividualLayer(config))
    assert eit.individual_layer_parameters(dim, heads, width, expansion) == count
    assert eit.individual_layer_parameters(16, 6, 64, 2) == 25_728


def test_weights_can_be_set_from_outside():
    a, b = network(seed=0), network(seed=1)
    x = random(2, 3, 5, 2)
    assert not torch.allclose(a(x).logits, b(x).logits)
    b.load_state_dict(a.state_dict())
    assert torch.equal(a(x).logits, b(x).logits)


def test_a_seed_decides_all_weights_and_leaves_the_global_generator_alone():
    state = torch.get_rng_state()
    a, b = network(seed=4), network(seed=4)
    assert torch.equal(torch.get_rng_state(), state)
    for p, q in zip(a.parameters(), b.parameters(), strict=True):
        assert torch.equal(p, q)


# --- who sees whom ----------------------------------------------------------------------------


def test_individual_latents_follow_any_order_of_channels_exactly():
    # Powers of two: every channel then meets the same vector instructions, wherever it stands.
    module = IndividualModule(2, replace(SMALL, dim=16, head_width=16))
    x, order = random(2, 4, 8, 2).float(), torch.tensor([5, 2, 7, 0, 1, 6, 3, 4])
    assert torch.equal(module(x[:, :, order]), module(x)[:, :, order])
    odd = IndividualModule(2, SMALL).double()
    x, order = random(2, 3, 7, 2), order[order < 7]
    assert relative_error(odd(x[:, :, order]), odd(x)[:, :, order]) < 1e-14


def test_individual_latents_follow_any_order_of_bins():
    module = IndividualModule(2, SMALL).double()
    x, order = random(2, 6, 3, 2), torch.tensor([3, 0, 5, 1, 4, 2])
    assert relative_error(module(x[:, order]), module(x)[:, order]) < 1e-12
    timed = IndividualModule(2, replace(SMALL, time_embedding=6)).double()
    assert relative_error(timed(x[:, order]), timed(x)[:, order]) > 1e-2


def test_no_channel_sees_another_before_the_interaction():
    net, x = network(), random(1, 3, 5, 2).requires_grad_()
    out = net(x)
    for latents, others_seen in ((out.individual, False), (out.interaction, True)):
        (gradient,) = torch.autograd.grad(latents[:, :, 2].sum(), x, retain_graph=True)
        others = gradient[:, :, [0, 1, 3, 4]]
        assert bool((others != 0).any()) == others_seen
        assert (gradient[:, :, 2] != 0).any()


def test_one_individual_module_takes_any_number_of_channels():
    module = IndividualModule(1, SMALL).double()
    x = random(2, 3, 40, 1)
    assert relative_error(module(x[:, :, :7]), module(x)[:, :, :7]) < 1e-12


def permuted(net, order, b=1):
    """The network for reordered channels: embeddings, LayerNorm and head weights move along."""
    twin = network(net.config)
    twin.load_state_dict(net.state_dict())
    places = (order[:, None] * b + torch.arange(b)).flatten()
    with torch.no_grad():
        twin.channel_embedding.copy_(net.channel_embedding[order])
        for name in ("weight", "bias"):
            getattr(twin.head.norm, name).copy_(getattr(net.head.norm, name)[places])
        twin.head.project.weight.copy_(net.head.project.weight[:, places])
        own = net.individual.head.project.weight
        twin.individual.head.project.weight.copy_(own[:, places])
    return twin


@pytest.mark.parametrize("b", [1, 3])
def test_the_whole_model_is_invariant_only_when_its_parameters_move_along(b):
    net, x = network(replace(SMALL, bottleneck=b)), random(2, 3, 5, 2)
    with torch.no_grad():
        net.head.norm.weight.normal_()
        net.head.norm.bias.normal_()
    order = torch.tensor([4, 2, 0, 1, 3])
    moved = permuted(net, order, b)(x[:, :, order])
    out = net(x)
    assert relative_error(moved.logits, out.logits) < 1e-12
    assert relative_error(moved.individual_logits, out.individual_logits) < 1e-12
    assert relative_error(net(x[:, :, order]).logits, out.logits) > 1e-2


def test_the_pooled_variant_is_invariant_by_itself_and_takes_any_number():
    net = network(replace(SMALL, channel_embedding=False, pool="mean"))
    x, order = random(2, 3, 5, 2), torch.tensor([4, 2, 0, 1, 3])
    assert relative_error(net(x[:, :, order]).logits, net(x).logits) < 1e-12
    assert net(random(2, 3, 9, 2)).logits.shape == (2, 3, 4)


def test_attention_weights_are_those_of_the_first_interaction_layer():
    net, x = network(), random(2, 3, 5, 2)
    weights = net.attention(x)
    assert weights.shape == (2, 3, 2, 5, 5)
    u = net.individual(x)[1, 2] + net.channel_embedding
    layer = net.layers[0]
    assert relative_error(weights[1, 2], layer.attention.weights(layer.norm_1(u)[None])[0]) < 1e-12


# --- planted bugs -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("module", "old", "new", "test"),
    [
        (layers, "return h + self.mlp", "return z + self.mlp", test_equation_individual),
        (layers, "u = u + mixed\n", "u = mixed\n", test_equation_interaction),
        (
            layers,
            "return F.scaled_dot_product_attention(q, k, v)",
            "return F.scaled_dot_product_attention(q, k, v, scale=1.0)",
            test_equation_attention,
        ),
        (model_module, "u = self._tokens(z)", "u = z.flatten(0, 1)", test_equation_head),
        (
            model_module,
            "labels.repeat_interleave(time)",
            "labels.repeat(time)",
            test_equation_loss,
        ),
        (alignment, '"sqeuclidean"', '"euclidean"', test_equation_distance),
    ],
)
def test_planted_bugs_are_found(module, old, new, test):
    arguments = {
        test_equation_individual: (False,),
        test_equation_interaction: ("residual",),
        test_equation_head: (SMALL,),
    }.get(test, ())
    with planted_at(module, old, new) as wrong, pytest.raises(AssertionError):
        test(*arguments, module=wrong)


def planted_at(module, old, new):
    if module is alignment:
        return planted(module, "b.astype(float), " + old, "b.astype(float), " + new)
    return planted(module, old, new)


# --- transport --------------------------------------------------------------------------------


def test_distances_are_zero_on_the_diagonal_symmetric_and_blind_to_the_order_of_samples():
    rng = np.random.default_rng(1)
    a = rng.normal(size=(4, 20, 3))
    distances = eit.channel_distances(a)
    assert (np.diag(distances) == 0).all()
    assert np.array_equal(distances, distances.T)
    shuffled = np.stack([rng.permutation(each) for each in a])
    assert relative_error(eit.channel_distances(shuffled, a), distances) < 1e-12
    assert eit.transport_cost(a[0], a[0][::-1]) == pytest.approx(0, abs=1e-12)
    assert eit.transport_cost(a[0], a[0] + 2) == pytest.approx(12)


def test_mean_discrepancy_against_loops():
    rng = np.random.default_rng(2)
    a, b = rng.normal(size=(5, 2)), rng.normal(size=(4, 2)) + 1
    both = [*a, *b]
    squared = [[((p - q) ** 2).sum() for q in both] for p in both]
    mean = sum(map(sum, squared)) / (9 * 8)

    def kernel(p, q):
        gap = ((p - q) ** 2).sum()
        return sum(math.exp(-gap / (mean / 4 * 2**i)) for i in range(5))

    slow = np.mean([[kernel(p, q) for q in a] for p in a])
    slow += np.mean([[kernel(p, q) for q in b] for p in b])
    slow -= 2 * np.mean([[kernel(p, q) for q in b] for p in a])
    assert eit.mean_discrepancy(a, b) == pytest.approx(slow)


# --- population baseline ----------------------------------------------------------------------


def test_masked_loss_is_poisson_on_hidden_bins_only():
    rates, counts = random(2, 3, 4).exp(), random(2, 3, 4, seed=1).abs().floor()
    hidden = torch.tensor([[True, False, False], [False, False, True]])
    terms = [
        rates[i, t, n].item() - counts[i, t, n].item() * math.log(rates[i, t, n].item())
        for i, t in ((0, 0), (1, 2))
        for n in range(4)
    ]
    assert float(eit.masked_poisson_loss(rates, counts, hidden)) == pytest.approx(
        np.mean(terms), rel=1e-6
    )


def test_hidden_bins_do_not_reach_the_population_network():
    net = eit.PopulationTransformer(5, 1, 3, 4, eit.PopulationConfig(n_heads=2, head_width=3))
    net = net.double().eval()
    x, hidden = random(2, 4, 5, 1), eit.hide_bins(2, 4, 0.5)
    assert hidden.sum(1).tolist() == [2, 2]
    other = torch.where(hidden[..., None, None], random(2, 4, 5, 1, seed=3), x)
    assert torch.equal(net.rates(x, hidden), net.rates(other, hidden))
    assert (net.rates(x, hidden) > 0).all()
    none = torch.zeros(2, 4, dtype=torch.bool)
    assert not torch.equal(net.rates(x, none), net.rates(other, none))


# --- training and transfer --------------------------------------------------------------------


@pytest.fixture(scope="module")
def task():
    return eit.BodyTask(many_body.simulate_two_body(60, seed=0), "type")


def test_batches_carry_the_class_of_their_order(task):
    batch = task.draw(200, torch.Generator().manual_seed(0))
    assert batch.x.shape == (200, 10, 4, 2)
    labels = task.labels
    for x, y in zip(batch.x[:40], batch.y[:40], strict=True):
        match = [
            k
            for k, order in enumerate(labels.orders)
            if (x[None] == task.train[:, :, torch.as_tensor(order)]).all((1, 2, 3)).any()
        ]
        assert labels.classes[match[0]] == y
    assert (task.test.x[0][:, None] == task.held_out[0][:, task.labels.orders]).all(
        (0, 2, 3)
    ).sum() == 1


def test_training_learns_the_type_and_resumes(task, tmp_path):
    config = replace(EitConfig.wide_tutorial(), n_heads=1, head_width=8, learning_rate=4e-3)

    def run(n_steps, checkpoint=None):
        net = EIT(4, 2, task.n_classes, config)
        history = eit.train(
            net,
            task.draw,
            n_steps,
            learning_rate=config.learning_rate,
            batch_size=32,
            test=task.test,
            test_every=n_steps,
            checkpoint=checkpoint,
        )
        return net, history

    whole, history = run(120)
    assert history.metrics["accuracy"][-1] > 0.3
    run(70, tmp_path / "run.pt")
    resumed, _ = run(120, tmp_path / "run.pt")
    for a, b in zip(whole.parameters(), resumed.parameters(), strict=True):
        assert torch.equal(a, b)


@pytest.fixture(scope="module")
def animals():
    return [
        eit.reach_windows(reach.simulate(n_trials=32, n_neurons=n, seed=seed))
        for n, seed in ((14, 0), (22, 1))
    ]


def test_windows_hold_whole_trials_and_are_centred_by_the_training_part(animals):
    simulated = reach.simulate(n_trials=32, n_neurons=14, seed=0)
    windows = animals[0]
    assert not set(windows.train_trial) & set(windows.test_trial)
    early = simulated.trial < 25
    mean = simulated.rates[early][:, windows.kept].mean(0)
    row = int(np.flatnonzero(simulated.trial == windows.test_trial[0])[0])
    expected = simulated.rates[row : row + 2][:, windows.kept] - mean
    assert np.allclose(windows.test.x[0, :, :, 0], expected, atol=1e-4)


def test_windows_never_jump_a_gap():
    fast = reach.simulate(n_trials=20, n_neurons=5, seed=0, speed_threshold=5.0)
    skipping = replace(fast, bin_in_trial=fast.bin_in_trial * 2)
    with pytest.raises(ValueError, match="no window"):
        eit.reach_windows(skipping)


def test_transfer_leaves_the_module_bit_identical_and_learns(animals):
    first, second = animals
    net = EIT(first.n_neurons, 1, 8, replace(EitConfig.tutorial(), n_heads=1))
    eit.train(
        net,
        eit.epochs(first.train),
        5,
        learning_rate=1e-3,
        batch_size=8,
        individual_weight=0.5,
    )
    before = {name: each.clone() for name, each in net.individual.state_dict().items()}
    score, history = eit.transfer(net.individual, second, n_steps=60, learning_rate=1e-2)
    assert 0 <= score <= 1
    assert history.metrics["loss"][-1] < history.metrics["loss"][0]
    for name, each in net.individual.state_dict().items():
        assert torch.equal(each, before[name])


def test_folds_leave_whole_trials_out():
    rng = np.random.default_rng(0)
    trial = np.repeat(np.arange(30), 4)
    labels = (np.arange(30) % 3).repeat(4)
    # A mark of each trial: useless for trials that were never seen.
    features = rng.normal(size=(30, 1, 6)).repeat(4, axis=0).repeat(2, axis=1)
    assert eit.folds_accuracy(features, labels, trial).mean() < 0.6
    features[..., 0] += 6 * labels[:, None]
    good = eit.folds_accuracy(features, labels, trial)
    assert good.shape == (5,)
    assert good.mean() > 0.7
    assert eit.folds_accuracy(features, labels, trial, share=0.25).shape == (5,)


def test_recorded_windows_are_as_many_as_known():
    recording("reach/mihi-20140303-bin100ms-vel5")
    windows = eit.reach_windows(reach.load("reach/mihi-20140303-bin100ms-vel5"))
    assert (len(windows.train), len(windows.test), windows.n_neurons) == (687, 181, 156)


def test_a_study_trains_every_network_with_every_seed(task, tmp_path):
    networks = {
        "EIT": replace(EitConfig.two_body_tutorial(), n_heads=1, head_width=4),
        "population": replace(eit.PopulationConfig.bodies_tutorial(), n_heads=1, head_width=4),
    }

    def once(folder):
        return eit.study(networks, task, 4, seeds=(0, 1), batch_size=8, folder=folder, test_every=2)

    found, again = once(tmp_path), once(tmp_path)
    assert {name: len(runs) for name, runs in found.items()} == {"EIT": 2, "population": 2}
    assert found["EIT"][0].steps.tolist() == [2, 4]
    for name, runs in found.items():
        assert np.array_equal(eit.accuracies(runs), eit.accuracies(again[name]))
        assert runs[0].accuracy == runs[0].curve[-1] == eit.accuracy(runs[0].model, task.test)


def test_type_ratio_finds_types_where_they_are_plain(task):
    module = IndividualModule(2, EitConfig.two_body_tutorial(), seed=0)
    types = np.array([0, 1, 0, 1])
    distances, ratio = eit.type_ratio(module, task, types)
    clouds = eit.channel_clouds(module, task.held_out)
    assert clouds.shape == (4, 120, 16)
    assert relative_error(distances, eit.channel_distances(clouds)) == 0
    between = min(distances[i, j] for i in (0, 2) for j in (1, 3))
    assert ratio == pytest.approx(between / max(distances[0, 2], distances[1, 3]))


def test_another_animal_is_read_from_rates_or_from_a_frozen_module(animals):
    run = eit.train_neurons(replace(EitConfig.tutorial(), dim=8), animals[0], 8)
    assert 0 <= run.individual <= 1
    other = eit.reach_windows(reach.simulate(n_trials=80, n_neurons=60, seed=1))
    for module in (None, run.model.individual):
        scores = eit.across_animals(module, other, shares=(1.0, 0.5))
        assert scores.shape == (2, 5)
        assert (scores.mean(axis=1) > 0.2).all()  # chance: 0.125
        assert (eit.across_animals(module, other, shares=[0.5]) == scores[1:]).all()


# --- bad input --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda: network()(random(2, 3, 6, 2)), "built for 5 channels, got 6"),
        (lambda: network()(random(2, 3, 5)), "shape"),
        (lambda: network()(random(2, 3, 5, 1)), "shape"),
        (lambda: network()(random(2, 0, 5, 2)), "empty"),
        (lambda: network()(random(2, 3, 5, 2) * math.nan), "NaN"),
        (lambda: IndividualModule(2, SMALL)(random(3, 5, 2)), "shape"),
        (lambda: IndividualModule(2, SMALL).scalars(random(1, 3, 5, 2).float()), "no bottleneck"),
        (lambda: IndividualModule(2, SMALL, n_channels=3), "both"),
        (lambda: EIT(0, 1, 8), "n_channels"),
        (lambda: EIT(4, 1, 1), "n_classes"),
        (lambda: EIT(4.5, 1, 3), "whole number"),
        (lambda: eit.bin_cross_entropy(random(2, 3, 4), torch.tensor([0, 4])), r"0\.\.3"),
        (lambda: eit.bin_cross_entropy(random(2, 3, 4), torch.tensor([0, -1])), r"0\.\.3"),
        (lambda: eit.bin_cross_entropy(random(2, 3, 4), torch.tensor([0])), "shape"),
        (lambda: eit.hide_bins(4, 6, 0.0), "strictly between 0 and 1"),
        (lambda: eit.hide_bins(4, 6, 1.0), "strictly between 0 and 1"),
        (lambda: eit.hide_bins(4, 2, 0.9), "all 2 bins"),
        (
            lambda: eit.masked_poisson_loss(
                torch.ones(1, 2, 3), -torch.ones(1, 2, 3), torch.ones(1, 2, dtype=torch.bool)
            ),
            "negative",
        ),
        (
            lambda: eit.masked_poisson_loss(
                torch.ones(1, 2, 3), torch.ones(1, 2, 3), torch.zeros(1, 2, dtype=torch.bool)
            ),
            "no bin is hidden",
        ),
        (lambda: eit.PopulationTransformer(5, 1, 3, 4)(torch.ones(1, 3, 5, 1)), "built for 4 bins"),
        (lambda: eit.transport_cost(np.ones((3, 2)), np.ones((3, 4))), "one width"),
        (lambda: eit.transport_cost(np.ones((0, 2)), np.ones((3, 2))), "shape"),
        (lambda: eit.channel_distances(np.ones((3, 2))), "shape"),
        (lambda: eit.channel_distances(np.full((2, 3, 2), np.nan)), "NaN"),
        (lambda: eit.mean_discrepancy(np.ones((3, 2)), np.ones((2, 2))), "all points"),
        (lambda: EitConfig(dropout=1.0), "dropout"),
        (lambda: EitConfig(interaction="sum"), "interaction must be one of"),
        (lambda: EitConfig(dim=0), "dim"),
        (lambda: EitConfig(n_heads=2.5), "whole number"),
        (lambda: EitConfig(learning_rate=0.0), "learning_rate"),
        (lambda: eit.PopulationConfig(dropout=1.5), "dropout"),
        (lambda: eit.reach_windows(reach.simulate(n_trials=8, n_neurons=3), 50), "no window"),
        (
            lambda: eit.folds_accuracy(np.ones((4, 1, 2)), np.zeros(4, int), np.arange(3)),
            "one entry a window",
        ),
    ],
)
def test_bad_input(call, error, unchecked):
    with pytest.raises((ValueError, TypeError), match=error):
        call()


def test_the_time_embedding_knows_how_many_bins_it_is_for():
    module = IndividualModule(2, replace(SMALL, time_embedding=6)).double()
    with pytest.raises(ValueError, match="6 bins, got 3"):
        module(random(1, 3, 2, 2))


def test_dropout_is_where_it_was_published():
    net = EIT(5, 1, 3)
    rates = [part.p for part in net.layers[0].modules() if isinstance(part, nn.Dropout)]
    assert rates == [0.5, 0.5, 0.5]
    individual = [p.p for p in net.individual.layers.modules() if isinstance(p, nn.Dropout)]
    assert set(individual) == {0.0}
    assert net.head.dropout.p == net.individual.head.dropout.p == 0.5
    assert population_module.PopulationConfig().dropout == 0.5


# --- networks trained beforehand ------------------------------------------------------------


def test_triples_are_kept_with_everything_that_made_them():
    kept = eit.load_triples()
    assert {name: len(runs) for name, runs in kept.runs.items()} == {
        "EIT, four numbers": 3,
        "population": 3,
    }
    assert kept.made["environment"]["torch"]
    for runs in kept.runs.values():
        for run in runs:
            # Measured on loading, against the last point of the curve drawn during training.
            assert run.accuracy == pytest.approx(run.curve[-1], abs=0.01)
    assert eit.triples.WEIGHTS.stat().st_size < 1_000_000


def test_triples_survive_the_file(tmp_path):
    made = eit.train_triples(n_systems=10, n_steps=2, seeds=[3])
    eit.save_triples(made, tmp_path / "kept.npz")
    again = eit.load_triples(tmp_path / "kept.npz")
    assert again.made.items() >= made.made.items()
    for name, runs in made.runs.items():
        x = made.task.test.x
        assert torch.equal(runs[0].model(x).logits, again.runs[name][0].model(x).logits)
        assert again.runs[name][0].accuracy == runs[0].accuracy


def test_triples_refuse_unknown_networks_and_other_trials():
    with pytest.raises(ValueError, match="networks must be among"):
        eit.train_triples(networks={"LSTM": EitConfig.wide()})
    with pytest.raises(ValueError, match="belong to 500 trials, got 5"):
        eit.load_triples(bodies=eit.simulate_three_body(5, seed=0))


def test_triples_command_writes_where_it_is_told(tmp_path, capsys):
    out = tmp_path / "kept.npz"
    assert (
        eit.triples.main(["--systems", "10", "--steps", "1", "--seeds", "1", "--out", str(out)])
        == 0
    )
    assert out.exists()
    assert "population" in capsys.readouterr().out
