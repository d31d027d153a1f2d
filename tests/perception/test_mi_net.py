"""MI Net's networks: equations as oracles, acceptance checks, other libraries, planted bugs."""

import math

import librosa
import numpy as np
import pytest
import torch
from vector_quantize_pytorch import VectorQuantize

from neurotutor.perception import mi_net
from neurotutor.perception.mi_net import (
    VQVAE,
    MiNetConfig,
    MovementPrior,
    MultiBandResidual,
    VectorQuantizer,
    prior,
    quantiser,
    spectra,
    vqvae,
)
from tests.harness import oracle, planted, relative_error

SMALL = MiNetConfig.tutorial(
    channels=16, code_dim=8, n_codes=12, movement_units=6, embedding=10, width=16, midi_units=8,
    clip_seconds=0.4,
)  # fmt: skip
SMALL_TRANSFORMER = MiNetConfig(
    sample_rate=8000, n_fft=512, hop=160, channels=16, bands=(2, 4), code_dim=8, n_codes=12,
    movement_units=6, embedding=10, width=16, layers=2, heads=2, midi_units=8, clip_seconds=0.4,
)  # fmt: skip


def seeded(*shape, seed=0, dtype=torch.float64):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


# --- spectra --------------------------------------------------------------------------------------


@oracle("eq-mi-net-spectrogram")
def test_equation_spectrogram():
    audio = seeded(700)
    n_fft, hop, floor = 64, 20, 0.5
    fast = mi_net.log_spectrogram(audio, n_fft, hop, floor)
    padded = np.pad(audio.numpy(), n_fft // 2, mode="reflect")
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(n_fft) / n_fft)
    slow = np.empty((n_fft // 2, 1 + 700 // hop))
    for t in range(slow.shape[1]):
        for f in range(1, n_fft // 2 + 1):
            total = 0
            for s in range(n_fft):
                x = window[s] * padded[hop * t + s]
                total += x * np.exp(-2j * np.pi * f * s / n_fft)
            slow[f - 1, t] = math.log(max(abs(total), floor))
    assert relative_error(fast, slow) < 1e-10


def test_the_transform_is_that_of_torch_and_librosa():
    audio = seeded(2, 20480)
    ours = mi_net.stft(audio, 512, 160)
    window = torch.hann_window(512, dtype=torch.float64)
    theirs = torch.stft(audio, 512, 160, window=window, pad_mode="reflect", return_complex=True)
    assert (ours - theirs).abs().max() < 1e-10
    other = librosa.stft(audio[1].numpy(), n_fft=512, hop_length=160, pad_mode="reflect")
    assert np.abs(ours[1].numpy() - other).max() < 1e-4
    back = mi_net.istft(ours, 160, 20480)
    assert (back - audio).abs().max() < 1e-10
    assert np.abs(librosa.istft(other, hop_length=160, length=20480) - back[1].numpy()).max() < 1e-4


def test_a_tone_peaks_in_its_bin_and_frames_are_counted():
    t = torch.arange(8000, dtype=torch.float64) / 8000
    found = mi_net.log_spectrogram(torch.sin(2 * math.pi * 1000 * t))
    assert found.shape == (256, 1 + 8000 // 160)
    # Bin f stands for (f + 1) * 8000 / 512 Hz, since the constant one is gone.
    assert (found[:, 5:-5].argmax(dim=0) == 1000 * 512 // 8000 - 1).all()
    for samples in (8001, 8159, 8160):
        sound = torch.zeros(samples)
        assert mi_net.log_spectrogram(sound).shape[1] == 1 + samples // 160


def test_griffin_lim_finds_a_sound():
    take = mi_net.simulate_performance("violin", seconds=2.56, engine="additive", seed=3)
    wanted = mi_net.stft(torch.from_numpy(take.audio), 512, 160)[1:].abs()

    def error(sound):
        again = mi_net.stft(torch.as_tensor(sound), 512, 160)[1:].abs()
        return mi_net.spectral_convergence(again, wanted)

    found = mi_net.griffin_lim(wanted, 160, n_iterations=60, samples=20480)
    assert found.shape == (20480,)
    assert error(found) <= 0.25
    assert torch.equal(found, mi_net.griffin_lim(wanted, 160, samples=20480))
    assert error(found) < 0.5 * error(
        mi_net.griffin_lim(wanted, 160, n_iterations=1, samples=20480)
    )
    theirs = librosa.griffinlim(
        np.pad(wanted.numpy(), ((1, 0), (0, 0))), n_iter=60, hop_length=160, n_fft=512,
        length=20480, random_state=0, pad_mode="reflect",
    )  # fmt: skip
    assert error(found) < 1.5 * error(theirs)


def test_griffin_lim_without_phase_update_is_found_out():
    take = mi_net.simulate_performance("flute", seconds=1.0, engine="additive")
    wanted = mi_net.stft(torch.from_numpy(take.audio), 512, 160)[1:].abs()
    with planted(spectra, "before = found", "phase = before") as bad:
        found = bad.griffin_lim(wanted, 160, samples=8000)
    again = mi_net.stft(found, 512, 160)[1:].abs()
    assert mi_net.spectral_convergence(again, wanted) > 0.25


def test_distances_are_zero_for_equals_and_in_decibels():
    x = seeded(4, 5)
    assert mi_net.log_spectral_distance(x, x) == 0
    tenfold = mi_net.log_spectral_distance(x + math.log(10), x)
    assert tenfold == pytest.approx(20, abs=1e-9)
    assert mi_net.spectral_convergence(2 * x.abs(), x.abs()) == pytest.approx(1)


# --- the block ------------------------------------------------------------------------------------


def instance_norm(rows):
    mean = sum(rows) / len(rows)
    variance = sum((x - mean) ** 2 for x in rows) / len(rows)
    return [(x - mean) / math.sqrt(variance + 1e-5) for x in rows]


@oracle("eq-mi-net-block")
def test_equation_block():
    torch.manual_seed(0)
    block = MultiBandResidual(6, 3).double()
    x = seeded(1, 6, 7)

    def conv(layer, band, values):
        weight, bias = layer.weight.detach().numpy(), layer.bias.detach().numpy()
        out = []
        for c in (2 * band, 2 * band + 1):
            row = []
            for t in range(7):
                total = bias[c]
                for i in range(2):
                    for k in range(3):
                        if 0 <= t + k - 1 < 7:
                            total += weight[c, i, k] * values[i][t + k - 1]
                row.append(total)
            out.append(row)
        return out

    slow = []
    for band in range(3):
        rows = x[0, 2 * band : 2 * band + 2].tolist()
        inner = [instance_norm(row) for row in conv(block.first, band, rows)]
        inner = [[v if v > 0 else 0.01 * v for v in row] for row in inner]
        outer = [instance_norm(row) for row in conv(block.second, band, inner)]
        for c in range(2):
            y = [rows[c][t] + outer[c][t] for t in range(7)]
            slow.append([rows[c][t] + y[t] for t in range(7)])
    assert relative_error(block(x), [slow]) < 1e-10


def test_block_doubles_when_its_branch_is_zero_and_bands_keep_apart():
    block = MultiBandResidual(12, 4)
    x = seeded(2, 12, 9, dtype=torch.float32)
    before = block(x)
    other = x.clone()
    other[:, 3:6] += seeded(2, 3, 9, seed=1, dtype=torch.float32)
    changed = (block(other) - before).abs().amax(dim=(0, 2)) > 1e-6
    assert changed.tolist() == [False] * 3 + [True] * 3 + [False] * 6
    for parameter in block.parameters():
        torch.nn.init.zeros_(parameter)
    assert torch.equal(block(x), 2 * x)
    with planted(vqvae, "return x + (x + _normalise", "return 0 * x + (x + _normalise") as bad:
        single = bad.MultiBandResidual(12, 4)
    for parameter in single.parameters():
        torch.nn.init.zeros_(parameter)
    assert not torch.equal(single(x), 2 * x)


def test_bands_divide_the_weights():
    sizes = [
        sum(p.numel() for p in MultiBandResidual(192, b).parameters() if p.ndim > 1)
        for b in (1, 2, 4)
    ]
    assert sizes[0] == 2 * sizes[1] == 4 * sizes[2]
    with pytest.raises(ValueError, match="divide"):
        MultiBandResidual(10, 4)


def test_a_constant_band_stays_finite():
    assert torch.isfinite(MultiBandResidual(8, 2)(torch.ones(1, 8, 6))).all()


# --- the quantiser --------------------------------------------------------------------------------


@oracle("eq-mi-net-nearest")
def test_equation_nearest():
    # Whole numbers, so that ties are ties and not a matter of rounding.
    z, e = (3 * seeded(3, 7, 4)).round(), (3 * seeded(9, 4, seed=1)).round()
    slow = [
        [min(range(9), key=lambda j: (float(((z[b, t] - e[j]) ** 2).sum()), j)) for t in range(7)]
        for b in range(3)
    ]
    assert mi_net.nearest_codes(z, e).tolist() == slow
    twice = torch.cat([e, e])
    assert mi_net.nearest_codes(z, twice).tolist() == slow
    # A letter is its own nearest letter.
    assert mi_net.nearest_codes(e, e).tolist() == list(range(9))


@oracle("eq-mi-net-straight")
def test_equation_straight():
    z = seeded(5, 4).requires_grad_()
    vectors = seeded(5, 4, seed=1)
    out = mi_net.straight_through(z, vectors)
    assert torch.allclose(out, vectors)
    weight = seeded(5, 4, seed=2)
    (out * weight).sum().backward()
    assert torch.equal(z.grad, weight)


def test_gradients_pass_the_whole_quantiser():
    layer = VectorQuantizer(6, 4).double()
    z = seeded(2, 5, 4).requires_grad_()
    weight = seeded(2, 5, 4, seed=2)
    found = layer(z)
    (found.vectors * weight).sum().backward()
    assert torch.allclose(z.grad, weight)


def slow_ema(counts, sums, z, codes, decay, eps):
    counts, sums = list(counts), [list(row) for row in sums]
    K = len(counts)
    for j in range(K):
        mine = [row for row, k in zip(z, codes, strict=True) if k == j]
        counts[j] = decay * counts[j] + (1 - decay) * len(mine)
        for d in range(len(sums[j])):
            sums[j][d] = decay * sums[j][d] + (1 - decay) * sum(row[d] for row in mine)
    total = sum(counts)
    smooth = [(n + eps) / (total + K * eps) * total for n in counts]
    return counts, sums, [[s / n for s in row] for row, n in zip(sums, smooth, strict=True)]


@oracle("eq-mi-net-ema")
def test_equation_ema():
    layer = VectorQuantizer(5, 3, decay=0.9, revive_below=None).double()
    layer.started.fill_(True)
    counts, sums, book = (x.tolist() for x in (layer.counts, layer.sums, layer.codebook))
    for step in range(3):
        z = seeded(20, 3, seed=step)
        codes = [
            min(
                range(5), key=lambda j: sum((a - b) ** 2 for a, b in zip(row, book[j], strict=True))
            )
            for row in z.tolist()
        ]
        counts, sums, book = slow_ema(counts, sums, z.tolist(), codes, 0.9, 1e-5)
        assert layer(z).codes.tolist() == codes
        assert relative_error(layer.codebook, book) < 1e-6
        assert relative_error(layer.counts, counts) < 1e-6
    with planted(quantiser, "sums = decay * sums + (1 - decay) * summed", "sums = summed") as bad:
        wrong = bad.VectorQuantizer(5, 3, decay=0.9, revive_below=None).double()
        wrong.started.fill_(True)
        wrong(seeded(20, 3))
    right = VectorQuantizer(5, 3, decay=0.9, revive_below=None).double()
    right.started.fill_(True)
    right(seeded(20, 3))
    assert relative_error(wrong.codebook, right.codebook) > 0.01


def test_the_update_is_that_of_vector_quantize_pytorch():
    peer = VectorQuantize(
        dim=4, codebook_size=8, decay=0.99, eps=1e-5, threshold_ema_dead_code=0, kmeans_init=False
    )
    book = seeded(8, 4, dtype=torch.float32)
    peer._codebook.embed.data.copy_(book[None])
    peer._codebook.embed_avg.data.copy_(book[None])
    peer._codebook.cluster_size.data.fill_(1.0)
    ours = VectorQuantizer(8, 4, decay=0.99, eps=1e-5, revive_below=None)
    ours.codebook.copy_(book)
    ours.sums.copy_(book)
    ours.started.fill_(True)
    peer.train()
    for step in range(3):
        z = seeded(2, 30, 4, seed=step + 1, dtype=torch.float32)
        _, theirs, _ = peer(z)
        assert torch.equal(ours(z).codes, theirs)
        assert (peer._codebook.embed[0] - ours.codebook).abs().max() < 1e-6


def test_one_code_without_memory_is_the_batch_mean():
    layer = VectorQuantizer(1, 3, decay=0.0, eps=1e-12, revive_below=None).double()
    z = seeded(50, 3)
    layer(z)
    assert relative_error(layer.codebook[0], z.mean(dim=0)) < 1e-9


def test_evaluation_changes_nothing_and_training_starts_from_the_batch():
    layer = VectorQuantizer(6, 4)
    layer.eval()
    before = {k: v.clone() for k, v in layer.state_dict().items()}
    layer(seeded(9, 4, dtype=torch.float32))
    assert all(torch.equal(v, before[k]) for k, v in layer.state_dict().items())
    z = seeded(40, 4, dtype=torch.float32)
    layer.start_from(z)
    rows = (layer.codebook[:, None] == z[None]).all(dim=2)
    assert rows.any(dim=1).all()
    assert rows.any(dim=0).sum() == 6
    few = VectorQuantizer(6, 4)
    few.start_from(z[:2])
    assert len(few.codebook.unique(dim=0)) == 6
    assert (few.codebook[:, None] - z[None, :2]).norm(dim=2).amin(dim=1).max() < 0.05


def test_revived_codes_are_members_of_the_batch():
    layer = VectorQuantizer(20, 4, decay=0.5, revive_below=1.0)
    layer.codebook.fill_(100.0)
    layer.codebook[0] = 0.0
    layer.sums.copy_(layer.codebook)
    layer.started.fill_(True)
    z = seeded(200, 4, dtype=torch.float32)
    layer(z)
    moved = (layer.codebook[1:, None] == z[None]).all(dim=2).any(dim=1)
    assert moved.all()
    assert (layer.counts[1:] == 1).all()
    kept = VectorQuantizer(20, 4, decay=0.5, revive_below=None)
    kept.codebook.fill_(100.0)
    kept.codebook[0] = 0.0
    kept.sums.copy_(kept.codebook)
    kept.started.fill_(True)
    codes = kept(z).codes
    assert mi_net.perplexity(codes, 20) == 1
    assert mi_net.perplexity(layer.eval()(z).codes, 20) > 10


@oracle("eq-mi-net-perplexity")
def test_equation_perplexity():
    codes = torch.randint(0, 7, (300,), generator=torch.Generator().manual_seed(0))
    shares = [(codes == j).double().mean().item() for j in range(7)]
    slow = math.exp(-sum(p * math.log(p) for p in shares if p))
    assert mi_net.perplexity(codes, 7) == pytest.approx(slow)
    assert mi_net.perplexity(torch.zeros(5, dtype=torch.long), 7) == 1
    assert mi_net.perplexity(torch.arange(7), 7) == pytest.approx(7)


# --- VQ-VAE ---------------------------------------------------------------------------------------


@oracle("eq-mi-net-loss")
def test_equation_loss():
    model = VQVAE(SMALL)
    clips = seeded(2, 256, 20, dtype=torch.float32)
    model.set_scale(clips)
    model.eval()
    x = (clips - clips.mean()) / clips.std()
    z = model.encoder(x).transpose(1, 2)
    error = commit = 0.0
    vectors = model.quantiser.codebook[mi_net.nearest_codes(z, model.quantiser.codebook)]
    found = model.decoder(vectors.transpose(1, 2))
    for b in range(2):
        for f in range(256):
            for t in range(20):
                error += (x[b, f, t] - found[b, f, t]).item() ** 2 / (2 * 256 * 20)
        for t in range(10):
            for d in range(8):
                commit += (z[b, t, d] - vectors[b, t, d]).item() ** 2 / (2 * 10 * 8)
    out = model(clips)
    assert relative_error(out.loss, error + 0.25 * commit) < 1e-4
    assert relative_error(out.error, error) < 1e-4


@pytest.mark.parametrize("config", [SMALL, MiNetConfig.tutorial(), MiNetConfig()])
def test_one_code_for_two_frames_and_back(config):
    model = VQVAE(config).eval()
    clips = seeded(1, config.bins, 2 * config.frames, dtype=torch.float32)
    codes = model.encode(clips)
    assert codes.shape == (1, config.frames)
    assert int(codes.max()) < config.n_codes
    decoded = model.decode(codes)
    assert decoded.shape == clips.shape
    assert torch.allclose(decoded, model(clips).spectra * model.spread + model.mean, atol=1e-4)


def test_the_tutorial_has_the_size_that_it_should():
    assert sum(p.numel() for p in VQVAE(MiNetConfig.tutorial()).parameters()) == 776_000


# --- prior ----------------------------------------------------------------------------------------


def skeletons(clips, frames, seed=0):
    base = torch.from_numpy(mi_net.base_posture(mi_net.INSTRUMENTS["violin"])).float()
    return base + 0.05 * seeded(clips, frames, 20, 2, seed=seed, dtype=torch.float32)


@oracle("eq-mi-net-features")
def test_equation_features():
    keypoints = skeletons(2, 5)
    found = mi_net.movement_features(keypoints)
    for b in range(2):
        neck = [sum(float(keypoints[b, t, 1, a]) for t in range(5)) / 5 for a in (0, 1)]
        width = (
            sum(
                math.dist(keypoints[b, t, 2].tolist(), keypoints[b, t, 3].tolist())
                for t in range(5)
            )
            / 5
        )
        slow = np.zeros((5, 80))
        for t in range(5):
            for j in range(20):
                for a in range(2):
                    here = (float(keypoints[b, t, j, a]) - neck[a]) / width
                    past = (float(keypoints[b, max(t - 1, 0), j, a]) - neck[a]) / width
                    slow[t, 2 * j + a] = here
                    slow[t, 40 + 2 * j + a] = 10 * (here - past)
        assert relative_error(found[b], slow) < 1e-4


def test_features_do_not_know_where_the_player_stands():
    keypoints = skeletons(1, 6)
    moved = 2.5 * keypoints + 3.0
    assert torch.allclose(
        mi_net.movement_features(moved), mi_net.movement_features(keypoints), atol=1e-4
    )


@pytest.fixture(params=[SMALL, SMALL_TRANSFORMER], ids=["gru", "transformer"])
def network(request):
    model = MovementPrior(request.param).eval()
    # The small head of a fresh network would hide what reaches it.
    torch.nn.init.normal_(model.head.weight, generator=torch.Generator().manual_seed(1))
    return model


def some_codes(clips=3, frames=10, n=12):
    return torch.randint(0, n, (clips, frames), generator=torch.Generator().manual_seed(2))


@oracle("eq-mi-net-prior")
def test_equation_prior(network):
    codes, keypoints = some_codes(), skeletons(3, 10)
    logits = network(codes, keypoints)
    total = 0.0
    for b in range(3):
        for t in range(10):
            row = logits[b, t].double().tolist()
            total -= row[codes[b, t]] - math.log(sum(math.exp(v) for v in row))
    assert relative_error(network.loss(codes, keypoints), total / 30) < 1e-5
    bits = network.bits(codes, keypoints)
    assert float(bits.mean()) == pytest.approx(total / 30 / math.log(2), rel=1e-5)


def test_no_code_is_seen_at_its_own_time_or_before(network):
    codes = some_codes()
    before = network(codes, skeletons(3, 10))
    for t in (0, 4, 9):
        other = codes.clone()
        other[:, t] = (other[:, t] + 5) % 12
        changed = (network(other, skeletons(3, 10)) - before).abs().amax(dim=(0, 2)) > 1e-6
        assert not changed[: t + 1].any()
        assert t == 9 or changed[t + 1]


def test_a_prior_that_sees_the_present_is_found_out():
    with planted(
        prior, "functional.pad(codes[:, :-1], (1, 0)", "functional.pad(codes, (0, 0)"
    ) as bad:
        model = bad.MovementPrior(SMALL).eval()
    torch.nn.init.normal_(model.head.weight)
    codes = some_codes()
    other = codes.clone()
    other[:, 4] = (other[:, 4] + 5) % 12
    assert (model(other) - model(codes))[:, 4].abs().max() > 1e-6


def test_conditions_reach_every_step_and_can_be_left_out(network):
    codes = some_codes()
    rolls = torch.zeros(3, 60, 20)
    rolls[:, 20] = 1
    alone = network(codes)
    for given in ((skeletons(3, 10), None), (None, rolls)):
        changed = (network(codes, *given) - alone).abs().amax(dim=(0, 2))
        assert (changed > 1e-6).all()
    both = network(codes, skeletons(3, 10), rolls, keep_movement=torch.zeros(3, dtype=torch.bool),
                   keep_midi=torch.zeros(3, dtype=torch.bool))  # fmt: skip
    assert torch.allclose(both, alone, atol=1e-6)


def test_one_loss_trains_the_movement_encoder_too(network):
    network.loss(some_codes(), skeletons(3, 10)).backward()
    assert all(p.grad.abs().sum() > 0 for p in network.movement.parameters() if p.ndim > 1)


def test_samples_repeat_and_follow_the_model(network):
    wanted = {"clips": 4, "frames": 10, "keypoints": skeletons(4, 10)}
    first = network.sample(**wanted, seed=3)
    assert first.shape == (4, 10)
    assert torch.equal(first, network.sample(**wanted, seed=3))
    assert not torch.equal(first, network.sample(**wanted, seed=4))
    # At a temperature near zero each code is the best one after those before it.
    greedy = network.sample(**wanted, temperature=1e-4)
    assert torch.equal(greedy, network(greedy, wanted["keypoints"]).argmax(dim=-1))


def test_trivial_alphabets_and_fresh_models():
    config = MiNetConfig.tutorial(n_codes=1, width=8, movement_units=4, embedding=4, midi_units=4)
    one = MovementPrior(config)
    assert float(one.loss(torch.zeros(2, 5, dtype=torch.long))) == 0
    fresh = MovementPrior(MiNetConfig.tutorial())
    codes = some_codes(4, 64, 256)
    assert float(fresh.bits(codes, skeletons(4, 64)).mean()) == pytest.approx(8, abs=0.3)


def test_paper_scale_can_be_built():
    model = MovementPrior()
    assert model(some_codes(1, 64, 1024), skeletons(1, 64)).shape == (1, 64, 1024)


# --- bad input ------------------------------------------------------------------------------------


def broken_skeleton():
    keypoints = skeletons(1, 4)
    keypoints[0, 2, 5] = torch.nan
    return keypoints


@pytest.mark.parametrize(
    ("call", "error", "pattern"),
    [
        (lambda: VectorQuantizer(0, 4), ValueError, "n_codes must be at least 1"),
        (lambda: VectorQuantizer(4, 4, decay=1.0), ValueError, "decay"),
        (lambda: VectorQuantizer(4, 4)(torch.zeros(2, 3)), ValueError, "end in 4"),
        (lambda: VectorQuantizer(4, 4)(torch.full((2, 4), torch.nan)), ValueError, "finite"),
        (lambda: mi_net.movement_features(broken_skeleton()), ValueError, "NaN"),
        (lambda: mi_net.movement_features(torch.zeros(1, 4, 20, 2)), ValueError, "shoulder"),
        (lambda: MiNetConfig.tutorial(clip_seconds=2.5), ValueError, "whole number of video"),
        (lambda: MiNetConfig.tutorial(hop=128), ValueError, "50th"),
        (lambda: MiNetConfig.tutorial(bands=(5,)), ValueError, "divide"),
        (lambda: MiNetConfig(core="lstm"), ValueError, "core"),
        (lambda: VQVAE(SMALL)(torch.zeros(1, 256, 21)), ValueError, "even number of frames"),
        (lambda: VQVAE(SMALL).decode(torch.tensor([[12]])), ValueError, "0..11"),
        (lambda: MovementPrior(SMALL)(torch.tensor([[12]])), ValueError, "0..11"),
        (
            lambda: MovementPrior(SMALL)(some_codes(1, 6), skeletons(1, 5)),
            ValueError,
            "one frame for each code",
        ),
        (
            lambda: MovementPrior(SMALL)(some_codes(1, 6), None, torch.zeros(1, 60, 6)),
            ValueError,
            "two frames for each",
        ),
        (lambda: mi_net.stft(torch.zeros(100), 512, 160), ValueError, "half a window"),
        (lambda: mi_net.griffin_lim(-torch.ones(256, 9)), ValueError, "not negative"),
        (lambda: mi_net.perplexity(torch.tensor([3]), 3), ValueError, "0..2"),
        (
            lambda: mi_net.load_weights(VQVAE(SMALL), "nothing"),
            FileNotFoundError,
            "python -m neurotutor",
        ),
    ],
)
def test_bad_input_is_refused(call, error, pattern, unchecked):
    with pytest.raises(error, match=pattern):
        call()
