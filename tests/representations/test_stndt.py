"""NDT and STNDT: equations against literal transcriptions, the acceptance checks, planted bugs."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from neurotutor.data import dynamical_spikes, reach
from neurotutor.representations import stndt
from neurotutor.representations.stndt import (
    NDT,
    STNDT,
    Layout,
    StndtConfig,
    layers,
    losses,
    masking,
)
from tests.harness import oracle, planted, recording, relative_error

CHEWIE = "reach/chewie-20131003-bin100ms-all"
TINY = replace(StndtConfig.tutorial(), feedforward=16, batch_size=16, n_epochs=4, warmup_epochs=1)


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=rng(seed), dtype=torch.float64)


def counts(*shape: int, rate: float = 0.8, seed: int = 0) -> torch.Tensor:
    return torch.poisson(torch.full(shape, rate), generator=rng(seed))


@pytest.fixture(scope="module")
def task():
    made = dynamical_spikes.lorenz(n_conditions=4, n_repeats=6, n_train=4, n_neurons=12, n_bins=20)
    return stndt.dynamical_task(made, n_held_out=4, n_forward=4)


# --- equations ------------------------------------------------------------------------------


def slow_softmax(row: list[float]) -> list[float]:
    total = sum(math.exp(x) for x in row)
    return [math.exp(x) / total for x in row]


@oracle("eq-stndt-attention")
@pytest.mark.parametrize("banded", [False, True])
def test_equation_attention(banded):
    q, k, v = (random(2, 2, 6, 3, seed=s) for s in range(3))
    mask = stndt.context_mask(6, 2, 1) if banded else None
    slow = torch.zeros_like(v)
    for b in range(2):
        for h in range(2):
            for t in range(6):
                seen = [s for s in range(6) if not banded or t - 2 <= s <= t + 1]
                scores = [float(q[b, h, t] @ k[b, h, s]) / math.sqrt(3) for s in seen]
                for s, a in zip(seen, slow_softmax(scores), strict=True):
                    slow[b, h, t] += a * v[b, h, s]
    assert relative_error(stndt.temporal_attention(q, k, v, mask), slow) < 1e-12


@oracle("eq-stndt-context")
@pytest.mark.parametrize(("back", "ahead"), [(8, 4), (0, 0), (2, -1), (-1, 3)])
def test_equation_context(back, ahead):
    mask = stndt.context_mask(12, back, ahead)
    for t in range(12):
        for s in range(12):
            after = back < 0 or s >= t - back
            before = ahead < 0 or s <= t + ahead
            assert bool(mask[t, s]) == (after and before)
    assert stndt.context_mask(12, -1, -1) is None


@oracle("eq-stndt-spatial")
def test_equation_spatial(module=layers):
    q, k = random(2, 3, 5, 4), random(2, 3, 5, 4, seed=1)
    slow = torch.zeros(2, 5, 5, dtype=torch.float64)
    for b in range(2):
        for i in range(5):
            for h in range(3):
                scores = [float(q[b, h, i] @ k[b, h, j]) / math.sqrt(4) for j in range(5)]
                slow[b, i] += torch.tensor(slow_softmax(scores), dtype=torch.float64) / 3
    found = module.spatial_weights(q, k)
    assert relative_error(found, slow) < 1e-12
    assert relative_error(found.sum(-1), torch.ones(2, 5)) < 1e-12


@oracle("eq-stndt-mix")
def test_equation_mix(module=layers):
    weights, features = random(2, 5, 5).softmax(-1), random(2, 4, 5, seed=1)
    slow = torch.zeros_like(features)
    for b in range(2):
        for t in range(4):
            for i in range(5):
                slow[b, t, i] = sum(weights[b, i, j] * features[b, t, j] for j in range(5))
    assert relative_error(module.mix_neurons(weights, features), slow) < 1e-12


def slow_norm(x: torch.Tensor, norm: torch.nn.LayerNorm) -> torch.Tensor:
    out = torch.zeros_like(x)
    for place in np.ndindex(*x.shape[:-1]):
        row = x[place]
        mean = sum(row) / len(row)
        variance = sum((each - mean) ** 2 for each in row) / len(row)
        out[place] = (row - mean) / (variance + norm.eps) ** 0.5 * norm.weight + norm.bias
    return out


@oracle("eq-stndt-layer")
def test_equation_layer():
    """NDT's layer, token by token, beside PyTorch's own multi-head attention."""
    layer = stndt.TemporalLayer(6, replace(TINY, n_heads=2)).double().eval()
    state = random(2, 5, 6)
    peer = torch.nn.MultiheadAttention(6, 2, batch_first=True).double()
    peer.load_state_dict(layer.self_attn.state_dict())
    normed = slow_norm(state, layer.norm1)
    u = state + peer(normed, normed, normed)[0]
    normed = slow_norm(u, layer.norm2)
    slow = u.clone()
    for b in range(2):
        for t in range(5):
            hidden = layer.linear1.weight @ normed[b, t] + layer.linear1.bias
            slow[b, t] += layer.linear2.weight @ hidden.clamp(min=0) + layer.linear2.bias
    assert relative_error(layer(state), slow) < 1e-10


@oracle("eq-stndt-spatial-layer")
def test_equation_spatial_layer():
    layer = stndt.SpatiotemporalLayer(6, 4, TINY).double().eval()
    state, weights = random(2, 4, 6), random(2, 6, 6, seed=1).softmax(-1)
    v = layer.temporal(state)
    normed = slow_norm(v, layer.mix_norm)
    w = v.clone()
    for b in range(2):
        for t in range(4):
            w[b, t] += weights[b] @ normed[b, t]
    normed = slow_norm(w, layer.out_norm)
    inner = (normed @ layer.linear3.weight.T + layer.linear3.bias).clamp(min=0)
    slow = w + inner @ layer.linear4.weight.T + layer.linear4.bias
    assert relative_error(layer(state, weights), slow) < 1e-10


@oracle("eq-stndt-positions")
@pytest.mark.parametrize("width", [6, 7])
def test_equation_positions(width):
    slow = torch.zeros(9, width, dtype=torch.float64)
    for p in range(9):
        for c in range(width):
            angle = p * 10_000 ** (-(c - c % 2) / width)
            slow[p, c] = math.sin(angle) if c % 2 == 0 else math.cos(angle)
    assert relative_error(stndt.sinusoids(9, width), slow) < 1e-6


@oracle("eq-stndt-loss")
def test_equation_loss(module=losses):
    log_rates, labels = random(3, 4, 5), counts(3, 4, 5).double()
    labels[random(3, 4, 5, seed=2) > 0.3] = stndt.IGNORED
    terms = [
        math.exp(each) - x * each
        for each, x in zip(log_rates.flatten().tolist(), labels.flatten().tolist(), strict=True)
        if x >= 0
    ]
    assert relative_error(module.masked_poisson_loss(log_rates, labels), np.mean(terms)) < 1e-12


def slow_contrast(first, second, tau) -> float:
    rows = [r / math.sqrt(sum(x * x for x in r)) for r in [*first.numpy(), *second.numpy()]]
    n, total = len(rows), 0.0
    for i in range(n):
        partner = (i + n // 2) % n
        below = sum(math.exp(float(rows[i] @ rows[k]) / tau) for k in range(n) if k != i)
        total -= math.log(math.exp(float(rows[i] @ rows[partner]) / tau) / below) / n
    return total


@oracle("eq-stndt-contrast")
def test_equation_contrast(module=losses):
    first, second = random(5, 7), random(5, 7, seed=1)
    found = module.contrastive_loss(first, second, 0.3)
    assert relative_error(found, slow_contrast(first, second, 0.3)) < 1e-12


@oracle("eq-stndt-total")
def test_equation_total():
    parts = [torch.tensor(x) for x in (0.7, 2.0, 3.0)]
    assert float(stndt.total_loss(*parts, 0.1)) == pytest.approx(0.7 + 0.1 * 5.0)


@oracle("eq-stndt-coverage")
@pytest.mark.parametrize("span", [1, 2, 3, 6])
def test_equation_coverage(span):
    """Away from the edges a bin is masked unless all w draws that reach it say no."""
    chosen = stndt.choose((4000, 40, 1), mode="timestep", ratio=0.3, span=span, generator=rng())
    inner = chosen[:, span:-span].double().mean()
    assert float(inner) == pytest.approx(1 - (1 - 0.3 / span) ** span, abs=0.006)


@oracle("eq-stndt-importance")
def test_equation_importance():
    weights = random(2, 3, 5, 5).softmax(-1)
    slow = [
        sum(float(weights[a, b, i, j]) for a in range(2) for b in range(3) for i in range(5)) / 30
        for j in range(4)
    ]
    assert relative_error(stndt.importance(weights, 4), slow) < 1e-12


# --- sizes and weights ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("bins", "neurons", "n_layers", "heads", "width", "spatiotemporal", "temporal"),
    [
        (180, 182, 4, 2, 0, 1_536_212, 789_846),  # MC_Maze
        (160, 130, 4, 2, 0, 1_018_464, 446_802),  # MC_RTT
        (160, 65, 4, 1, 2, 653_294, 438_301),  # Area2_Bump
        (340, 54, 6, 2, 0, 3_150_572, 178_050),  # DMFC_RSG
    ],
)
def test_published_parameter_counts(
    bins, neurons, n_layers, heads, width, spatiotemporal, temporal
):
    config = replace(StndtConfig(), n_layers=n_layers, n_heads=heads, count_embedding=width)
    assert stndt.count_parameters(STNDT(neurons, bins, config)) == spatiotemporal
    assert stndt.count_parameters(NDT(neurons, bins, config)) == temporal
    big, n, t, h = n_layers, neurons, bins, 128
    layer = 4 * n**2 + 4 * n + 2 * (2 * n * h + h + n) + 8 * n + 4 * t**2 + 6 * t
    formula = big * layer + n**2 + n + t**2 + t + 2 * n + n**2 + n
    assert formula == spatiotemporal


def test_weights_can_be_set_from_outside():
    first, second = STNDT(6, 8, TINY, seed=0), STNDT(6, 8, TINY, seed=1)
    x = counts(3, 8, 6)
    assert not torch.equal(first(x), second(x))
    second.load_state_dict(first.state_dict())
    assert torch.equal(first(x), second(x))


def test_published_form_computes_what_the_lean_one_does():
    full, lean = STNDT(6, 8, replace(TINY, dead_parameters=True)), STNDT(6, 8, TINY)
    state = full.state_dict()
    for name, value in list(state.items()):
        if "spatial_attn.out_proj" in name:
            del state[name]
        elif "spatial_attn.in_proj" in name:
            state[name] = value[: 2 * 8]
    lean.load_state_dict(state)
    x = counts(3, 8, 6)
    assert torch.equal(full(x), lean(x))
    full(x).sum().backward()
    for layer in full.layers:
        assert not layer.spatial_attn.in_proj_weight.grad[16:].any()
        assert layer.spatial_attn.in_proj_weight.grad[:16].any()
        assert layer.spatial_attn.out_proj.weight.grad is None


def test_layers_start_apart_unless_asked_otherwise():
    apart, alike = STNDT(6, 8, TINY), STNDT(6, 8, replace(TINY, identical_layers=True))
    assert not torch.equal(apart.layers[0].linear3.weight, apart.layers[1].linear3.weight)
    assert torch.equal(alike.layers[0].linear3.weight, alike.layers[1].linear3.weight)


def test_fixup_scales_three_weights():
    plain, scaled = (NDT(6, 8, replace(TINY, fixup=on)) for on in (False, True))
    factor = 0.67 * 2**-0.25
    for name in ("linear1", "linear2", "self_attn.out_proj"):
        a, b = (each.layers[0].get_submodule(name).weight for each in (plain, scaled))
        assert relative_error(b, factor * a) < 1e-6
    assert torch.equal(plain.layers[0].norm1.weight, scaled.layers[0].norm1.weight)


@pytest.mark.parametrize("kind", [NDT, STNDT])
@pytest.mark.parametrize(
    "change",
    [{"pre_norm": False}, {"learned_positions": False}, {"context_backward": 2}, {"n_heads": 1}],
)
def test_variants_run_and_learn(kind, change):
    model = kind(6, 8, replace(TINY, **change))
    out = model(counts(3, 8, 6))
    assert out.shape == (3, 8, 6)
    out.sum().backward()
    grads = [p.grad.abs().sum() for p in model.parameters() if p.grad is not None]
    assert all(bool(torch.isfinite(g)) for g in grads)
    assert (
        model.layers[0]
        .get_parameter(
            "self_attn.in_proj_weight" if kind is NDT else "temporal.self_attn.in_proj_weight"
        )
        .grad.any()
    )


# --- attention ------------------------------------------------------------------------------


def test_attention_rows_sum_to_one_and_context_is_respected():
    model = STNDT(6, 10, replace(TINY, context_backward=2, context_forward=1, n_layers=1)).eval()
    weights = model.attend(counts(3, 10, 6)).weights
    assert weights.shape == (1, 3, 6, 6)
    assert relative_error(weights.sum(-1), torch.ones(1, 3, 6)) < 1e-6
    model = NDT(6, 10, replace(TINY, context_backward=2, context_forward=1, n_layers=1)).eval()
    x = counts(1, 10, 6)
    changed = x.clone()
    # One neuron only: LayerNorm takes away what all have in common.
    changed[0, 5, 0] += 3
    moved = (model(x) != model(changed)).any(-1)[0]
    # Bin 5 is seen by the bins from 4 (one ahead) to 7 (two back), and by no other.
    assert moved.tolist() == [4 <= t <= 7 for t in range(10)]


def test_identical_neurons_attend_uniformly_without_a_code():
    model = STNDT(6, 8, TINY).eval()
    model.neuron_code.zero_()
    weights = model.attend(torch.ones(2, 8, 6)).weights[0]
    assert relative_error(weights, torch.full((2, 6, 6), 1 / 6)) < 1e-6


def test_identity_mixing_is_the_temporal_layer_and_a_residual():
    model = STNDT(6, 8, replace(TINY, n_layers=1), mixing="identity").eval()
    x = counts(2, 8, 6)
    layer = model.layers[0]
    v = layer.temporal(model.embed(x) + model.positions)
    w = v + layer.mix_norm(v)
    z = w + layer.linear4(F.relu(layer.linear3(layer.out_norm(w))))
    assert relative_error(model(x), model.decoder(model.norm(z))) < 1e-6


def test_uniform_mixing_adds_the_mean_neuron():
    model = STNDT(6, 8, replace(TINY, n_layers=1), mixing="uniform").eval()
    x = counts(2, 8, 6)
    layer = model.layers[0]
    v = layer.temporal(model.embed(x) + model.positions)
    w = v + layer.mix_norm(v).mean(-1, keepdim=True)
    z = w + layer.linear4(F.relu(layer.linear3(layer.out_norm(w))))
    assert relative_error(model(x), model.decoder(model.norm(z))) < 1e-5


def test_permuting_neurons_permutes_predictions_without_the_code():
    order = torch.tensor([3, 0, 5, 1, 4, 2])
    model, twin = STNDT(6, 8, TINY).eval(), STNDT(6, 8, TINY).eval()
    state = model.state_dict()
    for name, value in state.items():
        if value.ndim and "spatial_" not in name:
            for axis, size in enumerate(value.shape):
                # Only the maps around temporal attention have neurons as an axis.
                if size == 6 and "in_proj" not in name and "out_proj" not in name:
                    value = value.index_select(axis, order)
            if "in_proj_weight" in name:
                value = value[:, order]
            if "out_proj" in name:
                value = value[order]
        state[name] = value
    twin.load_state_dict(state)
    for each in (model, twin):
        each.neuron_code.zero_()
    twin.positions = model.positions[:, order]
    x = counts(2, 8, 6)
    assert relative_error(twin(x[..., order]), model(x)[..., order]) < 1e-5
    twin.neuron_code = stndt.sinusoids(6, 8)
    model.neuron_code = stndt.sinusoids(6, 8)
    assert relative_error(twin(x[..., order]), model(x)[..., order]) > 1e-4


# --- what may be seen -----------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["ndt", "stndt"])
def test_nothing_hidden_leaks(task, kind):
    model = (NDT if kind == "ndt" else STNDT)(12, 20, TINY)
    layout, spikes = task.layout, task.validation
    other = spikes.clone()
    other[:, :, layout.n_held_in :] += 5
    other[:, layout.n_observed :] += 7
    assert np.array_equal(stndt.predict(model, spikes, layout), stndt.predict(model, other, layout))
    a, b = (stndt.mask_batch(x, layout, generator=rng()) for x in (spikes, other))
    assert torch.equal(a.inputs, b.inputs)
    assert not a.inputs[:, :, layout.n_held_in :].any()
    assert not a.inputs[:, layout.n_observed :].any()


def test_masked_entries_do_not_betray_their_count(task):
    spikes = task.train[:8]
    first = stndt.mask_batch(spikes, task.layout, generator=rng())
    changed = torch.where(first.chosen, spikes + 4, spikes)
    second = stndt.mask_batch(changed, task.layout, generator=rng())
    assert torch.equal(first.chosen, second.chosen)
    assert torch.equal(first.inputs, second.inputs)
    assert not torch.equal(first.labels, second.labels)


def test_labels_are_where_the_paper_puts_them(task):
    layout, spikes = task.layout, task.train[:8]
    masked = stndt.mask_batch(spikes, layout, generator=rng())
    asked = masked.labels >= 0
    assert asked[:, :, layout.n_held_in :].all()
    assert asked[:, layout.n_observed :].all()
    corner = np.s_[:, : layout.n_observed, : layout.n_held_in]
    assert torch.equal(asked[corner], masked.chosen[corner])
    assert torch.equal(masked.labels[asked], spikes[asked])
    assert (masked.labels[~asked] == stndt.IGNORED).all()
    log_rates = torch.zeros_like(spikes, requires_grad=True)
    stndt.masked_poisson_loss(log_rates, masked.labels).backward()
    assert not log_rates.grad[~asked].any()


# --- masks ----------------------------------------------------------------------------------


def test_full_masks_cover_their_ratio():
    chosen = stndt.choose((100, 100, 100), mode="full", ratio=0.25, generator=rng())
    assert float(chosen.double().mean()) == pytest.approx(0.25, abs=0.005)


@pytest.mark.parametrize(
    ("mode", "axes"), [("timestep", (2,)), ("neuron", (1,)), ("timestep_only", (0, 2))]
)
def test_modes_mask_whole_slices(mode, axes):
    chosen = stndt.choose((30, 20, 10), mode=mode, ratio=0.4, generator=rng()).double()
    for axis in axes:
        assert torch.equal(chosen.amin(axis), chosen.amax(axis))
    assert 0.2 < float(chosen.mean()) < 0.6


def test_spans_are_as_wide_as_asked():
    for span in (2, 3, 4):
        drawn = torch.zeros(1, 12, 1, dtype=torch.bool)
        drawn[0, 5] = True
        assert int(masking._dilate(drawn, span).sum()) == span
    quirk = stndt.choose(
        (60, 60, 60), mode="full", ratio=0.3, span=3, generator=rng(), dilate_full=False
    )
    assert float(quirk.double().mean()) == pytest.approx(0.1, abs=0.005)


def test_fates_of_chosen_entries():
    spikes = torch.full((60, 40, 40), 3.0)
    spikes[0, 0, 0] = 9.0
    masked = stndt.mask_batch(spikes, token=0.6, random=0.5, ratio=0.5, generator=rng())
    fate = masked.inputs[masked.chosen]
    # Random counts are uniform on 0..8, so one in nine of them is 0 and one in nine is 3.
    zero, same = 0.6 + 0.2 / 9, 0.2 + 0.2 / 9
    assert float((fate == 0).double().mean()) == pytest.approx(zero, abs=0.01)
    assert float((fate == 3).double().mean()) == pytest.approx(same, abs=0.01)
    assert float(fate[fate != 9].max()) <= 8
    assert torch.equal(masked.inputs[~masked.chosen], spikes[~masked.chosen])
    silent = stndt.mask_batch(torch.zeros(2, 5, 4), token=0.0, random=1.0, generator=rng())
    assert not silent.inputs.any()


# --- losses ---------------------------------------------------------------------------------


def test_poisson_loss_is_pytorchs():
    log_rates, labels = random(4, 5, 6), counts(4, 5, 6).double()
    theirs = torch.nn.PoissonNLLLoss(log_input=True, full=False)(log_rates, labels)
    assert relative_error(stndt.masked_poisson_loss(log_rates, labels), theirs) < 1e-12


@pytest.mark.parametrize("tau", [0.07, 0.5])
def test_contrast_closed_forms(tau):
    b = 6
    orthogonal = torch.eye(b, dtype=torch.float64)
    expected = math.log(1 + (2 * b - 2) * math.exp(-1 / tau))
    assert float(stndt.contrastive_loss(orthogonal, orthogonal, tau)) == pytest.approx(expected)
    same = torch.ones(b, 3, dtype=torch.float64)
    assert float(stndt.contrastive_loss(same, same, tau)) == pytest.approx(math.log(2 * b - 1))
    first, second = random(b, 4), random(b, 4, seed=1)
    one = stndt.contrastive_loss(first, second, tau)
    assert relative_error(stndt.contrastive_loss(second, first, tau), one) < 1e-12
    assert relative_error(stndt.contrastive_loss(3 * first, second, tau), one) < 1e-12


# --- training -------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["ndt", "stndt"])
def test_two_trials_are_learnt_by_heart(kind):
    spikes = dynamical_spikes.lorenz(n_conditions=2, n_repeats=2, n_train=1, n_neurons=8, n_bins=20)
    small = stndt.dynamical_task(spikes, n_held_out=2, n_forward=0)
    config = replace(TINY, n_epochs=200, learning_rate=1e-2, mask_ratio=0.5)
    run = stndt.train(small, config, kind)
    mean = small.train.mean(dim=(0, 1)).clamp(min=1e-6)
    null = (mean - small.train * mean.log()).mean()
    assert run.history.metrics["masked"][-20:].mean() < float(null)


def test_contrast_reaches_the_embedders_only(task):
    config = replace(TINY, contrast_weight=0.1)
    run = stndt.Training(task, STNDT(12, 20, config), config)
    temporal, spatial = run.contrast(task.train)
    (temporal + spatial).backward()
    touched = {name for name, p in run.model.named_parameters() if p.grad is not None}
    assert touched == {
        f"{part}.{kind}" for part in ("embedder", "spatial_embedder") for kind in ("weight", "bias")
    }
    metrics = run.step(0)
    assert metrics["loss"] == pytest.approx(
        metrics["masked"] + 0.1 * (metrics["temporal"] + metrics["spatial"]), rel=1e-5
    )


def test_contrast_does_not_change_the_masks(task):
    runs = [
        stndt.Training(task, STNDT(12, 20, TINY), replace(TINY, contrast_weight=w))
        for w in (0.0, 0.1)
    ]
    masked = [[run.step(i)["masked"] for i in range(1)][0] for run in runs]
    assert masked[0] == masked[1]


def test_same_seed_same_run_and_a_broken_run_goes_on(task, tmp_path):
    config = replace(TINY, n_epochs=8, mask_max_span=3, span_ramp=(0, 2), dropout=0.2)
    whole = stndt.train(task, config, seed=3)
    again = stndt.train(task, config, seed=3)
    assert np.array_equal(whole.history.metrics["loss"], again.history.metrics["loss"])
    first = stndt.Training(task, STNDT(12, 20, config, seed=3), config, seed=3)
    count = [0]
    step = first.step

    def breaks(i):
        if count[0] == 3:
            raise KeyboardInterrupt
        count[0] += 1
        return step(i)

    first.step = breaks
    assert first.fit(checkpoint=tmp_path / "run.pt").interrupted
    second = stndt.Training(task, STNDT(12, 20, config, seed=3), config, seed=3)
    second.fit(checkpoint=tmp_path / "run.pt")
    assert np.allclose(second.history.metrics["loss"], whole.history.metrics["loss"], rtol=1e-6)


def test_schedule():
    config = replace(TINY, n_epochs=20, warmup_epochs=5, learning_rate=0.1)
    rates = [stndt.learning_rate(e, config) for e in range(21)]
    assert rates[:5] == pytest.approx([0.02, 0.04, 0.06, 0.08, 0.1])
    assert rates[5] == pytest.approx(0.1)
    assert rates[20] == pytest.approx(0.0)
    assert (np.diff(rates[5:]) < 0).all()
    ramp = replace(config, mask_max_span=3, span_ramp=(10, 20))
    assert [stndt.span_probability(e, ramp) for e in (0, 10, 15, 20, 40)] == [0, 0, 0.5, 1, 1]
    assert stndt.span_probability(40, config) == 0.0


def test_training_helps(task):
    config = replace(TINY, n_epochs=40, warmup_epochs=2)
    scores = [
        stndt.score(stndt.predict(model, task.validation, task.layout), task).co_bps
        for model in (STNDT(12, 20, config), stndt.train(task, config).model)
    ]
    assert scores[1] > scores[0]


# --- tasks, ensembles, search, importance -----------------------------------------------------


def test_reach_task_is_the_protocol_of_the_chapter():
    recording(CHEWIE)
    made = stndt.reach_task(reach.load(CHEWIE))
    assert made.layout == Layout(54, 18, 8, 0)
    assert made.train.shape == (128, 8, 72)
    assert made.validation.shape == (31, 8, 72)
    # Held-out neurons come last, and no neuron is lost or doubled.
    raw = reach.load(CHEWIE)
    first = raw.spikes[raw.trial == 4][:8]
    busy = np.sort(first.sum(0)[first.sum(0) > 0])[-5:]
    assert set(busy) <= set(made.validation[0].sum(0).int().tolist()) | set(busy[:1])
    assert made.velocity.shape == (31, 8, 2)


def test_ensembles_are_never_worse_than_their_mean(task):
    generator = np.random.default_rng(0)
    members = [generator.gamma(2.0, 0.1, task.validation.shape) for _ in range(5)]
    scores = [stndt.co_bps(each, task) for each in members]
    assert stndt.co_bps(stndt.ensemble(members), task) >= np.mean(scores)
    twice = [members[0], members[0]]
    assert stndt.co_bps(stndt.ensemble(twice), task) == pytest.approx(scores[0])
    select, report = task.halves()
    assert not (select & report).any()
    chosen = stndt.choose_ensemble(members, task, select)
    assert chosen.selected >= max(stndt.co_bps(each, task, select) for each in members)
    rates = stndt.ensemble([members[i] for i in chosen.members])
    assert chosen.reported == pytest.approx(stndt.co_bps(rates, task, report))


def test_search_ranks_on_one_half_and_reports_the_other(task):
    tries = stndt.candidates(replace(TINY, n_epochs=2), 3, seed=1)
    assert len({each.learning_rate for each in tries}) == 3
    found = stndt.search(task, tries, "ndt")
    assert [each.selected for each in found] == sorted([e.selected for e in found], reverse=True)
    assert {each.config for each in found} == set(tries)


def test_silencing_a_neuron_that_is_not_read_costs_nothing(task):
    model = NDT(12, 20, TINY)
    with torch.no_grad():
        intact = stndt.silenced_bps(model, task, [np.arange(0)])[0]
    rates = stndt.predict(model, task.validation, task.layout)
    assert intact == pytest.approx(stndt.co_bps(rates, task))
    drop = stndt.leave_one_out(model, task)
    assert drop.shape == (8,)
    muted = task.validation.clone()
    muted[:, :, 2] = 0
    alone = stndt.co_bps(stndt.predict(model, muted, task.layout), task)
    assert drop[2] == pytest.approx(intact - alone)
    curves = stndt.ablation(model, task, np.arange(8.0), [0, 8], n_random=2)
    assert all(curve[0] == pytest.approx(intact) for curve in curves.values())
    ends = [curve[1] for curve in curves.values()]
    assert max(ends) == pytest.approx(min(ends))


def test_baselines_need_no_future(task):
    rates = stndt.glm_rates(task, sd=1.0, alpha=0.1)
    assert rates.shape == (8, 16, 4)
    assert (rates > 0).all()
    changed = replace(task, validation=task.validation.clone())
    changed.validation[:, task.layout.n_observed :] += 3
    changed.validation[:, :, task.layout.n_held_in :] += 3
    assert np.array_equal(stndt.glm_rates(changed, sd=1.0, alpha=0.1), rates)
    mean = stndt.mean_rates(task)
    assert np.allclose(mean[0], task.train.double().mean(0))
    own = stndt.mean_rates(task, by_condition=True, pseudo_trials=0.0)
    mine = task.train[torch.as_tensor(task.train_condition == task.condition[0])]
    assert np.allclose(own[0], mine.double().mean(0))


def test_agreement():
    a = np.arange(6.0)
    assert stndt.agreement([a, 2 * a + 1]) == pytest.approx(1)
    assert stndt.agreement([a, -a]) == pytest.approx(-1)


# --- planted bugs ---------------------------------------------------------------------------


def test_a_transposed_mixing_is_found():
    with (
        planted(layers, "features @ weights.transpose(-2, -1)", "features @ weights") as bad,
        pytest.raises(AssertionError),
    ):
        test_equation_mix(bad)


def test_a_softmax_over_the_wrong_axis_is_found():
    with (
        planted(layers, "scores.softmax(dim=-1)", "scores.softmax(dim=-2)") as bad,
        pytest.raises(AssertionError),
    ):
        test_equation_spatial(bad)


def test_a_dropped_term_of_the_likelihood_is_found():
    with (
        planted(losses, "log_rates.exp() - labels", "log_rates.exp() + labels") as bad,
        pytest.raises(AssertionError),
    ):
        test_equation_loss(bad)


def test_a_partner_that_is_oneself_is_found():
    with (
        planted(losses, "roll(len(first))", "roll(0)") as bad,
        pytest.raises(AssertionError),
    ):
        test_equation_contrast(bad)


# --- bad input ------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [NDT, STNDT])
def test_heads_must_divide(kind, unchecked):
    with pytest.raises(ValueError, match="2 heads do not divide a token of width 7"):
        kind(7, 8, TINY)
    with pytest.raises(ValueError, match="2 heads do not divide 9 bins"):
        STNDT(6, 9, TINY)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: NDT(0, 8, TINY), "needs neurons and bins"),
        (lambda: STNDT(6, 8, TINY, mixing="none"), "mixing must be"),
        (lambda: STNDT(6, 8, TINY)(torch.zeros(2, 8, 5)), "counts must have shape"),
        (lambda: Layout(0, 1, 5), "n_held_in must be at least 1"),
        (lambda: Layout(1, -1, 5), "n_held_out must be 0"),
        (lambda: stndt.hide(torch.zeros(2, 5, 4), Layout(2, 1, 5)), "for this layout"),
        (lambda: stndt.choose((2, 5, 4), mode="bins", ratio=0.2), "mode must be one of"),
        (lambda: stndt.choose((2, 5, 4), mode="full", ratio=0.0), "ratio must lie"),
        (lambda: stndt.choose((2, 5, 4), mode="full", ratio=0.2, span=0), "at least 1 bin"),
        (lambda: stndt.mask_batch(torch.zeros(2, 5, 4), token=1.5), "token must be a share"),
        (lambda: stndt.mask_batch(-torch.ones(2, 5, 4)), "must be counts"),
        (lambda: stndt.mask_batch(torch.full((2, 5, 4), float("nan"))), "must be counts"),
        (lambda: stndt.masked_poisson_loss(torch.zeros(3), torch.zeros(4)), "one shape"),
        (lambda: stndt.masked_poisson_loss(torch.zeros(3), -torch.ones(3)), "no entry"),
        (lambda: stndt.contrastive_loss(torch.ones(2, 3), torch.ones(3, 3)), "the same pairs"),
        (lambda: stndt.contrastive_loss(torch.ones(2, 3), torch.ones(2, 3), 0.0), "positive"),
        (lambda: stndt.total_loss(*torch.ones(3), -1.0), "0 or greater"),
        (lambda: StndtConfig(mask_mode="all"), "mask_mode must be one of"),
        (lambda: StndtConfig(dropout=1.0), "dropout must lie"),
        (lambda: StndtConfig(mask_token=2.0), "mask_token must lie"),
        (lambda: StndtConfig(learning_rate=0.0), "learning_rate must be finite"),
        (lambda: StndtConfig(weight_decay=-1.0), "weight_decay must be"),
        (lambda: StndtConfig(n_epochs=10, warmup_epochs=10), "warmup_epochs must be smaller"),
        (lambda: StndtConfig(n_layers=0), "n_layers must be at least 1"),
        (lambda: stndt.ensemble([]), "needs members"),
        (lambda: stndt.agreement([np.ones(3)]), "2 measurements"),
        (lambda: stndt.agreement([np.ones(3), np.arange(3.0)]), "same for all"),
        (lambda: stndt.importance(torch.ones(1, 1, 3, 3), 4), "n_held_in must lie"),
        (lambda: stndt.reach_task(reach.simulate(10, 20), n_bins=40), "lower n_bins"),
        (lambda: stndt.reach_task(reach.simulate(10, 9), 5, smallest_rate=9.0), "at least 8"),
    ],
)
def test_bad_input_is_refused(call, words, unchecked):
    with pytest.raises(ValueError, match=words):
        call()


def test_bad_runs_are_refused(task, unchecked):
    with pytest.raises(ValueError, match="make the model for the task"):
        stndt.Training(task, STNDT(6, 8, TINY), TINY)
    with pytest.raises(ValueError, match="two embedders"):
        stndt.Training(task, NDT(12, 20, TINY), replace(TINY, contrast_weight=0.1))
    with pytest.raises(ValueError, match="kind must be one of"):
        stndt.train(task, TINY, "lstm")
    with pytest.raises(ValueError, match="no attention over neurons"):
        STNDT(12, 20, TINY, mixing="identity").attend(task.validation)
    with pytest.raises(ValueError, match="must be held in"):
        stndt.silenced_bps(NDT(12, 20, TINY), task, [np.array([9])])
    with pytest.raises(ValueError, match="both sides"):
        stndt.choose_ensemble([np.ones(task.validation.shape)], task, np.ones(8, bool))
    with pytest.raises(TypeError, match="whole number"):
        StndtConfig(n_layers=2.0)
