"""MYOW: equations against literal transcriptions, mining against scikit-learn, planted bugs."""

from __future__ import annotations

import math
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn.neighbors import NearestNeighbors
from torch.nn import functional as F

from neurotutor import decoding
from neurotutor.data import reach, sleep
from neurotutor.representations import myow
from neurotutor.representations.myow import MyowConfig, experiments, model, pretraining, views
from neurotutor.representations.myow import config as config_module
from neurotutor.teaching import claims
from tests.harness import oracle, planted, recording, relative_error

CHEWIE = "reach/chewie-20131003-bin100ms-vel5"
SMALL = MyowConfig(
    hidden=(16, 16),
    representation=8,
    head_hidden=32,
    mined_projection=4,
    batch_size=32,
    n_steps=30,
    learning_rate=2e-3,
    batchnorm_momentum=0.1,
)


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=rng(seed), dtype=torch.float64)


@pytest.fixture(scope="module")
def small_reach():
    return reach.simulate(n_trials=24, n_neurons=30, seed=3)


@pytest.fixture(scope="module")
def small_bins(small_reach):
    return myow.Bins.of(small_reach.rates, trial=small_reach.trial)


# --- equations ------------------------------------------------------------------------------


def slow_distance(a, b) -> float:
    """1 - cos of two vectors, with loops."""
    dot = sum(x * y for x, y in zip(a, b, strict=True))
    return 1 - dot / math.sqrt(sum(x * x for x in a)) / math.sqrt(sum(x * x for x in b))


@oracle("eq-myow-distance")
def test_equation_distance(module=model):
    a, b = random(7, 5), random(7, 5, seed=1)
    slow = [slow_distance(x, y) for x, y in zip(a.tolist(), b.tolist(), strict=True)]
    assert relative_error(module.cosine_distance(a, b), slow) < 1e-12


@oracle("eq-myow-augmented")
def test_equation_augmented(module=model):
    q_1, z_2, q_2, z_1 = (random(6, 4, seed=s) for s in range(4))
    total = 0.0
    for i in range(6):
        total += slow_distance(q_1[i].tolist(), z_2[i].tolist()) / 2
        total += slow_distance(q_2[i].tolist(), z_1[i].tolist()) / 2
    assert relative_error(module.byol_loss(q_1, z_2, q_2, z_1), total / 6) < 1e-12


@oracle("eq-myow-mined")
def test_equation_mined(module=model):
    r, v = random(6, 4), random(6, 4, seed=1)
    slow = sum(slow_distance(a, b) for a, b in zip(r.tolist(), v.tolist(), strict=True)) / 6
    assert relative_error(module.mined_loss(r, v), slow) < 1e-12


@oracle("eq-myow-total")
def test_equation_total(module=model):
    augmented, mined = torch.tensor(0.3).double(), torch.tensor(0.8).double()
    for weight in (0.0, 0.2, 0.5, 1.0):
        slow = (1 - weight) * 0.3 + weight * 0.8
        assert relative_error(module.total_loss(augmented, mined, weight), slow) < 1e-6


@oracle("eq-myow-ema")
def test_equation_ema(module=model):
    config = replace(SMALL, ema_decay=0.98)
    target, online = (module.BYOL(9, config, seed=s).double().encoder for s in (0, 1))
    before = {name: p.detach().clone() for name, p in target.named_parameters()}
    buffers = {name: b.clone() for name, b in target.named_buffers()}
    module.ema_update(target, online, 0.98)
    for name, parameter in target.named_parameters():
        theta = online.get_parameter(name).detach().flatten().tolist()
        slow = [
            0.98 * x + (1 - 0.98) * t for x, t in zip(before[name].flatten(), theta, strict=True)
        ]
        assert relative_error(parameter.flatten(), slow) < 1e-12
    for name, buffer in target.named_buffers():
        assert torch.equal(buffer, buffers[name])


def slow_neighbours(anchors, candidates, k, eligible):
    """The k nearest eligible candidates of each anchor, by sorting all of them."""
    found = []
    for i, anchor in enumerate(anchors.tolist()):
        ranked = sorted(
            (slow_distance(anchor, candidate), j)
            for j, candidate in enumerate(candidates.tolist())
            if eligible[i, j]
        )
        found.append([j for _, j in ranked[:k]])
    return found


@oracle("eq-myow-mining")
def test_equation_mining(module=model):
    anchors, candidates = random(12, 5), random(20, 5, seed=1)
    eligible = torch.rand(12, 20, generator=rng(2)) < 0.6
    slow = slow_neighbours(anchors, candidates, 4, eligible)
    fast = module.nearest_neighbours(anchors, candidates, 4, eligible=eligible)
    assert relative_error(fast, slow) == 0
    for seed in range(20):
        picks = module.mine_views(anchors, candidates, 4, eligible=eligible, generator=rng(seed))
        assert all(int(pick) in row for pick, row in zip(picks, slow, strict=True))


@oracle("eq-myow-dropout")
def test_equation_dropout(module=views):
    rates = 10 * random(40, 15).abs().float()
    generator = rng(5)
    share = 0.6 * torch.rand(40, 1, generator=generator)
    uniform = torch.rand(40, 15, generator=generator)
    slow = [
        [0.0 if uniform[i, n] < share[i, 0] else float(rates[i, n]) for n in range(15)]
        for i in range(40)
    ]
    fast = module.drop_neurons(rates, 0.6, generator=rng(5))
    assert relative_error(fast, slow) == 0


def test_normaliser_by_hand(module=views):
    rates = (10 * random(9, 4).abs()).float()
    rates[:, 2] = 3.0  # constant: removed
    fast = module.Normaliser().fit(rates).transform(rates)
    slow = []
    for n in (0, 1, 3):
        column = rates[:, n].double().tolist()
        mean = sum(column) / 9
        sd = math.sqrt(sum((x - mean) ** 2 for x in column) / 8)
        slow.append([(x - mean) / sd for x in column])
    assert relative_error(fast.T, slow) < 1e-6


