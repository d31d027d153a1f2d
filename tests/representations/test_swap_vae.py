"""Swap-VAE: equations against literal transcriptions, the model call by call, planted bugs."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from neurotutor import decoding
from neurotutor.data import reach
from neurotutor.representations import swap_vae
from neurotutor.representations.myow import Bins
from neurotutor.representations.swap_vae import SwapVaeConfig, experiments, losses, model, pairs
from tests.harness import oracle, planted, recording, relative_error

CHEWIE = "reach/chewie-20131003-bin100ms-all"
CHEWIE_FAST = "reach/chewie-20131003-bin100ms-vel5"
SMALL = SwapVaeConfig(
    hidden=12, latent=8, style=3, max_jitter=2, batch_size=16, n_epochs=3, learning_rate=1e-3
)


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def normal(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=rng(seed), dtype=torch.float64)


def counts(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.poisson(torch.full(shape, 1.5, dtype=torch.float64), generator=rng(seed))


@pytest.fixture(scope="module")
def small_reach():
    return reach.simulate(n_trials=48, n_neurons=20, seed=3)


@pytest.fixture(scope="module")
def small_run(small_reach):
    bins = Bins.of(small_reach.rates, trial=small_reach.trial)
    return swap_vae.train(bins, SMALL)


def given(seed: int = 0, dtype=torch.float64):
    """Random tensors for every argument of `swap_vae_loss`."""
    views = tuple(counts(6, 5, seed=seed + i) for i in range(2))
    rebuilt, swapped = (
        tuple(normal(6, 5, seed=seed + 10 * j + i).abs() for i in range(2)) for j in (1, 2)
    )
    latents = tuple(
        losses.Latents(*(normal(6, width, seed=seed + 40 + 3 * i + k) for k, width in enumerate(w)))
        for i, w in enumerate([(4, 3, 3)] * 2)
    )
    return views, rebuilt, swapped, latents


# --- equations ------------------------------------------------------------------------------


def slow_poisson(x, predicted) -> float:
    total = 0.0
    for b in range(len(x)):
        for n in range(len(x[b])):
            p = float(predicted[b][n])
            total += p - float(x[b][n]) * math.log(p + 1e-7)
    return total / len(x)


def slow_kl(mean, log_variance) -> float:
    total = 0.0
    for b in range(len(mean)):
        for k in range(len(mean[b])):
            m, v = float(mean[b][k]), float(log_variance[b][k])
            total += -0.5 * (1 + v - m * m - math.exp(v))
    return total / len(mean)


def slow_alignment(first, second) -> float:
    total = 0.0
    for a, b in zip(first.tolist(), second.tolist(), strict=True):
        length_a, length_b = math.sqrt(sum(v * v for v in a)), math.sqrt(sum(v * v for v in b))
        total += sum((v / length_a - w / length_b) ** 2 for v, w in zip(a, b, strict=True))
    return total / len(first)


@oracle("eq-swap-vae-poisson")
def test_equation_poisson(module=losses):
    x, predicted = counts(7, 5), normal(7, 5, seed=1).abs()
    assert relative_error(module.poisson_loss(x, predicted), slow_poisson(x, predicted)) < 1e-12


@oracle("eq-swap-vae-kl")
def test_equation_kl(module=losses):
    mean, log_variance = normal(7, 4), normal(7, 4, seed=1)
    fast = module.kl_divergence(mean, log_variance)
    assert relative_error(fast, slow_kl(mean, log_variance)) < 1e-12


@oracle("eq-swap-vae-alignment")
def test_equation_alignment(module=losses):
    first, second = normal(7, 4), normal(7, 4, seed=1)
    fast = module.alignment_loss(first, second)
    assert relative_error(fast, slow_alignment(first, second)) < 1e-12


@oracle("eq-swap-vae-total")
def test_equation_total(module=losses):
    (x_1, x_2), rebuilt, swapped, (one, two) = arguments = given()
    slow = {
        "reconstruction": 0.5 * (slow_poisson(x_1, rebuilt[0]) + slow_poisson(x_2, rebuilt[1])),
        "swap": 0.5 * (slow_poisson(x_1, swapped[0]) + slow_poisson(x_2, swapped[1])),
        "kl": 0.5 * (slow_kl(one.mean, one.log_variance) + slow_kl(two.mean, two.log_variance)),
        "alignment": slow_alignment(one.content, two.content),
    }
    fast = module.swap_vae_loss(*arguments, kl_weight=7.0, alignment_weight=3.0)
    for name, value in slow.items():
        assert relative_error(getattr(fast, name), value) < 1e-12
    total = slow["swap"] + slow["reconstruction"] + 7 * slow["kl"] + 3 * slow["alignment"]
    assert relative_error(fast.total, total) < 1e-12


# The eight totals of the paper's code, written out: (reconstruction, swap, KL, alignment).
WRITTEN_OUT = {
    "full": lambda r, s, k, a: s + r + 10 * k + a,
    "like a beta-VAE": lambda r, s, k, a: 2 * r + 10 * k,
    "like a VAE": lambda r, s, k, a: 2 * r + 2 * k,
    "no alignment": lambda r, s, k, a: s + r + 10 * k,
    "no swap": lambda r, s, k, a: 2 * r + 10 * k + a,
    "swap only": lambda r, s, k, a: 2 * s + 10 * k,
    "no decoder": lambda r, s, k, a: 10 * k + a,
    "alignment only": lambda r, s, k, a: a,
}


@pytest.mark.parametrize("name", losses.ABLATIONS)
def test_ablations_are_those_of_the_code(name):
    out = losses.swap_vae_loss(*given(), weights=losses.ABLATIONS[name])
    assert relative_error(out.total, WRITTEN_OUT[name](*(float(v) for v in out[:4]))) < 1e-12


@oracle("eq-swap-vae-sample")
def test_equation_sample(module=model):
    mean, log_variance, noise = (normal(5, 3, seed=s) for s in range(3))
    slow = [
        [float(m) + math.sqrt(math.exp(float(v))) * float(e) for m, v, e in zip(*row, strict=True)]
        for row in zip(mean, log_variance, noise, strict=True)
    ]
    assert relative_error(module.sample_style(mean, log_variance, noise), slow) < 1e-12


@oracle("eq-swap-vae-swap")
def test_equation_swap(module=model):
    first, second = normal(5, 7), normal(5, 7, seed=1)
    mixed = module.block_swap(first, second, 4)
    for b in range(5):
        for k in range(7):
            sources = (second, first) if k < 4 else (first, second)
            assert mixed[0][b, k] == sources[0][b, k]
            assert mixed[1][b, k] == sources[1][b, k]


@oracle("eq-swap-vae-pairs")
def test_equation_pairs(module=pairs):
    trial = torch.tensor([3, 3, 3, 3, 7, 7, 1, 1, 1, 1, 1])
    for most in (0, 1, 2, 5):
        slow = [
            [i, j]
            for i in range(11)
            for j in range(11)
            if trial[i] == trial[j] and abs(j - i) <= most
        ]
        assert module.list_pairs(trial, most).tolist() == slow


@oracle("eq-swap-vae-deviance")
def test_equation_deviance(module=experiments):
    draw = np.random.default_rng(0)
    x = draw.poisson(1.0, (6, 4)).astype(float)
    predicted, mean = draw.uniform(0.2, 3, (6, 4)), draw.uniform(0.5, 2, 4)

    def slow(prediction) -> float:
        total = 0.0
        for b in range(6):
            for n in range(4):
                v, p = x[b, n], prediction[b][n]
                total += 2 * ((v * math.log(v / p) if v > 0 else 0) - (v - p))
        return total

    literal = 1 - slow(predicted) / slow([mean] * 6)
    assert relative_error(module.deviance_explained(x, predicted, mean), literal) < 1e-5
    assert module.deviance_explained(x, x, mean) == pytest.approx(1, abs=1e-5)
    assert module.deviance_explained(x, np.tile(mean, (6, 1)), mean) == pytest.approx(0, abs=1e-12)


# --- losses -----------------------------------------------------------------------------------


def test_poisson_agrees_with_pytorch_and_is_least_at_the_truth():
    x, predicted = counts(8, 6), normal(8, 6, seed=1).abs()
    torch_loss = nn.functional.poisson_nll_loss(
        predicted, x, log_input=False, reduction="sum", eps=1e-7
    )
    assert relative_error(losses.poisson_loss(x, predicted), torch_loss / 8) < 1e-12
    x = x + 0.5
    best = losses.poisson_loss(x, x)
    for factor in (0.9, 0.99, 1.01, 1.1):
        assert losses.poisson_loss(x, factor * x) > best


def test_a_decoder_that_says_zero_does_not_make_nan():
    assert losses.poisson_loss(torch.zeros(2, 3), torch.zeros(2, 3)) == 0
    assert losses.poisson_loss(torch.ones(2, 3), torch.zeros(2, 3)).isfinite()


def test_kl_of_known_gaussians():
    zero = torch.zeros(4, 64)
    assert losses.kl_divergence(zero, zero) == 0
    assert losses.kl_divergence(torch.ones(4, 64), zero).item() == pytest.approx(32)
    mean, log_variance = normal(9, 5), normal(9, 5, seed=1)
    theirs = torch.distributions.kl_divergence(
        torch.distributions.Normal(mean, (log_variance / 2).exp()),
        torch.distributions.Normal(torch.zeros(9, 5).double(), torch.ones(9, 5).double()),
    )
    assert relative_error(losses.kl_divergence(mean, log_variance), theirs.sum(1).mean()) < 1e-12


def test_alignment_ignores_length_and_ends_at_four():
    a, b = normal(6, 4), normal(6, 4, seed=1)
    assert (
        relative_error(losses.alignment_loss(3 * a, 0.1 * b), losses.alignment_loss(a, b)) < 1e-12
    )
    assert losses.alignment_loss(a, 2 * a).item() == pytest.approx(0, abs=1e-15)
    assert losses.alignment_loss(a, -5 * a).item() == pytest.approx(4)
    cosine = nn.functional.cosine_similarity(a, b).mean()
    assert losses.alignment_loss(a, b).item() == pytest.approx(2 - 2 * cosine.item())


def test_the_total_does_not_care_which_view_comes_first():
    arguments = given()
    forwards = losses.swap_vae_loss(*arguments)
    backwards = losses.swap_vae_loss(*(pair[::-1] for pair in arguments))
    for one, other in zip(forwards, backwards, strict=True):
        assert relative_error(one, other) < 1e-12


def test_the_model_is_symmetric_in_the_views():
    net = swap_vae.SwapVAE(5, SMALL).double()
    views, noise = (counts(8, 5), counts(8, 5, seed=1)), (normal(8, 3), normal(8, 3, seed=1))
    one = net.loss(*views, noise)
    other = net.loss(*views[::-1], noise[::-1])
    assert relative_error(one.total, other.total) < 1e-12


def test_a_tenth_of_the_rates_is_a_tenth_of_the_weight():
    """Counts instead of Hz rescale reconstruction against KL by the width of a bin."""
    x, predicted = counts(6, 5), normal(6, 5, seed=1).abs() + 0.1
    # The loss also moves by a constant of the data, which no prediction changes.
    constant = float(0.1 * x.sum() / 6 * math.log(10))
    tenth = losses.poisson_loss(0.1 * x, 0.1 * predicted)
    whole = losses.poisson_loss(x, predicted)
    assert tenth.item() == pytest.approx(0.1 * whole.item() + constant, abs=1e-5)


# --- model ------------------------------------------------------------------------------------


def literal_layers(sizes: list[int], n_outputs: int) -> list[nn.Module]:
    layers: list[nn.Module] = []
    for n_in, n_out in zip(sizes, sizes[1:], strict=False):
        layers += [nn.Linear(n_in, n_out), nn.BatchNorm1d(n_out), nn.ReLU()]
    return [*layers, nn.Linear(sizes[-1], n_outputs)]


class Literal(nn.Module):
    """The published model layer by layer: six separate calls, plain batch normalisation."""

    def __init__(self, n: int, hidden: int, latent: int, style: int):
        super().__init__()
        self.latent, self.style = latent, style
        self.encoder = nn.Sequential(*literal_layers([n, n, hidden], latent + style))
        self.decoder = nn.Sequential(*literal_layers([latent, hidden, n], n), nn.Softplus())

    def loss(self, x_1, x_2, e_1, e_2, alpha, beta):
        c_size = self.latent - self.style
        cut = []
        for x in (x_1, x_2):
            y = self.encoder(x)
            cut.append((y[:, :c_size], y[:, c_size : self.latent], y[:, self.latent :]))
        (c_1, m_1, l_1), (c_2, m_2, l_2) = cut
        s_1, s_2 = m_1 + torch.exp(0.5 * l_1) * e_1, m_2 + torch.exp(0.5 * l_2) * e_2

        def nll(x, c, s):
            rate = self.decoder(torch.cat([c, s], 1))
            return (rate - x * torch.log(rate + 1e-7)).sum(1).mean()

        swap = 0.5 * (nll(x_1, c_2, s_1) + nll(x_2, c_1, s_2))
        own = 0.5 * (nll(x_1, c_1, s_1) + nll(x_2, c_2, s_2))
        kl = 0.5 * sum(
            (-0.5 * (1 + v - m**2 - v.exp())).sum(1).mean() for m, v in ((m_1, l_1), (m_2, l_2))
        )
        unit = [c / c.norm(dim=1, keepdim=True) for c in (c_1, c_2)]
        align = ((unit[0] - unit[1]) ** 2).sum(1).mean()
        return swap + own + alpha * kl + beta * align


@pytest.mark.parametrize("ours_from", ["seed", "outside"])
def test_training_is_that_of_the_literal_model(ours_from):
    """Stacked calls give the same loss, gradients and running statistics as six separate ones."""
    ours = swap_vae.SwapVAE(9, SMALL, seed=1).double()
    literal = Literal(9, SMALL.hidden, SMALL.latent, SMALL.style).double()
    if ours_from == "seed":
        literal.load_state_dict(ours.state_dict())
    else:
        ours.load_state_dict(literal.state_dict())
    for step in range(2):
        x_1, x_2 = counts(16, 9, seed=step), counts(16, 9, seed=step + 9)
        e_1, e_2 = normal(16, 3, seed=step), normal(16, 3, seed=step + 9)
        mine = ours.loss(x_1, x_2, (e_1, e_2)).total
        theirs = literal.loss(x_1, x_2, e_1, e_2, 10.0, 1.0)
        assert relative_error(mine, theirs) < 1e-12
        for net, loss in ((ours, mine), (literal, theirs)):
            net.zero_grad()
            loss.backward()
            with torch.no_grad():
                for p in net.parameters():
                    p -= 1e-3 * p.grad
        for name, value in literal.state_dict().items():
            error = (ours.state_dict()[name] - value).abs().max()
            assert error < 1e-9, name
    ours.eval(), literal.eval()
    y = literal.encoder(x_1)
    assert relative_error(ours.represent(x_1), y[:, : SMALL.latent]) < 1e-12


@pytest.mark.parametrize(
    ("n", "config"), [(163, SwapVaeConfig()), (100, SwapVaeConfig.synthetic())]
)
def test_parameter_counts_at_the_published_sizes(n, config):
    h, total, style = config.hidden, config.latent, config.style
    norm = 2 * n + 2 * h
    encoder = n * n + n + n * h + h + h * (total + style) + (total + style) + norm
    decoder = total * h + h + h * n + n + n * n + n + norm
    net = swap_vae.SwapVAE(n, config)
    assert sum(p.numel() for p in net.encoder.parameters()) == encoder
    assert sum(p.numel() for p in net.decoder.parameters()) == decoder
    twice = swap_vae.VAE(n, config)
    assert twice.encoder[-1].out_features == 2 * total


def test_initial_weights():
    net = swap_vae.SwapVAE(163)
    for layer in net.modules():
        if isinstance(layer, nn.Linear):
            assert (layer.bias == 0).all()
            sd = math.sqrt(2 / layer.in_features)
            assert layer.weight.std().item() == pytest.approx(sd, rel=0.05)
        if isinstance(layer, nn.BatchNorm1d):
            assert (layer.weight == 1).all()
            assert (layer.bias == 0).all()
            assert (layer.eps, layer.momentum) == (1e-5, 0.1)
    same = swap_vae.SwapVAE(163, seed=0)
    assert torch.equal(net.encoder[0].weight, same.encoder[0].weight)
    assert not torch.equal(net.encoder[0].weight, swap_vae.SwapVAE(163, seed=1).encoder[0].weight)


def test_the_callers_random_numbers_are_left_alone():
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    swap_vae.SwapVAE(9, SMALL)
    assert torch.rand(1) == expected


def test_blocks_are_cut_in_the_order_of_the_code():
    net = swap_vae.SwapVAE(6, SMALL).double().eval()
    x = counts(4, 6)
    with torch.no_grad():
        y, latents = net.encoder(x), net.encode(x)
    assert torch.equal(latents.content, y[:, :5])
    assert torch.equal(latents.mean, y[:, 5:8])
    assert torch.equal(latents.log_variance, y[:, 8:])
    assert torch.equal(net.represent(x), y[:, :8])


def test_without_jitter_swapping_changes_nothing():
    """K = 0 and no dropout: two equal views, so the swap gives back the reconstruction."""
    trial = torch.tensor([0, 0, 0, 1, 1])
    rows = swap_vae.list_pairs(trial, 0)
    assert torch.equal(rows[:, 0], rows[:, 1])
    net = swap_vae.SwapVAE(6, SMALL).double()
    x, noise = counts(9, 6), normal(9, 3)
    views = swap_vae.make_views(x, x, SMALL)
    assert torch.equal(*views)
    out = net.loss(*views, (noise, noise))
    assert out.alignment.item() == pytest.approx(0, abs=1e-14)
    assert out.swap.item() == pytest.approx(out.reconstruction.item())


def test_swapping_twice_is_the_identity():
    a, b = normal(4, 9), normal(4, 9, seed=1)
    again = swap_vae.block_swap(*swap_vae.block_swap(a, b, 5), 5)
    assert torch.equal(again[0], a)
    assert torch.equal(again[1], b)


def test_representing_and_generating_change_nothing(small_run, small_reach):
    before = {k: v.clone() for k, v in small_run.model.state_dict().items()}
    small_run.model.train()
    content, style = small_run.blocks(small_reach.rates)
    rates = small_run.model.generate(content, style)
    assert small_run.model.training
    assert (rates >= 0).all()
    for name, value in small_run.model.state_dict().items():
        assert torch.equal(value, before[name])
    both = small_run.embed(small_reach.rates)
    np.testing.assert_array_equal(np.hstack([content.numpy(), style.numpy()]), both)


def test_vae_loss_is_the_elbo():
    net = swap_vae.VAE(6, SMALL).double()
    x, noise = counts(9, 6), normal(9, 8)
    out = net.loss(x, noise, kl_weight=4.0)
    net.load_state_dict(swap_vae.VAE(6, SMALL).double().state_dict())
    mean, log_variance = net.encoder(x).split(8, dim=1)
    rate = net.decoder(mean + torch.exp(log_variance / 2) * noise)
    slow = slow_poisson(x, rate.detach()) + 4 * slow_kl(mean.detach(), log_variance.detach())
    assert relative_error(out.total, slow) < 1e-9


# --- pairs and views --------------------------------------------------------------------------


def test_pair_lists_of_known_length():
    four = torch.zeros(4, dtype=torch.int64)
    assert len(swap_vae.list_pairs(four, 3)) == 16
    both = torch.tensor([0] * 5 + [1] * 3)
    found = swap_vae.list_pairs(both, 2)
    assert len(found) == 19 + 9
    assert torch.equal(both[found[:, 0]], both[found[:, 1]])


def test_a_batch_has_no_pair_twice_and_all_are_equally_likely():
    rows = swap_vae.list_pairs(torch.tensor([0] * 4 + [1] * 2), 3)
    seen = torch.zeros(6, 6)
    draws = rng()
    for _ in range(4000):
        one, two = swap_vae.draw_pairs(rows, 5, generator=draws)
        assert len({(int(a), int(b)) for a, b in zip(one, two, strict=True)}) == 5
        seen[one, two] += 1
    expected = 4000 * 5 / 20
    inside = seen[rows[:, 0], rows[:, 1]]
    assert seen.sum() == inside.sum()
    chi_square = ((inside - expected) ** 2 / expected).sum()
    assert chi_square < 43.8  # 0.999 quantile with 19 degrees of freedom


@pytest.mark.parametrize("shared", [False, True])
def test_dropout_of_pairs(shared):
    config = replace(SMALL, dropout_max=0.6, dropout_shared=shared)
    ones = torch.ones(400, 50)
    a, b = swap_vae.make_views(ones, ones, config, generator=rng())
    assert torch.equal(a, b) == shared
    assert set(a.unique().tolist()) == {0.0, 1.0}
    assert 1 - a.mean().item() == pytest.approx(0.3, abs=0.03)


# --- training ---------------------------------------------------------------------------------


def test_training_lowers_the_loss_and_repeats_itself(small_reach, small_run):
    bins = Bins.of(small_reach.rates, trial=small_reach.trial)
    again = swap_vae.train(bins, SMALL)
    np.testing.assert_array_equal(
        small_run.history.metrics["total"], again.history.metrics["total"]
    )
    values = again.history.metrics["total"]
    assert values[-10:].mean() < values[:10].mean()
    assert len(values) == SMALL.n_steps(len(bins.rates)) == 3 * (len(bins.rates) // 16)


def test_methods_with_one_seed_see_the_same_pairs(small_reach):
    bins = Bins.of(small_reach.rates, trial=small_reach.trial)
    runs = [swap_vae.Training(bins, SMALL, method=m) for m in ("full", "no swap", "no decoder")]
    first = [run.step(0) for run in runs]
    assert first[0]["reconstruction"] == first[1]["reconstruction"] == first[2]["reconstruction"]
    assert first[0]["total"] != first[1]["total"]


def test_a_broken_run_goes_on(small_reach, tmp_path):
    bins = Bins.of(small_reach.rates, trial=small_reach.trial)
    whole = swap_vae.Training(bins, SMALL, seed=4)
    whole.fit()
    half = swap_vae.Training(bins, SMALL, seed=4)
    half.n_steps = 10
    half.fit(checkpoint=tmp_path / "a.pt")
    rest = swap_vae.Training(bins, SMALL, seed=4)
    rest.fit(checkpoint=tmp_path / "a.pt")
    np.testing.assert_array_equal(whole.history.metrics["total"], rest.history.metrics["total"])
    np.testing.assert_array_equal(whole.embed(small_reach.rates), rest.embed(small_reach.rates))


def test_plain_vaes_train(small_reach):
    bins = Bins.of(small_reach.rates, trial=small_reach.trial)
    run = swap_vae.train(bins, SMALL, method="beta-VAE")
    assert run.embed(small_reach.rates).shape == (small_reach.n_bins, SMALL.latent)
    values = run.history.metrics["total"]
    assert values[-10:].mean() < values[:10].mean()
    with pytest.raises(TypeError, match="no content and style"):
        run.blocks(small_reach.rates)


def test_a_study_holds_every_number(small_reach):
    found, runs = swap_vae.study(
        small_reach, replace(SMALL, n_epochs=1), splits=[0, None], methods=["raw", "full", "VAE"]
    )
    assert found.runs == ((0, 0), (None, 0))
    assert set(runs) == {(m, s, 0) for m in ("full", "VAE") for s in (0, None)}
    full = found.readings["full", 0, 0]
    assert all(np.isfinite(value) for value in full)
    assert np.isfinite(found.of("VAE", "full")).all()
    assert np.isnan(found.of("raw", "style")).all()
    for words in (("none", "full"), ("full", "none")):
        with pytest.raises(ValueError, match="known"):
            found.of(*words)
    with pytest.raises(ValueError, match="unknown methods"):
        swap_vae.study(small_reach, SMALL, splits=[0], methods=["PCA"])


# --- read-outs --------------------------------------------------------------------------------


def test_accuracies_of_known_predictions():
    direction = np.repeat(np.arange(8), 1000)
    angle = 2 * np.pi * direction / 8
    assert decoding.direction_accuracy(angle, direction) == (1, 1)
    assert decoding.direction_accuracy(angle + 0.4, direction) == (0, 1)
    assert decoding.direction_accuracy(angle - 2 * np.pi + 0.1, direction) == (1, 1)
    guess = np.random.default_rng(0).uniform(-np.pi, np.pi, 8000)
    found = decoding.direction_accuracy(guess, direction)
    for share, chance in zip(found, (1 / 8, 3 / 16), strict=True):
        assert abs(share - chance) < 3 * math.sqrt(chance * (1 - chance) / 8000)


def test_progress_runs_from_nought_towards_one():
    trial, place = np.array([0, 0, 0, 0, 1, 1, 1]), np.array([0, 1, 2, 3, 0, 2, 4])
    np.testing.assert_allclose(
        swap_vae.trial_progress(trial, place), [0, 0.25, 0.5, 0.75, 0, 0.4, 0.8]
    )


def test_partners_are_what_they_are_called(small_reach):
    mask = small_reach.trial < 32
    found = swap_vae.find_partners(small_reach, mask, seed=1)
    assert mask[np.concatenate(found)].all()
    assert (small_reach.trial[found.same_trial] == small_reach.trial[found.rows]).all()
    assert (found.same_trial != found.rows).all()
    turn = (small_reach.direction[found.opposite] - small_reach.direction[found.rows]) % 8
    assert (turn == 4).all()
    one_trial = small_reach.trial == 0
    with pytest.raises(ValueError, match="both partners"):
        swap_vae.find_partners(small_reach, one_trial)


def test_ramps_thin_the_untuned_neurons_only():
    plain = reach.simulate(n_trials=400, n_neurons=40, seed=0)
    tuned = reach.tuning(40, seed=0).tuned
    ramped = swap_vae.with_ramps(plain, tuned, depth=0.8, seed=0)
    np.testing.assert_array_equal(plain.spikes[:, tuned], ramped.spikes[:, tuned])
    progress = swap_vae.trial_progress(plain.trial, plain.bin_in_trial)
    fading, rising = np.flatnonzero(~tuned)[0::2], np.flatnonzero(~tuned)[1::2]
    for neurons, kept in ((fading, 1 - 0.8 * progress), (rising, 0.2 + 0.8 * progress)):
        late = progress > 0.6
        share = ramped.spikes[late][:, neurons].sum() / plain.spikes[late][:, neurons].sum()
        assert share == pytest.approx(kept[late].mean(), abs=0.03)


def test_chewie_has_the_published_shape():
    session = reach.load(recording(CHEWIE))
    trial = session.trial
    names = np.unique(trial)
    cut = math.floor(0.8 * len(names))
    train = trial < cut
    assert (cut, len(names) - cut) == (127, 32)
    assert (train.sum(), (~train).sum()) == (1332, 308)
    fast = swap_vae.moving(session)
    assert ((train & fast).sum(), (~train & fast).sum()) == (734, 161)
    run = swap_vae.Training(Bins.of(session.rates, trial=trial, mask=train), SwapVaeConfig())
    assert run.kept.sum() == 163
    assert run.n_steps == 1125
    split = decoding.split_trials(trial, fractions=swap_vae.SPLIT)
    np.testing.assert_array_equal(split.train | split.validation, train)
    assert fast.sum() == reach.load(recording(CHEWIE_FAST)).n_bins


# --- planted bugs -----------------------------------------------------------------------------


BUGS = {
    "a sign of the KL": (losses, "- 1 - log_variance", "- 1 + log_variance", test_equation_kl),
    "a mean over neurons": (losses, ").sum() / len(rates)", ").mean()", test_equation_poisson),
    "no unit length": (
        losses,
        "F.normalize(content_1, dim=1)",
        "content_1",
        test_equation_alignment,
    ),
    "swap counted as reconstruction": (
        losses,
        "swap = (_poisson(x_1, swapped[0])",
        "swap = (_poisson(x_1, reconstructed[0])",
        test_equation_total,
    ),
    "style swapped instead of content": (
        model,
        "torch.cat([content_2, style_1], 1)",
        "torch.cat([content_1, style_2], 1)",
        test_equation_swap,
    ),
    "variance for standard deviation": (
        model,
        "(log_variance / 2).exp()",
        "log_variance.exp()",
        test_equation_sample,
    ),
    "pairs across trials": (
        pairs,
        "inside &= block[partner.clamp(0, len(block) - 1)] == block[:, None]",
        "inside &= True",
        test_equation_pairs,
    ),
    "deviance of the mean forgotten": (
        experiments,
        "np.broadcast_to(mean, rates.shape)",
        "np.broadcast_to(mean.mean(), rates.shape)",
        test_equation_deviance,
    ),
}


@pytest.mark.parametrize("bug", BUGS)
def test_planted_bugs_are_found(bug):
    module, old, new, test = BUGS[bug]
    with planted(module, old, new) as broken, pytest.raises(AssertionError):
        test(broken)


def test_a_model_that_never_swaps_is_found():
    """The one bug that no equation sees: the loss is right, the mixed latents are not."""
    with planted(model, "*mixed, own_1, own_2]", "own_1, own_2, own_1, own_2]") as broken:
        torch.manual_seed(0)
        net = broken.SwapVAE(5, SMALL).double()
        views, noise = (counts(8, 5), counts(8, 5, seed=1)), (normal(8, 3), normal(8, 3, seed=1))
        out = net.loss(*views, noise)
        assert out.swap == out.reconstruction
    right = swap_vae.SwapVAE(5, SMALL).double().loss(*views, noise)
    assert right.swap != right.reconstruction


# --- bad input --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "error", "words"),
    [
        ({"style": 128}, ValueError, "smaller than latent"),
        ({"style": 200}, ValueError, "smaller than latent"),
        ({"latent": 1.5}, TypeError, "latent"),
        ({"batch_size": 1}, ValueError, "batch_size"),
        ({"max_jitter": -1}, ValueError, "max_jitter"),
        ({"dropout_max": 1.2}, ValueError, "dropout_max"),
        ({"kl_weight": math.inf}, ValueError, "kl_weight"),
        ({"alignment_weight": -1.0}, ValueError, "alignment_weight"),
        ({"learning_rate": 0.0}, ValueError, "learning_rate"),
        ({"batchnorm_momentum": 0.0}, ValueError, "batchnorm_momentum"),
        ({"n_epochs": True}, TypeError, "n_epochs"),
    ],
)
def test_impossible_configurations(values, error, words):
    with pytest.raises(error, match=words):
        replace(SwapVaeConfig(), **values)


def test_bad_losses(unchecked):
    x = torch.ones(3, 2)
    with pytest.raises(ValueError, match="one shape"):
        losses.poisson_loss(x, torch.ones(3, 4))
    with pytest.raises(ValueError, match="negative"):
        losses.poisson_loss(-x, x)
    with pytest.raises(ValueError, match="predicted holds NaN"):
        losses.poisson_loss(x, x * math.nan)
    with pytest.raises(TypeError, match="floating-point"):
        losses.kl_divergence(x.int(), x)
    with pytest.raises(ValueError, match="one shape"):
        losses.kl_divergence(x, torch.ones(2, 2))
    with pytest.raises(ValueError, match="one shape"):
        losses.alignment_loss(x, torch.ones(3, 3))
    views, rebuilt, swapped, latents = given()
    with pytest.raises(ValueError, match="kl_weight"):
        losses.swap_vae_loss(views, rebuilt, swapped, latents, kl_weight=-1)
    with pytest.raises(ValueError, match="one shape"):
        losses.swap_vae_loss(views, tuple(v[:, :3] for v in rebuilt), swapped, latents)
    with pytest.raises(ValueError, match="negative"):
        losses.swap_vae_loss((-views[0], views[1]), rebuilt, swapped, latents)
    with pytest.raises(ValueError, match="NaN"):
        losses.swap_vae_loss(views, (rebuilt[0] * math.nan, rebuilt[1]), swapped, latents)


def test_bad_input_of_the_networks(unchecked):
    net = swap_vae.SwapVAE(6, SMALL)
    with pytest.raises(ValueError, match="at least 1"):
        swap_vae.SwapVAE(0, SMALL)
    with pytest.raises(ValueError, match="6 neurons"):
        net.encode(torch.ones(4, 5))
    with pytest.raises(ValueError, match="negative"):
        net.encode(-torch.ones(4, 6))
    with pytest.raises(ValueError, match="BatchNorm"):
        net.encode(torch.ones(1, 6))
    with pytest.raises(ValueError, match="NaN"):
        net.encode(torch.full((4, 6), math.nan))
    with pytest.raises(ValueError, match="paired"):
        net(torch.ones(4, 6), torch.ones(5, 6), (torch.ones(4, 3), torch.ones(4, 3)))
    with pytest.raises(ValueError, match="8 columns"):
        net.decode(torch.ones(4, 7))
    with pytest.raises(ValueError, match="one shape"):
        swap_vae.sample_style(torch.ones(2, 3), torch.ones(2, 3), torch.ones(2, 4))
    with pytest.raises(ValueError, match="one shape"):
        swap_vae.block_swap(torch.ones(2, 3), torch.ones(2, 4), 1)
    with pytest.raises(ValueError, match="n_content"):
        swap_vae.block_swap(torch.ones(2, 3), torch.ones(2, 3), 3)


def test_bad_pairs(unchecked):
    with pytest.raises(ValueError, match="not contiguous"):
        swap_vae.list_pairs(torch.tensor([0, 0, 1, 0]), 2)
    with pytest.raises(ValueError, match="max_jitter"):
        swap_vae.list_pairs(torch.tensor([0, 0]), -1)
    rows = swap_vae.list_pairs(torch.tensor([0, 0]), 1)
    with pytest.raises(ValueError, match="number of pairs"):
        swap_vae.draw_pairs(rows, 5)
    with pytest.raises(ValueError, match="paired"):
        swap_vae.make_views(torch.ones(3, 2), torch.ones(2, 2), SMALL)


def test_bad_training(small_reach, small_run, unchecked):
    bins = Bins.of(small_reach.rates, trial=small_reach.trial)
    with pytest.raises(ValueError, match="method must be"):
        swap_vae.Training(bins, SMALL, method="PCA")
    with pytest.raises(ValueError, match="larger than the data"):
        swap_vae.Training(bins, replace(SMALL, batch_size=100_000))
    with pytest.raises(ValueError, match="no neuron varies"):
        swap_vae.Training(Bins.of(np.ones((40, 3))), SMALL)
    with pytest.raises(ValueError, match="not be negative"):
        Bins.of(-small_reach.rates, trial=small_reach.trial)
    with pytest.raises(ValueError, match="not contiguous"):
        Bins.of(small_reach.rates, trial=small_reach.trial[::-1] % 5)
    with pytest.raises(ValueError, match="all neurons"):
        small_run.embed(small_reach.rates[:, :4])


def test_bad_read_outs(small_reach, unchecked):
    ones = np.ones((3, 2))
    with pytest.raises(ValueError, match="one shape"):
        swap_vae.deviance_explained(ones, np.ones((3, 4)), np.ones(2))
    with pytest.raises(ValueError, match="finite and >= 0"):
        swap_vae.deviance_explained(ones, -ones, np.ones(2))
    with pytest.raises(ValueError, match="nothing to explain"):
        swap_vae.deviance_explained(0 * ones, ones, np.zeros(2))
    with pytest.raises(ValueError, match="one length"):
        swap_vae.trial_progress(np.zeros(3, int), np.zeros(4, int))
    with pytest.raises(ValueError, match="depth"):
        swap_vae.with_ramps(small_reach, np.ones(20, bool), depth=1.5)
    with pytest.raises(ValueError, match="tuned"):
        swap_vae.with_ramps(small_reach, np.ones(3, bool))
