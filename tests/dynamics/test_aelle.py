"""The autoencoder of spectra: equations as oracles, acceptance checks, leaks, errors."""

import dataclasses
import itertools

import numpy as np
import pytest
import torch

from neurotutor.dynamics import aelle
from neurotutor.dynamics.aelle import autoencoder, evaluation, spectra
from neurotutor.dynamics.aelle.config import AelleConfig, ForceConfig, PopulationConfig
from tests.harness import oracle, planted, relative_error

QUICK = AelleConfig.tutorial(length=32, latent=3, stage_epochs=15, alphas=(5, 10))


def toy(n=90, length=32, seed=0):
    """Straight spectra whose slope decides the loss, shape (n, length) and (n,)."""
    rng = np.random.default_rng(seed)
    slope, height = rng.uniform(0.2, 2, n), rng.normal(size=n)
    ranks = np.arange(1, length + 1) / length
    return height[:, None] - slope[:, None] * ranks, slope**2


def fitted(config=QUICK, seed=0, **changes):
    x, y = toy()
    model = aelle.SpectrumAutoencoder(dataclasses.replace(config, **changes), seed=seed)
    return model.fit(x[:60], y[:60], validation=(x[60:75], y[60:75]))


# --- one length ---------------------------------------------------------------------------------


def slow_resample(spectrum, length):
    """Straight lines through ((i - 1/2)/n, lambda_i), read off at ((j - 1/2)/m), with loops."""
    n, out = len(spectrum), []
    for j in range(1, length + 1):
        share = (j - 0.5) / length
        i = 1
        while i < n - 1 and (i + 1 - 0.5) / n <= share:
            i += 1
        left, right = (i - 0.5) / n, (i + 0.5) / n
        weight = (share - left) / (right - left)
        out.append((1 - weight) * spectrum[i - 1] + weight * spectrum[i])
    return out


@oracle("eq-aelle-resample")
@pytest.mark.parametrize(("n", "length"), [(16, 128), (32, 128), (64, 32), (2, 5), (7, 7), (5, 3)])
def test_equation_resample(n, length):
    values = np.sort(np.random.default_rng(n).normal(size=(3, n)), axis=1)[:, ::-1].copy()
    slow = [slow_resample(row, length) for row in values]
    assert relative_error(aelle.resample_spectrum(values, length), slow) < 1e-12


@pytest.mark.parametrize("mode", ["quantile", "doubling"])
def test_lines_stay_lines_and_order_stays_order(mode):
    line = 0.3 - 0.7 * np.arange(16)
    steps = np.diff(aelle.resample_spectrum(line, 64, mode=mode))
    assert np.ptp(steps) < 1e-12
    falling = -np.sort(np.random.default_rng(0).exponential(size=(20, 16)), axis=1)
    assert (np.diff(aelle.resample_spectrum(falling, 64, mode=mode), axis=1) <= 1e-12).all()


def test_doubling_keeps_the_old_exponents_at_even_places():
    old = np.array([1.0, 0.5, -2.0, -2.5])
    new = aelle.double_spectrum(old)
    assert np.array_equal(new[::2], old)
    assert new[1::2] == pytest.approx([0.75, -0.75, -2.25, -2.75])  # midpoints, last gap copied
    twice = aelle.resample_spectrum(old, 16, mode="doubling")
    assert np.array_equal(twice[::4], old)


def test_both_ways_differ_by_half_a_step_at_most():
    line = 1.0 - 0.25 * np.arange(16)
    shift = aelle.resample_spectrum(line, 64) - aelle.resample_spectrum(line, 64, mode="doubling")
    assert np.abs(shift - shift[0]).max() < 1e-12
    assert abs(shift[0]) < 0.25 / 2


def test_same_length_changes_nothing():
    values = np.sort(np.random.default_rng(1).normal(size=32))[::-1].copy()
    assert relative_error(aelle.resample_spectrum(values, 32), values) < 1e-12


def test_floor_raises_and_counts():
    values, count = aelle.clip_floor(np.array([[0.1, -3.0, -np.inf], [0.0, -1.0, -30.0]]), -16.0)
    assert count == 2
    assert values.min() == -16.0
    assert values[0, 1] == -3.0


# --- networks and loss --------------------------------------------------------------------------


def count(net):
    return sum(weight.numel() for weight in net.parameters())