def test_ramp_of_the_mined_loss():
    config = MyowConfig()
    for step in range(30):
        slow = 0.5 * step / 10 if step < 10 else 0.5
        assert myow.mining_weight(step, config) == pytest.approx(slow)


@oracle("eq-myow-jitter")
def test_equation_jitter(module=views):
    trial = [0, 0, 0, 0, 1, 1, 2, 2, 2]
    rows = torch.arange(9)
    last = module.block_ends(torch.tensor(trial))
    drawn = torch.randint(3, (9,), generator=rng(4)).tolist()
    slow = []
    for t in range(9):
        end = max(u for u in range(9) if trial[u] == trial[t])
        slow.append(min(t + drawn[t], end))
    assert relative_error(module.jitter(rows, last, 2, generator=rng(4)), slow) == 0


@oracle("eq-myow-spread")
def test_equation_spread(module=model):
    y = random(11, 4)
    rows = [[x / math.sqrt(sum(u * u for u in row)) for x in row] for row in y.tolist()]
    sds = []
    for d in range(4):
        column = [row[d] for row in rows]
        mean = sum(column) / 11
        sds.append(math.sqrt(sum((x - mean) ** 2 for x in column) / 11))
    assert relative_error(module.embedding_spread(y).sd, sum(sds) / 4) < 1e-12


# --- losses ---------------------------------------------------------------------------------


def test_distance_of_parallel_orthogonal_and_opposite_vectors():
    a = torch.tensor([[2.0, 0.0], [2.0, 0.0], [2.0, 0.0]])
    b = torch.tensor([[5.0, 0.0], [0.0, 3.0], [-0.1, 0.0]])
    assert torch.allclose(myow.cosine_distance(a, b), torch.tensor([0.0, 1.0, 2.0]))


@given(
    seed=st.integers(0, 10_000),
    rows=st.integers(1, 8),
    width=st.integers(1, 6),
    scale=st.floats(1e-3, 1e3),
)
@settings(max_examples=60, deadline=None)
def test_distance_ignores_length_and_is_half_a_squared_distance(seed, rows, width, scale):
    a, b = random(rows, width, seed=seed), random(rows, width, seed=seed + 1)
    distance = myow.cosine_distance(a, b)
    assert ((distance >= -1e-12) & (distance <= 2 + 1e-12)).all()
    assert torch.allclose(myow.cosine_distance(scale * a, b), distance, atol=1e-9)
    assert torch.allclose(myow.cosine_distance(b, a), distance, atol=1e-12)
    unit_a, unit_b = F.normalize(a, dim=1), F.normalize(b, dim=1)
    assert torch.allclose(2 * distance, (unit_a - unit_b).square().sum(dim=1), atol=1e-9)


def test_one_pair_and_two_pairs():
    a, b, c, d = (random(5, 3, seed=s) for s in range(4))
    both = myow.byol_loss(a, b, c, d)
    assert torch.allclose(both, (myow.byol_loss(a, b) + myow.byol_loss(c, d)) / 2)


# --- gradients, target, slow copy -----------------------------------------------------------


def myow_batch(n_inputs=9, samples=16, pool=24, seed=0):
    draws = torch.randn(2 * samples + pool, n_inputs, generator=rng(seed))
    return draws.split([samples, samples, pool])


def test_no_gradient_reaches_the_target_or_the_mined_choice():
    network = myow.MYOW(9, SMALL, seed=0)
    view_1, view_2, pool = (part.requires_grad_() for part in myow_batch())
    losses = network(view_1, view_2, pool, generator=rng())
    losses.total.backward()
    target = [*network.target_encoder.parameters(), *network.target_mined_projector.parameters()]
    assert target
    assert all(p.grad is None for p in target)
    assert pool.grad is None  # nothing flows through the candidates, nor through the pick
    online = [p for p in network.parameters() if p.requires_grad]
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in online)


def test_without_stop_gradient_both_branches_learn():
    network = myow.BYOL(9, SMALL, stop_gradient=False, predictor=False)
    view_1, view_2, _ = myow_batch()
    with_both = network(view_1, view_2).total
    assert with_both.item() == pytest.approx(
        myow.cosine_distance(network.encoder(view_1), network.encoder(view_2)).mean().item(),
        abs=1e-6,
    )


def test_tau_one_freezes_and_zero_copies():
    target, online = (myow.BYOL(9, SMALL, seed=s).encoder for s in (0, 1))
    before = [p.detach().clone() for p in target.parameters()]
    myow.ema_update(target, online, 1.0)
    assert all(torch.equal(p, q) for p, q in zip(target.parameters(), before, strict=True))
    myow.ema_update(target, online, 0.0)
    pairs = zip(target.parameters(), online.parameters(), strict=True)
    assert all(torch.equal(p, q) for p, q in pairs)


def test_target_starts_apart_from_the_online_encoder_but_not_the_second_projector():
    network = myow.MYOW(9, SMALL)
    assert not torch.equal(network.encoder[0].weight, network.target_encoder[0].weight)
    assert torch.equal(network.mined_projector[0].weight, network.target_mined_projector[0].weight)


def test_making_a_network_leaves_the_global_generator_alone():
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    myow.MYOW(9, SMALL, seed=123)
    assert torch.equal(torch.rand(3), expected)


def test_sizes_of_the_authors_network():
    network = myow.MYOW(162)
    shapes = {name: tuple(p.shape) for name, p in network.named_parameters()}
    assert shapes["encoder.0.weight"] == (64, 162)
    assert shapes["encoder.9.weight"] == (64, 64)
    assert "encoder.0.bias" not in shapes
    assert "encoder.9.bias" not in shapes
    assert shapes["encoder.2.weight"] == (1,)  # one PReLU slope a layer
    assert network.encoder[2].weight.item() == 0.25
    assert network.encoder[1].momentum == 0.99
    assert shapes["predictor.0.weight"] == (256, 64)
    assert shapes["predictor.3.weight"] == (64, 256)
    assert shapes["mined_projector.3.weight"] == (32, 256)
    assert shapes["mined_predictor.0.weight"] == (256, 32)
    assert shapes["mined_predictor.3.weight"] == (32, 256)


