"""MI Net's simulated players and its measures: what must hold, and what must be refused."""

import math
import signal

import numpy as np
import pytest
import torch

from neurotutor.data import scores
from neurotutor.perception import mi_net
from neurotutor.perception.mi_net import MiNetConfig, learning, performers
from tests.harness import oracle, planted, relative_error

CONFIG = MiNetConfig.tutorial()


def tune(pitch, onset, offset):
    return scores.notes_of(pitch, onset, offset)


def play(name="violin", notes=None, **more):
    return mi_net.simulate_performance(name, notes, engine="additive", **more)


# --- players --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", mi_net.INSTRUMENTS)
@pytest.mark.parametrize("posture", ["own", "shared"])
def test_every_instrument_plays(name, posture):
    take = play(name, seconds=3.02, posture=posture, seed=4)
    assert take.keypoints.shape == (math.floor(25 * 3.02), 20, 2)
    assert take.audio.shape == (round(3.02 * 8000),)
    assert np.isfinite(take.keypoints).all()
    assert len(take.notes) > 2
    player = mi_net.INSTRUMENTS[name]
    assert player.lowest <= take.notes.pitch.min() <= take.notes.pitch.max() <= player.highest
    again = play(name, seconds=3.02, posture=posture, seed=4)
    assert np.array_equal(take.keypoints, again.keypoints)
    assert np.array_equal(take.audio, again.audio)
    assert not np.array_equal(take.keypoints, play(name, seconds=3.02, seed=5).keypoints)


def test_the_bow_turns_at_notes_and_ends_only():
    notes = mi_net.melody(scores.compose(20, n_voices=1, seed=1), "violin")
    path = mi_net.bow_position(notes, 250)
    assert path.min() >= 0
    assert path.max() <= 1
    at = mi_net.active_note(notes, 250)
    steps = np.diff(path)
    turns = np.flatnonzero(np.sign(steps[1:]) * np.sign(steps[:-1]) < 0) + 1
    assert len(turns) > 5
    for turn in turns:
        new_note = at[turn + 1] != at[turn] or at[turn] != at[turn - 1]
        at_an_end = min(path[turn], 1 - path[turn]) < 2.2 / 25
        assert new_note or at_an_end
    assert np.abs(steps).max() <= 2.2 / 25 + 1e-9
    with planted(performers, "direction, last = -direction, note", "last = note") as bad:
        stays = bad.bow_position(notes, 250)
    assert not np.array_equal(stays, path)


def test_silence_moves_no_bow_and_fills_the_lungs():
    notes = tune([60, 62], [0.4, 2.0], [1.0, 2.4])
    path = mi_net.bow_position(notes, 100)
    silent = mi_net.active_note(notes, 100) < 0
    assert silent.sum() == 100 - 25
    assert (np.diff(path)[silent[1:]] == 0).all()
    air = mi_net.breath(notes, 100)
    assert (np.diff(air)[~silent[1:]] < 0).all()
    assert (np.diff(air)[silent[1:]] >= 0).all()
    assert air.max() <= 1
    nothing = tune([], [], [])
    assert (np.diff(mi_net.bow_position(nothing, 10)) == 0).all()
    assert np.isfinite(play("guitar", nothing, seconds=1.0).keypoints).all()


def test_posture_tells_instruments_apart_and_shared_posture_does_not():
    own = [mi_net.base_posture(mi_net.INSTRUMENTS[name]) for name in mi_net.FIVE]
    shared = [mi_net.base_posture(mi_net.INSTRUMENTS[name], True) for name in mi_net.FIVE]
    for i in range(5):
        for j in range(i):
            assert np.abs(own[i] - own[j]).max() > 0.3
            assert np.array_equal(shared[i], shared[j])


def test_a_melody_has_one_voice_within_the_range():
    score = scores.compose(20, n_voices=3, seed=2)
    for name, player in mi_net.INSTRUMENTS.items():
        found = mi_net.melody(score, name, seed=1)
        assert (found.onset[1:] >= found.offset[:-1]).all()
        assert (np.diff(found.onset) >= 0.03).all()
        assert player.lowest <= found.pitch.min() <= found.pitch.max() <= player.highest
        top = score.notes.select(score.notes.track == 0)
        moved = {int(p) % 12 for p in (found.pitch[: len(top)] - top.pitch)}
        assert len(moved) == 1  # one transposition, and octaves