def test_forms_have_the_widths_of_the_paper():
    x = torch.randn(5, 128)
    for form, widths in (("deep", [128, 16, 8, 6]), ("shallow", [128, 32, 6])):
        net = aelle.SpectrumNet(AelleConfig(length=128, latent=6, form=form)).eval()
        found = [layer.out_features for layer in net.encoder if hasattr(layer, "out_features")]
        assert found == widths[1:]
        back = [layer.out_features for layer in net.decoder if hasattr(layer, "out_features")]
        assert back == widths[-2::-1]
        one_way = sum((a + 1) * b for a, b in itertools.pairwise(widths))
        other_way = sum((a + 1) * b for a, b in itertools.pairwise(widths[::-1]))
        assert count(net) == one_way + other_way + 6 + 1
        out, latent, prediction = net(x)
        assert (out.shape, latent.shape, prediction.shape) == ((5, 128), (5, 6), (5,))
        again = net(x)
        assert all(torch.equal(a, b) for a, b in zip((out, latent, prediction), again, strict=True))
        # In training, dropout makes two passes differ.
        net.train()
        assert not torch.equal(net(x)[0], net(x)[0])


@oracle("eq-aelle-network")
def test_equation_network():
    """Unit by unit, with loops, for one spectrum."""
    torch.manual_seed(0)
    net = aelle.SpectrumNet(AelleConfig(length=32, latent=3)).double().eval().requires_grad_(False)
    x = torch.randn(32, dtype=torch.float64)

    def layer(linear, values, squash):
        out = []
        for unit in range(linear.out_features):
            total = float(linear.bias[unit])
            for i, value in enumerate(values):
                total += float(linear.weight[unit, i]) * value
            out.append(np.tanh(total) if squash else total)
        return out

    encoder = [each for each in net.encoder if isinstance(each, torch.nn.Linear)]
    decoder = [each for each in net.decoder if isinstance(each, torch.nn.Linear)]
    code = x.tolist()
    for number, linear in enumerate(encoder):
        code = layer(linear, code, number < len(encoder) - 1)
    back = code
    for number, linear in enumerate(decoder):
        back = layer(linear, back, number < len(decoder) - 1)
    told = layer(net.head, code, False)
    out, latent, prediction = net(x[None])
    assert relative_error(latent[0], code) < 1e-12
    assert relative_error(out[0], back) < 1e-12
    assert relative_error(prediction, told) < 1e-12


def slow_loss(x, out, y, told, alpha):
    total = 0.0
    for row, back in zip(x.tolist(), out.tolist(), strict=True):
        for a, b in zip(row, back, strict=True):
            total += abs(a - b) / x.numel()
    for a, b in zip(y.tolist(), told.tolist(), strict=True):
        total += alpha * (a - b) ** 2 / len(y)
    return total


@oracle("eq-aelle-loss")
@pytest.mark.parametrize("alpha", [0, 5.0, 20])
def test_equation_loss(alpha):
    x, out = torch.randn(2, 7, 9, dtype=torch.float64)
    y, told = torch.randn(2, 7, dtype=torch.float64)
    found = aelle.aelle_loss(x, out, y, told, alpha)
    assert float(found) == pytest.approx(slow_loss(x, out, y, told, alpha), rel=1e-12)
    stack = aelle.aelle_loss(
        torch.stack([x, out]),
        torch.stack([out, out]),
        torch.stack([y, y]),
        torch.stack([told, told]),
        alpha,
    )
    assert float(stack[0]) == pytest.approx(float(found), rel=1e-12)


def test_a_stack_of_networks_is_each_network():
    for form, changes in (("deep", {}), ("shallow", {"sigmoid": True, "output_dropout": True})):
        config = AelleConfig(length=32, latent=3, form=form, **changes)
        nets = [aelle.SpectrumNet(config).double().eval() for _ in range(3)]
        weights, _ = torch.func.stack_module_state(nets)
        x = torch.randn(3, 5, 32, dtype=torch.float64)
        together = aelle.stacked_forward(nets[0], weights, x)
        for number, net in enumerate(nets):
            for stacked, alone in zip(together, net(x[number]), strict=True):
                assert relative_error(stacked[number], alone) < 1e-12


# --- training -----------------------------------------------------------------------------------