def test_lambda_zero_is_byol_to_the_last_bit(small_bins):
    config = replace(SMALL, mining_weight=0.0)
    runs = [myow.Pretraining(small_bins, config, method=m, seed=4) for m in ("byol", "myow")]
    losses = [run.fit().metrics["loss"] for run in runs]
    assert np.array_equal(*losses)
    byol, mining = (run.model.state_dict() for run in runs)
    assert all(torch.equal(value, mining[name]) for name, value in byol.items())


def test_mining_changes_neither_weights_nor_masks_that_byol_starts_from(small_bins):
    """The first step of the ramp has lambda = 0, so both methods see the same first batch."""
    runs = [myow.Pretraining(small_bins, SMALL, method=m, seed=4) for m in ("byol", "myow")]
    first, second = ([run.step(i)["augmented"] for run in runs] for i in (0, 1))
    assert first[0] == first[1]
    # The weights of step 1 are equal still: its augmented loss is computed before they part.
    assert second[0] == second[1]


def test_represent_gives_every_submodule_its_mode_back(small_bins):
    run = myow.Pretraining(small_bins, SMALL, seed=0)
    run.fit(n_steps=2)
    run.model.target_encoder.eval()  # a mixed state must survive, too
    modes = [part.training for part in run.model.modules()]
    state = {name: value.clone() for name, value in run.model.state_dict().items()}
    once = run.embed(np.asarray(small_bins.rates, float))
    assert np.array_equal(once, run.embed(np.asarray(small_bins.rates, float)))
    assert [part.training for part in run.model.modules()] == modes
    assert all(torch.equal(value, state[name]) for name, value in run.model.state_dict().items())


def test_modes_come_back_after_an_error():
    network = myow.BYOL(9, SMALL)
    with pytest.raises(RuntimeError, match="inside"), myow.model.evaluating(network):
        raise RuntimeError("inside")
    assert all(part.training for part in network.modules())


# --- mining ---------------------------------------------------------------------------------


@given(seed=st.integers(0, 10_000), k=st.integers(1, 4), width=st.integers(2, 6))
@settings(max_examples=40, deadline=None)
def test_mining_agrees_with_scikit_learn_and_never_stays_in_the_trial(seed, k, width):
    anchors, candidates = random(10, width, seed=seed), random(30, width, seed=seed + 1)
    anchor_trial = torch.randint(5, (10,), generator=rng(seed))
    candidate_trial = torch.arange(30) % 5
    eligible = myow.eligible_by_trial(anchor_trial, candidate_trial)
    found = myow.nearest_neighbours(anchors, candidates, k, eligible=eligible)
    for i in range(10):
        allowed = np.flatnonzero(candidate_trial != anchor_trial[i])
        search = NearestNeighbors(n_neighbors=k, metric="cosine").fit(candidates[allowed].numpy())
        expected = allowed[search.kneighbors(anchors[i : i + 1].numpy())[1][0]]
        assert found[i].tolist() == expected.tolist()
    picks = myow.mine_views(anchors, candidates, k, eligible=eligible, generator=rng(seed))
    assert (candidate_trial[picks] != anchor_trial).all()
    assert picks.requires_grad is False


def test_one_neighbour_leaves_no_chance():
    anchors, candidates = random(10, 4), random(30, 4, seed=1)
    picks = [myow.mine_views(anchors, candidates, 1, generator=rng(s)) for s in range(5)]
    assert all(torch.equal(pick, picks[0]) for pick in picks)


def test_picks_are_uniform_over_the_k_nearest():
    anchors, candidates = random(1, 4).repeat(6000, 1), random(12, 4, seed=1)
    nearest = myow.nearest_neighbours(anchors[:1], candidates, 3)[0]
    picks = myow.mine_views(anchors, candidates, 3, generator=rng(0))
    counts = [(picks == j).sum().item() for j in nearest]
    assert sum(counts) == 6000
    assert stats.chisquare(counts).pvalue > 1e-3


def test_time_exclusion():
    time = torch.arange(0, 50, 10)
    eligible = myow.eligible_by_time(time, torch.arange(60), 15)
    for i in range(5):
        for j in range(60):
            assert eligible[i, j] == (abs(10 * i - j) > 15)


# --- views ----------------------------------------------------------------------------------

OFF = {"dropout_max": 0.0, "noise_sd": 0.0, "pepper_height": 0.0}


def test_no_augmentation_is_pure_normalisation():
    rates = 10 * random(50, 8).abs()
    normaliser = myow.Normaliser().fit(rates)
    view = myow.make_views(rates, normaliser, replace(SMALL, **OFF), generator=rng())
    assert torch.equal(view, normaliser.transform(rates))


def test_dropout_silences_half_of_the_maximum_on_average():
    view = myow.drop_neurons(torch.ones(4000, 100), 0.2, generator=rng())
    share = (view == 0).double().mean(dim=1)
    assert share.mean().item() == pytest.approx(0.1, abs=0.003)
    assert share.std().item() == pytest.approx(math.sqrt(0.2**2 / 12 + 0.1 * 0.9 / 100), abs=0.01)
    half = myow.drop_neurons(torch.ones(4000, 100), 0.2, probability=0.5, generator=rng())
    assert (half == 0).double().mean().item() == pytest.approx(0.05, abs=0.003)


def test_masks_differ_between_samples_and_between_views():
    rates = torch.ones(20, 200)
    generator = rng()
    first, second = (myow.drop_neurons(rates, 1.0, generator=generator) for _ in range(2))
    assert not torch.equal(first, second)
    assert len(torch.unique(first, dim=0)) == 20