def test_a_roll_says_which_note_sounds():
    roll = mi_net.piano_roll(tune([60, 64], [0.0, 0.5], [0.5, 1.0]), 60)
    assert roll.sum(axis=0).tolist() == [1] * 50 + [0] * 10
    assert roll[24, :25].all()
    assert roll[28, 25:50].all()


def test_clips_fit_together():
    pieces = [scores.compose(12, n_voices=1, seed=s) for s in (1, 2)]
    clips = mi_net.make_clips(
        pieces, CONFIG, instruments=("violin", "flute"), clips_per_take=2, engine="additive"
    )
    assert len(clips) == 8
    assert clips.spectra.shape == (8, 256, 128)
    assert clips.keypoints.shape == (8, 64, 20, 2)
    assert clips.rolls.shape == (8, 60, 128)
    assert clips.audio.shape == (8, 20480)
    assert np.sqrt((clips.audio.astype(float) ** 2).mean(axis=1)) == pytest.approx(0.1, abs=1e-4)
    assert clips.piece.tolist() == [0] * 4 + [1] * 4
    part = clips.take(np.array([1, 6]))
    assert torch.equal(part.spectra, clips.spectra[[1, 6]])
    assert part.instrument.tolist() == clips.instrument[[1, 6]].tolist()
    # Codes and video: the first half of a spectrogram belongs to the first half of the skeleton.
    direct = mi_net.log_spectrogram(torch.from_numpy(clips.audio[0]))[:, :128]
    assert torch.allclose(direct, clips.spectra[0], atol=1e-5)


def test_train_and_test_pieces_are_apart():
    train = {piece.name for piece in mi_net.train_pieces(5)}
    for bach in (False, None):
        assert not train & {piece.name for piece in mi_net.test_pieces(bach=bach)}
    assert all(piece.simulated for piece in mi_net.test_pieces(bach=False))


# --- training -------------------------------------------------------------------------------------


def test_training_lowers_both_losses_and_weights_travel(tmp_path):
    config = MiNetConfig.tutorial(
        channels=32, n_codes=16, width=32, movement_units=8, embedding=8, midi_units=8
    )
    pieces = [scores.compose(12, n_voices=1, seed=s) for s in (1, 2)]
    clips = mi_net.make_clips(pieces, config, engine="additive", clips_per_take=2)
    model = mi_net.VQVAE(config)
    history = mi_net.train_vqvae(model, clips, 30)
    assert history.metrics["error"][-5:].mean() < 0.8 * history.metrics["error"][:5].mean()
    codes = model.encode(clips.spectra)
    net = mi_net.MovementPrior(config)
    told = mi_net.train_prior(net, codes, clips, 20)
    assert told.metrics["bits"][-5:].mean() < told.metrics["bits"][:3].mean()
    for each, name in ((model, "alphabet"), (net, "prior")):
        mi_net.save_weights(each, name, {"seed": 0}, tmp_path)
    read = mi_net.VQVAE(config, seed=5)
    assert mi_net.load_weights(read, "alphabet", tmp_path)["seed"] == 0
    assert (read.encode(clips.spectra) == codes).float().mean() > 0.95
    with pytest.raises(ValueError, match="sizes that were trained"):
        mi_net.load_weights(mi_net.VQVAE(MiNetConfig.tutorial()), "alphabet", tmp_path)