def test_slope_of_a_synthetic_spectrum_is_found_and_a_shuffled_one_is_not():
    x, y = toy(600, 128)
    shuffled = np.random.default_rng(5).permutation(y[:400])
    models = [aelle.SpectrumAutoencoder(AelleConfig.tutorial(stage_epochs=40)) for _ in range(2)]
    aelle.fit_many(
        models,
        [x[:300]] * 2,
        [y[:300], shuffled[:300]],
        [(x[300:400], y[300:400]), (x[300:400], shuffled[300:])],
    )
    assert aelle.explained(y[400:], models[0].predict(x[400:])) > 0.9
    assert aelle.explained(y[400:], models[1].predict(x[400:])) < 0.1


def test_alpha_zero_leaves_the_head_alone():
    torch.manual_seed(0)
    untouched = aelle.SpectrumNet(QUICK).head
    model = fitted(alphas=(0,), select="reconstruction")
    assert torch.equal(model.net_.head.weight, untouched.weight)
    assert torch.equal(model.net_.head.bias, untouched.bias)
    assert not torch.equal(fitted(alphas=(5,)).net_.head.weight, untouched.weight)


def test_stages_keep_the_state_of_adam():
    two_stages, one_stage = fitted(alphas=(5, 5)), fitted(alphas=(5,), stage_epochs=30)
    assert np.array_equal(two_stages.history_["prediction"], one_stage.history_["prediction"])


def test_best_weights_are_kept_and_not_the_last():
    """Weights that followed the optimiser would have the last validation loss, not the lowest."""
    x, y = toy()
    rng = np.random.default_rng(0)
    y_held = rng.permutation(y[60:75])  # validation that gets worse as training goes on
    model = aelle.SpectrumAutoencoder(QUICK).fit(x[:60], y[:60], validation=(x[60:75], y_held))
    losses = model.history_["prediction"]
    assert model.best_epoch_ == losses.argmin() + 1 < len(losses)
    scale = y[:60].std()
    found = ((model.predict(x[60:75]) - y_held) ** 2).mean() / scale**2
    assert found == pytest.approx(losses.min(), rel=1e-4)
    assert losses[-1] > losses.min() * 1.05


def test_same_seed_same_model_and_no_trace_in_the_global_stream():
    torch.manual_seed(3)
    before = torch.get_rng_state()
    first, second = fitted(seed=1), fitted(seed=1)
    assert torch.equal(torch.get_rng_state(), before)
    x, _ = toy()
    assert np.array_equal(first.predict(x), second.predict(x))
    assert not np.array_equal(first.predict(x), fitted(seed=2).predict(x))


@oracle("eq-aelle-step")
def test_equation_step():
    model = fitted()
    x, y = toy()
    codes = model.transform(x[75:])
    amount = 0.37
    moved = model.step_latent(codes, amount)
    w = model.net_.head.weight[0].double().numpy()
    slow = []
    for code in codes:
        norm = sum(float(each) ** 2 for each in w)
        scaled = amount / y[:60].std()
        slow.append(
            [float(z) - scaled * float(each) / norm for z, each in zip(code, w, strict=True)]
        )
    assert relative_error(moved, slow) < 1e-6
    change = model.predict_latent(moved) - model.predict_latent(codes)
    assert np.abs(change + amount).max() < 1e-5
    assert np.array_equal(model.step_latent(codes, 0), codes)


def test_code_decodes_to_what_reconstruct_says():
    model, (x, _) = fitted(), toy()
    codes = model.transform(x)
    assert codes.shape == (90, 3)
    assert np.array_equal(model.decode(codes), model.reconstruct(x))
    assert relative_error(model.predict_latent(codes), model.predict(x)) < 1e-6


# --- the axis and F1 ----------------------------------------------------------------------------


def slow_f1(said, good):
    right = sum(1 for a, b in zip(said, good, strict=True) if a and b)
    if right == 0:
        return 0.0
    precision, recall = right / sum(said), right / sum(good)
    return 2 * precision * recall / (precision + recall)


@oracle("eq-aelle-f1")
def test_equation_f1():
    rng = np.random.default_rng(0)
    for share in (0.1, 0.5, 0.9):
        said, good = rng.random((2, 40)) < share
        assert aelle.f1_score(said, good) == pytest.approx(slow_f1(said, good), abs=1e-12)
    some, none = np.array([True, False]), np.zeros(2, bool)
    assert aelle.f1_score(none, some) == 0
    assert aelle.f1_score(some, none) == 0
    assert aelle.f1_score(none, none) == 0
    assert aelle.f1_score(some, ~some) == 0