def test_pepper_and_noise_touch_their_share_of_samples():
    rates = torch.zeros(4000, 50)
    pepper = myow.add_pepper(rates, 1.5, 0.3, probability=0.5, generator=rng())
    assert set(pepper.unique().tolist()) == {0.0, 1.5}
    assert (pepper > 0).any(dim=1).double().mean().item() == pytest.approx(0.5, abs=0.03)
    assert (pepper > 0).double().mean().item() == pytest.approx(0.15, abs=0.01)
    noise = myow.add_noise(rates, 1.5, probability=0.5, generator=rng())
    touched = (noise != 0).any(dim=1)
    assert touched.double().mean().item() == pytest.approx(0.5, abs=0.03)
    assert noise[touched].std().item() == pytest.approx(1.5, abs=0.02)


@given(seed=st.integers(0, 1000), maximum=st.floats(0, 1), sd=st.floats(0, 5))
@settings(max_examples=40, deadline=None)
def test_views_leave_their_input_alone(seed, maximum, sd):
    rates = 10 * random(12, 7, seed=seed).abs()
    before = rates.clone()
    normaliser = myow.Normaliser().fit(rates)
    config = replace(SMALL, dropout_max=maximum, noise_sd=sd)
    first = myow.make_views(rates, normaliser, config, generator=rng(seed))
    again = myow.make_views(rates, normaliser, config, generator=rng(seed))
    assert torch.equal(rates, before)
    assert torch.equal(first, again)
    assert first.shape == rates.shape
    assert torch.isfinite(first).all()


@given(lengths=st.lists(st.integers(1, 6), min_size=1, max_size=8), maximum=st.integers(0, 5))
@settings(max_examples=40, deadline=None)
def test_jitter_stays_in_the_trial_and_within_the_maximum(lengths, maximum):
    trial = torch.repeat_interleave(torch.arange(len(lengths)), torch.tensor(lengths))
    last = myow.block_ends(trial)
    rows = torch.arange(len(trial)).repeat(30)
    positives = myow.jitter(rows, last, maximum, generator=rng(1))
    assert (trial[positives] == trial[rows]).all()
    assert ((positives >= rows) & (positives <= rows + maximum)).all()


def test_all_jitters_are_equally_likely_away_from_the_end():
    last = myow.block_ends(torch.zeros(100, dtype=torch.long))
    rows = torch.full((6000,), 10)
    counts = torch.bincount(myow.jitter(rows, last, 2, generator=rng()) - 10)
    assert stats.chisquare(counts.tolist()).pvalue > 1e-3


def test_a_normaliser_without_spikes_or_with_one_bin_is_refused():
    with pytest.raises(ValueError, match="no neuron varies"):
        myow.Normaliser().fit(torch.ones(5, 3))
    with pytest.raises(ValueError, match="at least 2 bins"):
        myow.Normaliser().fit(torch.ones(1, 3))


# --- recordings and simulators --------------------------------------------------------------


def test_chewie_splits_and_silent_neurons():
    recorded = reach.load(str(recording(CHEWIE)))
    split = decoding.split_trials(recorded.trial)
    assert [len(np.unique(recorded.trial[mask])) for mask in split] == [127, 16, 16]
    assert [int(mask.sum()) for mask in split] == [734, 82, 79]
    bins = myow.Bins.of(recorded.rates, trial=recorded.trial, mask=split.train | split.validation)
    normaliser = myow.Normaliser().fit(bins.rates)
    assert bins.rates.shape == (816, 174)
    assert int(normaliser.kept_.sum()) == 162
    kept = bins.rates[:, normaliser.kept_].double()
    unbiased = (kept - kept.mean(dim=0)).square().sum(dim=0).div(815).sqrt()
    assert relative_error(normaliser.sd_, unbiased) < 1e-5