def test_stopped_trainings_go_on_to_the_same_numbers(tmp_path, monkeypatch):
    config = MiNetConfig.tutorial(
        channels=32, n_codes=16, width=32, movement_units=8, embedding=8, midi_units=8, batch_size=3
    )
    pieces = [scores.compose(12, n_voices=1, seed=s) for s in (1, 2)]
    clips = mi_net.make_clips(pieces, config, engine="additive", clips_per_take=2)
    codes = mi_net.VQVAE(config).encode(clips.spectra)

    def train(stop_at=None):
        def rate(i, *rest):
            if i == stop_at:
                signal.raise_signal(signal.SIGINT)
            return mi_net.learning_rate(i, *rest)

        alphabet, prior = mi_net.VQVAE(config), mi_net.MovementPrior(config)
        with monkeypatch.context() as patch:
            patch.setattr(learning, "learning_rate", rate)
            found = [
                mi_net.train_vqvae(alphabet, clips, 9, checkpoint=tmp_path / "alphabet.pt"),
                mi_net.train_prior(prior, codes, clips, 9, checkpoint=tmp_path / "prior.pt"),
            ]
        return found, [*alphabet.state_dict().values(), *prior.state_dict().values()]

    stopped, _ = train(stop_at=4)
    assert [(len(each.steps), each.interrupted) for each in stopped] == [(5, True)] * 2
    histories, weights = train()
    for path in tmp_path.iterdir():
        path.unlink()
    expected, whole = train()
    for each, other in zip(histories, expected, strict=True):
        assert each.metrics.keys() == other.metrics.keys()
        assert all(np.array_equal(each.metrics[k], other.metrics[k]) for k in each.metrics)
    assert all(torch.equal(a, b) for a, b in zip(weights, whole, strict=True))


def test_the_rate_falls_in_the_second_half():
    rates = [mi_net.learning_rate(i, 100, 1.0) for i in (0, 50, 75, 100)]
    assert rates == pytest.approx([1.0, 1.0, 0.525, 0.05])


def test_the_weights_that_come_along_are_small_and_know_the_players():
    alphabet, prior = mi_net.VQVAE(CONFIG), mi_net.MovementPrior(CONFIG)
    for model, name in ((alphabet, "alphabet"), (prior, "prior")):
        made = mi_net.load_weights(model, name)
        facts = {"seed", "steps", "clips", "engine", "cpu_seconds", "date", "environment"}
        assert facts <= made.keys()
        assert all(torch.isfinite(value).all() for value in model.state_dict().values())
        assert (learning.WEIGHTS / f"{name}.npz").stat().st_size < 1_000_000
    pieces = mi_net.test_pieces(3, bach=False)
    clips = mi_net.make_clips(pieces, CONFIG, engine="additive", clips_per_take=3)
    code = prior.movement_code(clips.keypoints).numpy()
    assert mi_net.cluster_scores(code, clips.instrument, clips.piece).neighbours > 0.9
    written = prior.sample(len(clips), CONFIG.frames, clips.keypoints)
    assert torch.isfinite(alphabet.decode(written)).all()
    assert mi_net.perplexity(written, CONFIG.n_codes) > 50


# --- measures -------------------------------------------------------------------------------------


def test_chroma_of_played_notes_is_right():
    clips = mi_net.make_clips(
        [scores.compose(24, n_voices=1, seed=3)], CONFIG, engine="additive", clips_per_take=2
    )
    assert mi_net.chroma_accuracy(clips.magnitudes, clips.rolls) > 0.9
    assert mi_net.chroma_accuracy(clips.magnitudes, torch.roll(clips.rolls, 1, dims=1)) < 0.1
    octave = torch.roll(clips.rolls, 12, dims=1)
    same = mi_net.chroma_accuracy(clips.magnitudes, clips.rolls)
    assert mi_net.chroma_accuracy(clips.magnitudes, octave) == pytest.approx(same)


def test_steady_frames_are_inside_single_notes():
    roll = torch.zeros(1, 60, 12)
    roll[0, 3, :6] = 1
    roll[0, 5, 6:] = 1
    roll[0, 9, 8] = 1
    assert np.flatnonzero(mi_net.steady_frames(roll)[0]).tolist() == [2, 3]