def test_best_threshold_is_the_best_of_all():
    rng = np.random.default_rng(2)
    score, good = rng.normal(size=60).round(1), rng.random(60) < 0.4
    found = aelle.f1_score(score < aelle.best_threshold(score, good), good)
    everywhere = [slow_f1(score < level, good) for level in np.linspace(-4, 4, 2001)]
    assert found == pytest.approx(max(everywhere), abs=1e-12)


def test_separable_networks_are_separated_and_the_axis_points_to_loss():
    rng = np.random.default_rng(0)
    loss = rng.permutation(np.r_[rng.uniform(0, 1, 30), rng.uniform(2, 3, 30)])
    for sign in (1, -1):
        features = rng.normal(0, 0.05, (60, 8))
        features[:, 2] += sign * loss
        axis = aelle.LatentAxis().fit(features[:40], loss[:40])
        points = axis.project(features)
        assert np.corrcoef(points[:, 0], loss)[0, 1] > 0.9
        assert axis.f1(features[:40], loss[:40]) == 1
        cut = np.median(loss[:40])
        assert axis.f1(features[40:], loss[40:]) == slow_f1(
            points[40:, 0] < axis.threshold_, loss[40:] < cut
        )


def test_early_loss_rule_takes_its_medians_from_the_training_side():
    early, final = np.array([1.0, 2, 3, 4, 9, 0]), np.array([1.0, 2, 3, 4, 1, 9])
    train, test = np.arange(4), np.array([4, 5])
    assert aelle.early_loss_f1(early, final, train, test) == 0
    assert aelle.early_loss_f1(final, final, train, test) == 1


def test_r_squared():
    y = np.array([1.0, 2, 3, 6])
    assert aelle.explained(y, y) == 1
    assert aelle.explained(y, np.full(4, 3.0)) == pytest.approx(0)
    with pytest.raises(ValueError, match="does not vary"):
        aelle.explained(np.ones(3), y[:3])


# --- leaks --------------------------------------------------------------------------------------


def test_a_network_is_on_one_side_only():
    for seed in range(5):
        split = aelle.split_networks(600, seed=seed)
        joined = np.concatenate([split.train, split.validation, split.test])
        assert sorted(joined) == list(range(600))
        assert (len(split.train), len(split.validation), len(split.test)) == (420, 60, 120)


def test_nothing_learns_from_the_test_networks():
    """Other test networks, other losses of theirs: nothing that was fitted moves."""
    x, y = toy(100)
    split = aelle.split_networks(100, seed=0)
    x_other, y_other = x.copy(), y.copy()
    x_other[split.test] = 50.0 + x[split.test[::-1]]
    y_other[split.test] = 900.0
    model, other = (
        aelle.SpectrumAutoencoder(QUICK).fit(
            a[split.train], b[split.train], validation=(a[split.validation], b[split.validation])
        )
        for a, b in ((x, y), (x_other, y_other))
    )
    assert np.array_equal(model.spectrum_mean_, other.spectrum_mean_)
    assert np.array_equal(model.predict(x), other.predict(x))
    for name, (features, regressor) in aelle.BASELINES.items():
        before, after = regressor(0), regressor(0)
        aelle.predict_baseline(before, features(x), y, split)
        aelle.predict_baseline(after, features(x_other), y_other, split)
        assert np.array_equal(before.predict(features(x)), after.predict(features(x))), name
    axes = [
        aelle.LatentAxis().fit(a[split.train], b[split.train])
        for a, b in ((x, y), (x_other, y_other))
    ]
    assert axes[0].threshold_ == axes[1].threshold_
    assert np.array_equal(axes[0].project(x), axes[1].project(x))


def test_validation_networks_choose_weights_and_set_no_scale():
    x, y = toy(100)
    model = aelle.SpectrumAutoencoder(QUICK).fit(x[:60], y[:60], validation=(x[60:], y[60:]))
    assert np.array_equal(model.spectrum_mean_, x[:60].mean(axis=0))
    assert np.array_equal(model.spectrum_scale_, x[:60].std(axis=0))
    assert model.target_mean_ == y[:60].mean()
    other = aelle.SpectrumAutoencoder(QUICK).fit(
        x[:60], y[:60], validation=(x[60:] + 9, y[60:] - 9)
    )
    assert np.array_equal(model.spectrum_mean_, other.spectrum_mean_)
    # The course of training is the same; only what it is judged by differs.
    assert model.history_["prediction"][0] != other.history_["prediction"][0]