@pytest.mark.parametrize(("n_trials", "sizes"), [(180, (144, 18, 18)), (209, (167, 21, 21))])
def test_split_sizes_of_the_other_sessions(n_trials, sizes):
    split = decoding.split_trials(np.repeat(np.arange(n_trials), 5))
    assert tuple(int(mask.sum()) // 5 for mask in split) == sizes


def test_pretraining_never_sees_a_masked_bin(small_reach):
    split = decoding.split_trials(small_reach.trial, seed=0)
    mask = split.train | split.validation
    runs = []
    for spoil in (0.0, 500.0):
        rates = small_reach.rates + spoil * ~mask[:, None]
        run = myow.pretrain(
            myow.Bins.of(rates, trial=small_reach.trial, mask=mask), replace(SMALL, n_steps=5)
        )
        runs.append(run.embed(small_reach.rates[mask]))
    assert np.array_equal(*runs)


def test_a_rule_of_your_own_decides_who_mines_whom(small_bins):
    asked = []

    def everywhere(bins, rows, pool):
        asked.append((bins is small_bins, len(rows), len(pool) >= len(rows)))
        return rows[:, None] != pool[None, :]

    myow.Pretraining(small_bins, SMALL, rule=everywhere).fit(n_steps=3)
    assert asked == [(True, SMALL.batch_size, True)] * 2  # the first step of the ramp mines nothing


def test_continuous_recording_mines_only_far_in_time(monkeypatch):
    recorded = sleep.simulate(n_bins=300, n_neurons=12, seed=0)
    mask = np.ones(300, bool)
    mask[100:150] = False
    bins = myow.Bins.of(recorded.rates, mask=mask)
    assert bins.block.unique().numel() == 2
    config = replace(SMALL, exclusion=40, max_jitter=3)
    seen = []
    original = pretraining.eligible_by_time

    def spy(anchor_time, candidate_time, exclusion):
        result = original(anchor_time, candidate_time, exclusion)
        gap = (anchor_time[:, None] - candidate_time[None]).abs()
        seen.append(bool((result == (gap > 40)).all()))
        return result

    monkeypatch.setattr(pretraining, "eligible_by_time", spy)
    myow.Pretraining(bins, config, seed=0).fit(n_steps=5)
    assert len(seen) == 4  # the first step of the ramp mines nothing
    assert all(seen)


def test_an_epoch_draws_every_bin_once_at_most(small_bins):
    run = myow.Pretraining(small_bins, SMALL, seed=0)
    per_epoch = len(small_bins.rates) // SMALL.batch_size
    assert per_epoch > 1
    epochs = [
        torch.cat([run._draw_anchors(e * per_epoch + i) for i in range(per_epoch)])
        for e in range(2)
    ]
    for rows in epochs:
        assert rows.unique().numel() == per_epoch * SMALL.batch_size
    assert not torch.equal(*epochs)


def test_same_seed_same_numbers_and_another_seed_others(small_bins):
    config = replace(SMALL, n_steps=6)
    losses = [myow.Pretraining(small_bins, config, seed=s).fit().metrics["loss"] for s in (0, 0, 1)]
    assert np.array_equal(losses[0], losses[1])
    assert not np.array_equal(losses[0], losses[2])


def test_a_resumed_run_ends_with_the_same_numbers(small_bins, tmp_path):
    config = replace(SMALL, n_steps=12)
    whole = myow.Pretraining(small_bins, config, seed=2)
    expected = whole.fit().metrics
    path = tmp_path / "run.pt"
    myow.Pretraining(small_bins, config, seed=2).fit(n_steps=7, checkpoint=path)
    resumed = myow.Pretraining(small_bins, config, seed=2)
    found = resumed.fit(checkpoint=path).metrics
    for name, values in expected.items():
        assert np.array_equal(values, found[name], equal_nan=True)
    for name, value in whole.model.state_dict().items():
        assert torch.equal(value, resumed.model.state_dict()[name])


def test_snapshots_look_back_and_survive_a_resume(small_bins, tmp_path):
    rates = np.asarray(small_bins.rates, float)
    config = replace(SMALL, n_steps=8)
    run = myow.Pretraining(small_bins, config, seed=2, snapshot_every=4)
    start = run.embed(rates)
    path = tmp_path / "run.pt"
    run.fit(n_steps=4, checkpoint=path)
    middle = run.embed(rates)
    resumed = myow.Pretraining(small_bins, config, seed=2, snapshot_every=4)
    resumed.fit(checkpoint=path)
    assert list(resumed.snapshots) == [0, 4, 8]
    for after, expected in ((0, start), (4, middle), (8, resumed.embed(rates))):
        assert np.array_equal(resumed.embed(rates, after=after), expected)
    with pytest.raises(ValueError, match="no snapshot after 5"):
        resumed.embed(rates, after=5)


def test_learning_rate_schedule():
    config = MyowConfig.tutorial()
    rates = [myow.learning_rate(i, config) for i in range(config.n_steps)]
    assert rates[0] == pytest.approx(2e-3 / 50)
    assert max(rates) == pytest.approx(2e-3)
    assert rates[50] == pytest.approx(2e-3)
    assert rates[(50 + config.n_steps) // 2] == pytest.approx(1e-3)
    assert rates[-1] < 1e-6
    assert {myow.learning_rate(i, MyowConfig()) for i in range(100)} == {2e-4}


def test_the_optimiser_really_takes_the_schedule(small_bins):
    config = replace(SMALL, warmup_steps=4, cosine=True)
    run = myow.Pretraining(small_bins, config, seed=0)
    for i in range(6):
        run.step(i)
        assert run.optimiser.param_groups[0]["lr"] == myow.learning_rate(i, config)


def test_settings_of_the_sleep_recording():
    config = MyowConfig.sleep()
    assert (config.representation, config.mined_projection, config.exclusion) == (32, 16, 150)
    bins = myow.Bins.of(sleep.simulate(n_bins=800, seed=0).rates)
    run = myow.Pretraining(bins, config)
    assert isinstance(run.optimiser, torch.optim.SGD)
    assert isinstance(
        myow.Pretraining(bins, MyowConfig.sleep_tutorial()).optimiser, torch.optim.AdamW
    )


# --- what the chapter measures --------------------------------------------------------------


def test_spread_of_living_and_dead_embeddings():
    alive = myow.embedding_spread(random(4000, 16))
    assert alive.sd == pytest.approx(1 / 4, abs=0.005)
    assert alive.rank == pytest.approx(16, abs=0.2)
    dead = myow.embedding_spread(torch.ones(50, 16) * torch.arange(1, 51)[:, None])
    assert dead.sd == pytest.approx(0, abs=1e-7)
    assert dead.rank == pytest.approx(1, abs=1e-6)
    line = myow.embedding_spread(torch.outer(random(50, 1)[:, 0], random(1, 16)[0]))
    assert line.rank == pytest.approx(1, abs=1e-6)


@pytest.fixture(scope="module")
def learned():
    """BYOL and MYOW on simulated reaches, small but long enough to learn."""
    simulated = reach.simulate(n_trials=120, seed=1, speed_threshold=5.0)
    config = replace(MyowConfig.tutorial(), batch_size=128, n_steps=200, warmup_steps=20)
    return simulated, config, *myow.study(simulated, config, splits=[0])


def test_training_makes_neighbours_behavioural(learned):
    _, _, result, _ = learned
    raw = result.of("raw", "purity")[0]
    for method in ("byol", "myow"):
        assert result.of(method, "purity")[0] > raw + 0.1
        assert result.of(method, "within_one")[0] > 0.85


def test_mined_picks_agree_with_the_anchor_more_often_than_chance(learned):
    simulated, _, _, trained = learned
    run = trained["myow", 0, 0]
    y = torch.as_tensor(run.embed(simulated.rates))
    trial = torch.as_tensor(simulated.trial)
    picks = myow.mine_views(y, y, 5, eligible=myow.eligible_by_trial(trial, trial), generator=rng())
    same = (simulated.direction[picks.numpy()] == simulated.direction).mean()
    assert same > 2 / 8


def test_without_predictor_and_stop_gradient_everything_collapses(learned):
    simulated, config, _, trained = learned
    bins = trained["byol", 0, 0].bins
    collapsed = myow.ablate(bins, config, "no predictor, no stop-gradient")
    intact = myow.ablate(bins, config, "BYOL")
    assert collapsed.loss < 0.01
    assert collapsed.spread.sd < 0.03
    assert intact.spread.sd > 0.08
    assert intact.loss > collapsed.loss


def test_study_reads_every_method_from_the_same_trials(learned):
    simulated, _, result, _ = learned
    assert result.values.shape == (4, 1, 5)
    assert np.isfinite(result.values).all()
    split = decoding.split_trials(simulated.trial, seed=0)
    bins = myow.Bins.of(simulated.rates, trial=simulated.trial, mask=split.train | split.validation)
    inputs = myow.Normaliser().fit(bins.rates).transform(torch.as_tensor(simulated.rates).float())
    raw = myow.read_out(inputs.numpy(), simulated.direction, simulated.trial, split, seed=0)
    assert tuple(result.values[0, 0]) == tuple(raw)
    for row in result.correct:
        assert row[0].shape == result.test_trial[0].shape
    assert np.mean(result.correct[0][0]) == pytest.approx(raw.full)


def test_study_goes_on_from_its_cache(tmp_path, small_reach):
    config = replace(SMALL, n_steps=4)
    first, _ = myow.study(small_reach, config, splits=[0], methods=["byol"], cache=tmp_path)
    files = list(tmp_path.iterdir())
    assert len(files) == 1
    again, _ = myow.study(small_reach, config, splits=[0], methods=["byol"], cache=tmp_path)
    assert np.array_equal(first.values, again.values)


def test_study_without_jitter_pairs_each_bin_with_itself(small_reach):
    _, trained = myow.study(
        small_reach, replace(SMALL, n_steps=2), splits=[0], methods=["byol, no jitter"]
    )
    assert trained["byol, no jitter", 0, 0].config.max_jitter == 0


def test_paired_interval_is_the_t_interval():
    differences = np.array([0.1, 0.3, 0.2, 0.4])
    found = myow.paired_interval(differences)
    expected = stats.ttest_1samp(differences, 0).confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))