@oracle("eq-mi-net-ndb")
def test_equation_ndb():
    first, second = np.array([40, 10, 50, 0, 0]), np.array([20, 60, 115, 5, 0])
    n, m = 100, 200
    different, js = 0, 0.0
    for a, b in zip(first, second, strict=True):
        p, q, pooled = a / n, b / m, (a + b) / (n + m)
        error = math.sqrt(pooled * (1 - pooled) * (1 / n + 1 / m))
        different += error > 0 and abs(p - q) / error > 1.96
        for x in (p, q):
            js += 0.5 * x * math.log(x / ((p + q) / 2)) if x else 0
    found = mi_net.ndb_of_counts(first, second)
    assert found.different == different == 2
    assert found.share == different / 5
    assert found.divergence == pytest.approx(js)
    order = np.array([3, 1, 4, 0, 2])
    turned = mi_net.ndb_of_counts(first[order], second[order])
    assert turned.different == found.different
    assert turned.divergence == pytest.approx(found.divergence)


def test_ndb_of_a_set_with_itself_is_zero():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((200, 3))
    same = mi_net.ndb(x, x, 10)
    assert (same.different, same.divergence) == (0, 0)
    other = mi_net.ndb(x, x + 2, 10)
    assert other.share > 0.5
    assert 0 < other.divergence <= math.log(2)


def test_inception_score_has_its_ends():
    assert mi_net.inception_score(np.eye(4)) == pytest.approx(4)
    assert mi_net.inception_score(np.full((5, 4), 0.25)) == pytest.approx(1)


def test_clusters_ask_other_pieces():
    rng = np.random.default_rng(0)
    label, piece = np.repeat([0, 1], 30), np.tile(np.repeat([0, 1, 2], 10), 2)
    apart = rng.standard_normal((60, 2)) + 8 * label[:, None]
    good = mi_net.cluster_scores(apart, label, piece)
    assert good.neighbours == 1
    assert good.silhouette > 0.5
    # Points that only look like their own piece find no neighbour of the right kind elsewhere.
    signs = np.where((label + piece) % 2 == 0, 1, -1)
    mixed = 8 * signs[:, None] + 0.1 * rng.standard_normal((60, 2))
    assert mi_net.cluster_scores(mixed, label, piece).neighbours < 0.7


def test_a_classifier_does_not_hear_loudness():
    clips = mi_net.make_clips(
        [scores.compose(24, n_voices=1, seed=s) for s in (3, 4)], CONFIG, engine="additive"
    )
    ear = mi_net.InstrumentClassifier().fit(clips.spectra, clips.instrument)
    louder = ear.predict(clips.spectra + 1.0)
    assert (louder == clips.instrument).mean() > 0.9
    assert relative_error(
        mi_net.spectrum_features(clips.spectra + 1.0), mi_net.spectrum_features(clips.spectra)
    ) == pytest.approx(0, abs=1e-4)


def test_a_wrong_movement_is_of_another_player():
    label = np.repeat(np.arange(3), 5)
    other = mi_net.other_player(label)
    assert (label[other] != label).all()


@pytest.mark.parametrize(
    ("call", "pattern"),
    [
        (lambda: play("kazoo"), "instrument must be one of"),
        (lambda: play("violin", tune([30], [0], [1])), "plays pitches 55..93"),
        (lambda: play("violin", tune([60, 62], [0, 0.5], [1, 1.5])), "overlap"),
        (lambda: play(posture="sitting"), "own.*shared"),
        (lambda: play(seconds=0.05), "two video frames"),
        (lambda: mi_net.cut(play(seconds=1.0), CONFIG), "shorter than a clip"),
        (lambda: mi_net.cut(play(seconds=3.0, sample_rate=16000), CONFIG), "8000"),
        (lambda: mi_net.make_clips([], CONFIG), "one piece or more"),
        (lambda: mi_net.piano_roll(tune([97], [0], [1]), 50), "36..95"),
        (lambda: mi_net.ndb(np.zeros((5, 2)), np.zeros((5, 2)), 6), "1..5"),
        (lambda: mi_net.ndb_of_counts(np.array([0]), np.array([1])), "sample each"),
        (lambda: mi_net.inception_score(np.ones((2, 2))), "sum to 1"),
        (lambda: mi_net.other_player(np.zeros(4, int)), "two instruments"),
        (
            lambda: mi_net.chroma_accuracy(torch.ones(1, 256, 8), torch.zeros(1, 60, 8)),
            "no frame has one steady",
        ),
    ],
)
def test_bad_input_is_refused(call, pattern, unchecked):
    with pytest.raises(ValueError, match=pattern):
        call()