def test_constant_exponents_do_not_divide_by_zero():
    x, y = toy()
    x[:, 5] = 3.0
    model = aelle.SpectrumAutoencoder(QUICK).fit(x[:60], y[:60], validation=(x[60:], y[60:]))
    assert np.isfinite(model.predict(x)).all()


# --- baselines ----------------------------------------------------------------------------------


def test_baselines_see_what_they_are_named_after():
    x, y = toy(200)
    split = aelle.split_networks(200, seed=0)
    features = {name: each[0](x) for name, each in aelle.BASELINES.items()}
    assert np.array_equal(features["largest"][:, 0], x[:, 0])
    assert np.allclose(features["mean"][:, 0], x.mean(axis=1))
    scores = aelle.baseline_scores(x, y, split, seed=0)
    assert set(scores) == {"ridge", "forest", "two PCs", "mean", "largest"}
    # Slope is a combination of exponents: the whole spectrum tells it, one number does not.
    assert scores["ridge"] > 0.9
    assert scores["ridge"] > scores["largest"] + 0.3


# --- planted bugs -------------------------------------------------------------------------------


def test_planted_references_instead_of_copies():
    """`best = weights` keeps references; the test of the best weights then fails."""
    x, y = toy()
    y_held = np.random.default_rng(0).permutation(y[60:75])
    with planted(
        autoencoder,
        "best = {name: value.detach().clone() for name, value in weights.items()}",
        "best = {name: value.detach() for name, value in weights.items()}",
    ) as bad:
        model = bad.SpectrumAutoencoder(QUICK).fit(x[:60], y[:60], validation=(x[60:75], y_held))
    found = ((model.predict(x[60:75]) - y_held) ** 2).mean() / y[:60].std() ** 2
    assert found > model.history_["prediction"].min() * 1.05


def test_planted_sign_of_the_latent_step():
    with planted(autoencoder, "return latents - (amount", "return latents + (amount") as bad:
        x, y = toy()
        model = bad.SpectrumAutoencoder(QUICK).fit(x[:60], y[:60], validation=(x[60:], y[60:]))
        codes = model.transform(x)
        change = model.predict_latent(model.step_latent(codes, 0.5)) - model.predict_latent(codes)
    assert (change > 0).all()


def test_planted_half_step_of_the_quantile_grid():
    values = np.sort(np.random.default_rng(0).normal(size=16))[::-1].copy()
    with planted(spectra, "/ length * n - 0.5", "/ length * n") as bad:
        found = bad.resample_spectrum(values, 64)
    assert relative_error(found, slow_resample(values, 64)) > 1e-2


def test_planted_axis_without_a_sign():
    rng = np.random.default_rng(0)
    loss = rng.uniform(0, 3, 60)
    features = rng.normal(0, 0.05, (60, 8))
    with planted(evaluation, "np.where(with_loss < 0, -1.0, 1.0)", "np.ones(2)") as bad:
        found = []
        for sign in (1, -1):
            signed = features.copy()
            signed[:, 2] += sign * loss
            axis = bad.LatentAxis().fit(signed, loss)
            found.append(np.corrcoef(axis.project(signed)[:, 0], loss)[0, 1])
    assert min(found) < 0


# --- bad input ----------------------------------------------------------------------------------