def test_bootstrap_draws_whole_trials():
    """All bins of a trial agree, so the interval must be as wide as that of the trials alone."""
    n_trials, n_bins = 40, 25
    gain = np.random.default_rng(0).random(n_trials) < 0.5
    trial = np.repeat(np.arange(n_trials), n_bins)
    correct = [gain[trial]]
    other = [np.zeros(len(trial), bool)]
    found = myow.paired_bootstrap(correct, other, [trial])
    assert found.mean == pytest.approx(gain.mean())
    sd = gain.std() / math.sqrt(n_trials)
    assert (found.high - found.low) / 2 == pytest.approx(1.96 * sd, rel=0.15)
    same = myow.paired_bootstrap(correct, correct, [trial])
    assert same == (0, 0, 0)


def test_arousal_read_out_of_separable_states():
    state = np.repeat([0, 1, 2], 50)
    features = np.eye(3)[state] + 0.05 * np.random.default_rng(0).standard_normal((150, 3))
    even = np.arange(150) % 2 == 0
    assert myow.arousal_f1(features, state, even, ~even) == 1.0
    few = myow.few_bins(state, even, 5, seed=0)
    assert few.sum() == 15
    assert (np.bincount(state[few]) == 5).all()
    assert not (few & ~even).any()


# --- planted bugs ---------------------------------------------------------------------------


def fails(test, *args) -> bool:
    try:
        test(*args)
    except (AssertionError, ValueError):
        return True
    return False


@pytest.mark.parametrize(
    ("module", "old", "new", "test"),
    [
        (model, "return 1 - (F.normalize", "return 1 + (F.normalize", test_equation_distance),
        (model, ".mean()) / 2", ".mean())", test_equation_augmented),
        (
            model,
            "slow.lerp_(theta[name], 1 - decay)",
            "slow.lerp_(theta[name], decay)",
            test_equation_ema,
        ),
        (
            model,
            "torch.where(eligible, cosine, -torch.inf)",
            "torch.where(~eligible, cosine, -torch.inf)",
            test_equation_mining,
        ),
        (model, "F.normalize(candidates, dim=1).T", "candidates.T", test_equation_mining),
        (model, "(1 - weight) * augmented + weight", "augmented + weight", test_equation_total),
        (
            views,
            "torch.minimum(rows + delta, last[rows])",
            "torch.minimum(rows + delta, last.max())",
            test_equation_jitter,
        ),
        (views, "unbiased=True", "unbiased=False", test_normaliser_by_hand),
        (
            views,
            "rates.shape[1], generator) >= share)",
            "rates.shape[1], generator) < share)",
            test_equation_dropout,
        ),
    ],
)
def test_planted_bug_flips_an_oracle(module, old, new, test):
    assert not fails(test, module)
    with planted(module, old, new) as broken:
        assert fails(test, broken)


def test_planted_bug_without_the_no_grad_context_leaks_gradient():
    old = "            with torch.no_grad():\n                slow_1, slow_2 ="
    new = "            with torch.enable_grad():\n                slow_1, slow_2 ="
    with planted(model, old, new) as broken:
        network = broken.BYOL(9, SMALL)
        network.target_encoder.requires_grad_(True)
        view_1, view_2, _ = myow_batch()
        network(view_1, view_2).total.backward()
        assert any(p.grad is not None for p in network.target_encoder.parameters())
    network = model.BYOL(9, SMALL)
    network.target_encoder.requires_grad_(True)
    network(view_1, view_2).total.backward()
    assert all(p.grad is None for p in network.target_encoder.parameters())


@pytest.mark.usefixtures("unchecked")
def test_planted_bug_past_the_predictor_fails_the_collapse_claim(learned, monkeypatch):
    """Embeddings that bypass the predictor shrink, below the threshold of the chapter's claim."""
    _, config, _, trained = learned
    bins = trained["byol", 0, 0].bins
    old = "byol_loss(self.predictor(z_1), slow_2, self.predictor(z_2), slow_1)"
    with planted(model, old, "byol_loss(z_1, slow_2, z_2, slow_1)") as broken:
        monkeypatch.setattr(experiments, "BYOL", broken.BYOL)
        collapsed = myow.ablate(bins, config, "BYOL")
    thresholds = {
        name: limit
        for name, _, _, limit in claims.load()["myow"]["no_collapse"].thresholds("tutorial")
    }
    assert collapsed.spread.sd < thresholds["byol_sd"]


# --- bad input ------------------------------------------------------------------------------

NAN = torch.full((4, 3), torch.nan)
GOOD = torch.ones(4, 3)


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: myow.cosine_distance(GOOD, torch.ones(4, 2)), ValueError, "one shape"),
        (lambda: myow.cosine_distance(NAN, GOOD), ValueError, "NaN"),
        (lambda: myow.cosine_distance(GOOD.int(), GOOD), TypeError, "floating-point"),
        (lambda: myow.cosine_distance([[1.0]], GOOD), TypeError, "got list"),
        (lambda: myow.cosine_distance(torch.ones(4), GOOD), ValueError, r"shape \(rows, features"),
        (lambda: myow.byol_loss(GOOD, GOOD, GOOD), ValueError, "both or none"),
        (lambda: myow.mined_loss(GOOD, NAN), ValueError, "NaN"),
        (lambda: myow.total_loss(torch.tensor(1.0), torch.tensor(1.0), 1.5), ValueError, "weight"),
        (lambda: myow.mine_views(GOOD, GOOD, 0), ValueError, "at least 1"),
        (lambda: myow.mine_views(GOOD, GOOD, -2), ValueError, "at least 1"),
        (lambda: myow.mine_views(GOOD, GOOD, 2.0), TypeError, "whole number"),
        (lambda: myow.mine_views(GOOD, GOOD, 5), ValueError, "only 4 eligible"),
        (lambda: myow.mine_views(NAN, GOOD, 1), ValueError, "anchors holds NaN"),
        (lambda: myow.mine_views(GOOD, NAN, 1), ValueError, "candidates holds NaN"),
        (lambda: myow.mine_views(GOOD, torch.ones(4, 2), 1), ValueError, "same features"),
        (
            lambda: myow.mine_views(GOOD, GOOD, 1, eligible=torch.ones(4, 3) > 0),
            ValueError,
            "shape",
        ),
        (lambda: myow.mine_views(GOOD, GOOD, 1, eligible=torch.ones(4, 4)), TypeError, "booleans"),
        (
            lambda: myow.mine_views(GOOD, GOOD, 2, eligible=torch.eye(4) > 0),
            ValueError,
            "only 1 eligible",
        ),
        (lambda: myow.mine_views(torch.ones(0, 3), GOOD, 1), ValueError, "empty"),
        (
            lambda: myow.eligible_by_time(torch.arange(3), torch.arange(3), -1),
            ValueError,
            "exclusion",
        ),
        (
            lambda: myow.ema_update(myow.BYOL(3).encoder, myow.BYOL(3).encoder, 1.1),
            ValueError,
            r"\[0, 1\]",
        ),
        (
            lambda: myow.ema_update(myow.BYOL(3).encoder, myow.BYOL(4).encoder, 0.5),
            ValueError,
            "same parameters",
        ),
        (lambda: myow.BYOL(0), ValueError, "n_inputs"),
        (lambda: myow.BYOL(3)(GOOD, torch.ones(5, 3)), ValueError, "paired"),
        (lambda: myow.BYOL(3)(GOOD, torch.ones(4, 2)), ValueError, "3 inputs"),
        (lambda: myow.BYOL(3)(GOOD, NAN), ValueError, "view_2 holds NaN"),
        (lambda: myow.BYOL(3)(GOOD[:1], GOOD[:1]), ValueError, "BatchNorm"),
        (lambda: myow.MYOW(3)(GOOD, GOOD), ValueError, "candidates are needed"),
        (lambda: myow.MYOW(3)(GOOD, GOOD, GOOD, weight=-0.1), ValueError, "weight"),
        (lambda: myow.MYOW(3)(GOOD, GOOD, torch.ones(9, 2)), ValueError, "candidates must have 3"),
        (lambda: myow.BYOL(3).represent(torch.ones(4, 2)), ValueError, "3 inputs"),
        (lambda: myow.embedding_spread(GOOD[:1]), ValueError, "at least 2"),
        (lambda: myow.drop_neurons(GOOD, 1.2), ValueError, "maximum"),
        (lambda: myow.drop_neurons(GOOD, 0.2, probability=-1), ValueError, "probability"),
        (lambda: myow.drop_neurons(NAN, 0.2), ValueError, "NaN"),
        (lambda: myow.add_pepper(GOOD, -1.0, 0.3), ValueError, "height"),
        (lambda: myow.add_pepper(GOOD, 1.0, 1.3), ValueError, "share"),
        (lambda: myow.add_noise(GOOD, math.inf), ValueError, "sd must be"),
        (lambda: myow.Normaliser().transform(GOOD), ValueError, "not fitted"),
        (
            lambda: myow.Normaliser().fit(torch.rand(5, 3)).transform(torch.ones(4, 2)),
            ValueError,
            "3 neurons",
        ),
        (lambda: myow.block_ends(torch.tensor([0, 0, 1, 0])), ValueError, "not contiguous"),
        (lambda: myow.block_ends(torch.ones(2, 2).long()), ValueError, "shape"),
        (lambda: myow.jitter(torch.tensor([0]), torch.tensor([0]), -1), ValueError, "maximum"),
        (lambda: myow.jitter(torch.tensor([3]), torch.tensor([1, 1]), 1), ValueError, "0..1"),
        (
            lambda: myow.Bins.of(np.ones((4, 3)), trial=np.array([0, 1, 1, 0])),
            ValueError,
            "not contiguous",
        ),
        (lambda: myow.Bins.of(-np.ones((4, 3)), trial=np.zeros(4, int)), ValueError, "negative"),
        (lambda: myow.Bins.of(np.full((4, 3), np.nan)), ValueError, "NaN"),
        (lambda: myow.Bins.of(np.ones(4)), ValueError, r"\(bins, neurons\)"),
        (lambda: myow.Bins.of(np.array([["a"]])), TypeError, "real numbers"),
        (lambda: myow.Bins.of(np.ones((4, 3)), trial=np.zeros(3, int)), ValueError, "trial must"),
        (lambda: myow.Bins.of(np.ones((4, 3)), trial=np.zeros(4)), TypeError, "integers"),
        (lambda: myow.Bins.of(np.ones((4, 3)), mask=np.ones(4)), ValueError, "booleans"),
        (lambda: myow.Bins.of(np.ones((4, 3)), mask=np.zeros(4, bool)), ValueError, "0 bins"),
        (lambda: myow.Bins(GOOD, torch.zeros(4), torch.arange(4)), TypeError, "integers"),
        (lambda: myow.Bins(GOOD, torch.zeros(3).long(), torch.arange(4)), ValueError, "4 bins"),
        (
            lambda: myow.few_bins(np.array([0, 0, 1]), np.ones(3, bool), 2, seed=0),
            ValueError,
            "state 1 has 1",
        ),
        (lambda: myow.paired_interval(np.ones(1)), ValueError, "at least 2"),
        (
            lambda: myow.paired_bootstrap([np.ones(3, bool)], [np.ones(2, bool)], [np.arange(3)]),
            ValueError,
            "same runs",
        ),
        (
            lambda: myow.paired_bootstrap(
                [np.ones(3, bool)], [np.ones(3, bool)], [np.zeros(3, int)]
            ),
            ValueError,
            "at least 2 tested",
        ),
        (
            lambda: myow.arousal_f1(
                np.ones((3, 2)), np.zeros(3, int), np.ones(3, bool), np.ones(3, bool)
            ),
            ValueError,
            "fewer than 2 states",
        ),
        (
            lambda: myow.arousal_f1(
                np.ones((3, 2)), np.zeros(2, int), np.ones(3, bool), np.ones(3, bool)
            ),
            ValueError,
            "one entry a bin",
        ),
    ],
)
def test_bad_input_is_refused_at_the_door(call, error, message):
    with pytest.raises(error, match=message):
        call()