@pytest.mark.usefixtures("unchecked")
class TestBadInput:
    def test_spectra(self):
        x, y = toy()
        model = aelle.SpectrumAutoencoder(QUICK)
        broken = x.copy()
        broken[3, 4] = np.nan
        with pytest.raises(ValueError, match="1 of 60 rows hold NaN"):
            model.fit(broken[:60], y[:60], validation=(x[60:], y[60:]))
        broken[3, 4] = -np.inf
        with pytest.raises(ValueError, match="clip_floor"):
            model.fit(broken[:60], y[:60], validation=(x[60:], y[60:]))
        with pytest.raises(ValueError, match="32 exponents each, got 16"):
            model.fit(x[:60, :16], y[:60], validation=(x[60:], y[60:]))
        with pytest.raises(ValueError, match="one number for each network"):
            model.fit(x[:60], y[:50], validation=(x[60:], y[60:]))
        with pytest.raises(ValueError, match="finite"):
            model.fit(x[:60], np.full(60, np.inf), validation=(x[60:], y[60:]))
        with pytest.raises(ValueError, match="10 networks or more, got 9"):
            model.fit(x[:9], y[:9], validation=(x[60:], y[60:]))
        with pytest.raises(ValueError, match="validation split is empty"):
            model.fit(x[:60], y[:60], validation=(x[:0], y[:0]))
        with pytest.raises(ValueError, match="call fit first"):
            model.predict(x)

    def test_config(self):
        for wrong, match in (
            ({"alphas": (5, -1)}, "alpha must be a finite number >= 0"),
            ({"alphas": ()}, "one stage"),
            ({"latent": 0}, "latent must be at least 1"),
            ({"dropout": 1.0}, "dropout"),
            ({"form": "wide"}, "deep, shallow"),
            ({"select": "luck"}, "prediction, reconstruction"),
            ({"length": 8}, "length must be at least 16"),
            ({"learning_rate": 0}, "learning_rate"),
        ):
            with pytest.raises(ValueError, match=match):
                AelleConfig(**wrong)
        with pytest.raises(TypeError, match="whole number"):
            AelleConfig(latent=2.5)
        with pytest.raises(ValueError, match="alpha"):
            one = torch.zeros(1, 1)
            aelle.aelle_loss(one, one, one[0], one[0], -1)

    def test_other_configs(self):
        with pytest.raises(ValueError, match="spectrum_epochs"):
            PopulationConfig(epochs=3)
        with pytest.raises(ValueError, match="vanilla, gru, lstm"):
            PopulationConfig(cells=("elman",))
        with pytest.raises(ValueError, match="scale_low"):
            PopulationConfig(scale_low=4.0)
        with pytest.raises(ValueError, match="density"):
            ForceConfig(density=1.5)
        with pytest.raises(ValueError, match="penalty"):
            ForceConfig(penalty=0)

    def test_squashed(self):
        x, y = toy()
        config = dataclasses.replace(QUICK, sigmoid=True)
        with pytest.raises(ValueError, match=r"targets in \(0, 1\)"):
            aelle.SpectrumAutoencoder(config).fit(x[:60], y[:60] + 5, validation=(x[60:], y[60:]))
        model = aelle.SpectrumAutoencoder(config).fit(
            x[:60], y[:60] / 5 + 0.01, validation=(x[60:], y[60:] / 5 + 0.01)
        )
        assert ((model.predict(x) > 0) & (model.predict(x) < 1)).all()
        with pytest.raises(ValueError, match="not linear"):
            model.step_latent(model.transform(x), 0.1)

    def test_resampling(self):
        with pytest.raises(ValueError, match="doubling reaches 16, 32, 64"):
            aelle.resample_spectrum(np.zeros(16), 48, mode="doubling")
        with pytest.raises(ValueError, match="doubling reaches"):
            aelle.resample_spectrum(np.zeros(16), 8, mode="doubling")
        with pytest.raises(ValueError, match="quantile or doubling"):
            aelle.resample_spectrum(np.zeros(16), 32, mode="spline")
        with pytest.raises(ValueError, match="two exponents"):
            aelle.resample_spectrum(np.zeros(1), 8)
        with pytest.raises(ValueError, match="clip_floor"):
            aelle.resample_spectrum(np.array([0.0, -np.inf]), 8)
        with pytest.raises(ValueError, match="diverged"):
            aelle.clip_floor(np.array([[0.0, np.nan]]), -16.0)
        with pytest.raises(ValueError, match="floor"):
            aelle.clip_floor(np.array([[0.0, 1.0]]), -np.inf)

    def test_stacks_and_splits(self):
        x, y = toy()
        held = (x[60:], y[60:])
        one, other = aelle.SpectrumAutoencoder(QUICK), aelle.SpectrumAutoencoder(AelleConfig())
        with pytest.raises(ValueError, match="one configuration"):
            aelle.fit_many([one, other], [x, x], [y, y], [held, held])
        with pytest.raises(ValueError, match="equally many"):
            aelle.fit_many([one, one], [x, x[:50]], [y, y[:50]], [held, held])
        with pytest.raises(ValueError, match="for each model"):
            aelle.fit_many([one], [x, x], [y], [held])
        with pytest.raises(ValueError, match="10 networks"):
            aelle.split_networks(9, seed=0)
        with pytest.raises(ValueError, match="side empty"):
            aelle.split_networks(20, fractions=(0.9, 0.1), seed=0)