@pytest.mark.usefixtures("unchecked")
def test_bad_runs_and_studies_are_refused(small_bins, small_reach):
    with pytest.raises(ValueError, match="larger than the data"):
        myow.Pretraining(small_bins, MyowConfig())
    with pytest.raises(ValueError, match="'byol' or 'myow'"):
        myow.Pretraining(small_bins, SMALL, method="simclr")
    with pytest.raises(ValueError, match="unknown methods"):
        myow.study(small_reach, SMALL, splits=[0], methods=["simclr"])
    with pytest.raises(ValueError, match="no ablation"):
        myow.ablate(small_bins, SMALL, "no luck")
    run = myow.Pretraining(small_bins, SMALL)
    with pytest.raises(ValueError, match="not trained"):
        myow.collapse_of(run)
    with pytest.raises(ValueError, match="snapshot_every"):
        myow.Pretraining(small_bins, SMALL, snapshot_every=-1)
    with pytest.raises(ValueError, match="30 neurons"):
        run.embed(np.ones((4, 29)))
    split = decoding.split_trials(small_reach.trial, seed=0)
    with pytest.raises(ValueError, match="n_draws"):
        myow.few_label_accuracy(
            small_reach.rates, small_reach.direction, small_reach.trial, split, n_draws=0
        )
    with pytest.raises(ValueError, match="penalties"):
        myow.tuned_probe(small_reach.rates, small_reach.direction, split, penalties=())


def test_a_study_knows_its_rows(learned):
    result = learned[2]
    with pytest.raises(ValueError, match="no method 'pca'"):
        result.of("pca", "few")
    with pytest.raises(ValueError, match="no number 'r2'"):
        result.of("raw", "r2")


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"n_neighbours": 0}, ValueError),
        ({"n_neighbours": 2.5}, TypeError),
        ({"batch_size": 1}, ValueError),
        ({"ema_decay": 1.01}, ValueError),
        ({"ema_decay": -0.01}, ValueError),
        ({"ema_decay": math.nan}, ValueError),
        ({"mining_weight": 2.0}, ValueError),
        ({"dropout_max": -0.1}, ValueError),
        ({"pepper_probability": 1.1}, ValueError),
        ({"noise_sd": -1.0}, ValueError),
        ({"learning_rate": 0.0}, ValueError),
        ({"max_jitter": -1}, ValueError),
        ({"exclusion": -1}, ValueError),
        ({"warmup_steps": 20_000}, ValueError),
        ({"batchnorm_momentum": 0.0}, ValueError),
        ({"sgd_momentum": 1.0}, ValueError),
        ({"hidden": (64, 0)}, ValueError),
        ({"representation": True}, TypeError),
    ],
)
def test_impossible_settings_are_refused(changes, error):
    with pytest.raises(error, match=next(iter(changes)).split("_")[0]):
        MyowConfig(**changes)


def test_every_setting_says_where_it_comes_from():
    source = Path(config_module.__file__).read_text(encoding="utf-8")
    for field in fields(MyowConfig):
        line = next(row for row in source.splitlines() if row.startswith(f"    {field.name}:"))
        assert "#" in line or field.name == "weight_decay", field.name
