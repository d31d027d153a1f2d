"""Audeo around its nets: renderer, performance, sampler, metrics, notes, recognition, training."""

from __future__ import annotations

import dataclasses
import hashlib

import numpy as np
import pretty_midi
import pytest
from scipy.stats import chisquare
from sklearn.metrics import f1_score, jaccard_score, precision_score, recall_score

from neurotutor.data import scores
from neurotutor.perception import audeo
from neurotutor.perception.audeo import keyboard, performance, sampling, synthesis, train
from neurotutor.perception.audeo.config import BLACK, AudeoConfig, as_preset
from tests.harness import oracle, planted, relative_error

TUTORIAL = audeo.PRESETS["tutorial"]
rng = np.random.default_rng


def one_note(pitch, start=1.0, stop=2.0):
    return scores.notes_of([pitch], [start], [stop])


def still(notes, **options):
    options = {"performed": False, "hands": False, "camera": False, "seconds": 3.0} | options
    return audeo.render_clip(notes, 0, **options)


# --- renderer -----------------------------------------------------------------------------------


@oracle("eq-audeo-depth")
def test_equation_depth():
    notes = scores.notes_of([50, 50, 60], [0.5, 1.5, 0.7], [1.2, 1.9, 2.2])
    fast = audeo.key_depth(notes, 75, TUTORIAL, rng(3))
    again = rng(3)
    attack, release = again.uniform(0.03, 0.06, 3), again.uniform(0.05, 0.11, 3)
    slow = np.zeros((75, 25))
    for n in range(75):
        t = n / 25
        for i in range(3):
            down = min(max((t - (notes.onset[i] - attack[i])) / attack[i], 0), 1)
            up = min(max(1 - (t - notes.offset[i]) / release[i], 0), 1)
            k = notes.pitch[i] - 48
            slow[n, k] = max(slow[n, k], down * up)
    assert relative_error(fast, slow) < 1e-12


@oracle("eq-audeo-frame")
def test_equation_frame():
    depth = rng(0).random((4, 25)) * (rng(1).random((4, 25)) < 0.3)
    board = audeo.build_keyboard(TUTORIAL)
    slow = np.zeros((4, 36, 164))
    for t in range(4):
        slow[t] = board.base
        for k, (first, added) in enumerate(board.patches):
            for row in range(36):
                for column in range(added.shape[1]):
                    slow[t, row, first + column] += depth[t, k] * added[row, column]
    assert relative_error(audeo.draw_keys(depth, TUTORIAL), slow) < 1e-6


def test_same_seed_same_bytes():
    score = scores.compose(10, seed=0)
    digests = {
        hashlib.sha256(audeo.render_clip(score, seed, seconds=2).video.tobytes()).hexdigest()
        for seed in (5, 5, 6)
    }
    assert len(digests) == 2


def test_without_notes_nothing_moves():
    nothing = scores.notes_of([], [], [])
    bare = still(nothing).video
    assert (bare == bare[0]).all()
    seen = still(nothing, camera=True, seconds=8.0).video.astype(float)
    assert 0 < np.abs(seen - seen.mean(axis=0)).mean() < 8  # shift, flicker and noise alone
    assert not still(nothing).keys.any()
    assert not still(nothing).pseudo.any()


@pytest.mark.parametrize("preset", ["tutorial", "paper"])
def test_a_key_changes_only_its_neighbourhood(preset):
    chosen = as_preset(preset)
    board = audeo.build_keyboard(chosen)
    for pitch in range(max(chosen.low, 48), 73):
        clip = still(one_note(pitch), preset=preset, seconds=2.0)
        changed = np.flatnonzero((clip.video[40] != clip.video[0]).any(axis=0))
        assert len(changed), pitch
        away = np.abs(changed + 0.5 - board.centre[pitch - chosen.low]).max()
        assert away <= 1.2 * board.key_width, pitch
        assert (clip.video[10] == clip.video[0]).all()


def test_key_up_is_the_base():
    board = audeo.build_keyboard(TUTORIAL)
    assert (audeo.draw_keys(np.zeros((2, 25)), TUTORIAL) == board.base).all()


def test_a_key_pressed_further_is_never_brighter_at_its_front():
    board = audeo.build_keyboard(TUTORIAL)
    depth = np.zeros((5, 25))
    for k in range(25):
        depth[:] = 0
        depth[:, k] = np.linspace(0, 1, 5)
        frames = audeo.draw_keys(depth, TUTORIAL)
        length = keyboard.BLACK_LENGTH if board.is_black[k] else keyboard.LENGTH
        # The front as far as the pressed key still reaches.
        low = int((length - (0.06 if board.is_black[k] else 0)) * 36) - 1
        reach = 0.25 * board.key_width
        columns = slice(int(board.centre[k] - reach) + 1, int(board.centre[k] + reach))
        front = frames[:, low - 4 : low, columns]
        assert (np.diff(front, axis=0) <= 1e-6).all(), k
        assert front[0].mean() > front[-1].mean(), k


def test_black_keys_are_where_they_are_on_a_piano():
    board = audeo.build_keyboard(audeo.PRESETS["paper"])
    names = np.arange(21, 109) % 12
    assert board.is_black.sum() == 36
    assert set(names[board.is_black]) == set(BLACK)
    assert (np.diff(board.centre) > 0).all()


def test_hands_leave_the_top_of_the_keys_free_and_follow_the_music():
    score = scores.compose(10, seed=0)
    bare = audeo.render_clip(score, 1, seconds=4, hands=False, camera=False).video.astype(int)
    with_hands = audeo.render_clip(score, 1, seconds=4, camera=False).video.astype(int)
    changed = bare != with_hands
    assert not changed[:, :8].any()
    assert changed[:, 30:33].mean() > 0.3
    low, high = (
        still(one_note(pitch, 0.5, 2.5), hands=True).video[50]
        != still(one_note(pitch, 0.5, 2.5)).video[50]
        for pitch in (50, 70)
    )
    columns = np.arange(164)
    # One note: the hand that plays it is over it, the other one rests.
    assert np.average(columns, weights=low.sum(0)) < np.average(columns, weights=high.sum(0))


def test_clip_has_labels_of_its_own_timing():
    clip = audeo.render_clip(scores.compose(20, seed=2), 3, seconds=6)
    assert clip.video.shape == (150, 36, 164)
    assert clip.keys.shape == clip.pseudo.shape == (150, 25)
    assert len(clip) == 150
    roll = audeo.notes_to_roll(clip.played, 150, lowest=48, n_keys=25)
    assert (roll == clip.keys).all()
    assert 0.6 < audeo.frame_scores(clip.keys, clip.pseudo).f1 < 0.98


def test_camera_alone_never_changes_labels():
    score = scores.compose(10, seed=1)
    one, two = (audeo.render_clip(score, 4, seconds=3, camera=camera) for camera in (True, False))
    assert (one.keys == two.keys).all()
    assert (one.pseudo == two.pseudo).all()


def test_render_takes_paths(tmp_path):
    path = scores.write_midi(scores.compose(6, seed=1).notes, tmp_path / "piece.mid")
    by_path = audeo.render_clip(path, 2, seconds=2)
    by_text = audeo.render_clip(str(path), 2, "tutorial", seconds=2)
    assert (by_path.video == by_text.video).all()
    assert by_path.source == "piece"


@pytest.mark.usefixtures("unchecked")
def test_bad_input_of_the_renderer():
    notes = one_note(60)
    with pytest.raises(ValueError, match="preset must be one of tutorial, paper, got 'huge'"):
        audeo.render_clip(notes, 0, "huge")
    with pytest.raises(TypeError, match="midi must be a path, Notes or a Score"):
        audeo.render_clip(3)
    with pytest.raises(ValueError, match="seconds must be 0.04 or more"):
        audeo.render_clip(notes, seconds=0)
    with pytest.raises(ValueError, match="start must be a time >= 0"):
        audeo.render_clip(notes, start=-1.0)
    with pytest.raises(ValueError, match="key range is reversed: low is 72 and high is 48"):
        audeo.Preset(72, 48, 36, 164, fold=True)
    with pytest.raises(ValueError, match="low must be the MIDI number of a white key, got 49"):
        audeo.Preset(49, 72, 36, 164, fold=True)
    with pytest.raises(ValueError, match="must end after it starts"):
        one_note(60, 2.0, 2.0)


# --- performance --------------------------------------------------------------------------------


def test_performance_keeps_the_notes_and_frees_the_keys():
    score = scores.compose(40, seed=4)
    played = audeo.perform(score.notes, rng(0))
    assert len(played) > 0.98 * len(score.notes)
    for pitch in np.unique(played.pitch):
        part = played.select(played.pitch == pitch)
        assert (part.onset[1:] - part.offset[:-1] >= 0.05 - 1e-9).all()
    ratio = played.offset.max() / score.seconds
    assert 0.75 < ratio < 1.4
    assert len(audeo.perform(scores.notes_of([], [], []), rng(0))) == 0


def test_folding_keeps_pitch_classes():
    notes = scores.notes_of([36, 47, 48, 72, 73, 95], np.arange(6.0), np.arange(6.0) + 0.5)
    folded = audeo.fit_keys(notes, TUTORIAL)
    assert folded.pitch.tolist() == [60, 71, 48, 72, 49, 71]
    assert (folded.pitch % 12 == notes.pitch % 12).all()
    inside = audeo.fit_keys(notes, audeo.Preset(48, 72, 36, 164, fold=False))
    assert inside.pitch.tolist() == [48, 72]


def test_folding_merges_strikes_of_one_key():
    notes = scores.notes_of([50, 74, 50], [0.0, 0.05, 0.5], [0.6, 0.7, 0.9])
    folded = audeo.fit_keys(notes, TUTORIAL)
    assert folded.onset.tolist() == [0.0, 0.5]
    assert folded.offset[0] == pytest.approx(0.45)


def test_transcriber_misses_holds_and_adds():
    n = 4000
    notes = scores.notes_of(np.full(n, 60), np.arange(n) * 0.8, np.arange(n) * 0.8 + 0.3)
    said = performance.heard(notes, rng(0))
    ghosts = said.select(said.pitch == 72)
    assert 0.005 < len(ghosts) / n < 0.016
    np.testing.assert_allclose(ghosts.offset - ghosts.onset, 0.12)
    rest = said.select(said.pitch == 60)
    assert 0.965 < len(rest) / n < 0.99
    longer = (rest.offset - rest.onset) > 0.4
    assert 0.25 < longer.mean() < 0.45
    low = performance.heard(scores.notes_of([36], [0.0], [20.0]), rng(1))
    assert 2.7 < low.offset[0] < 3.7


# --- sampler ------------------------------------------------------------------------------------


def labels(seed=0, rows=300, keys=6):
    roll = rng(seed).random((rows, keys)) < np.linspace(0.02, 0.4, keys)
    roll[:, 2] = False  # a key that is never down
    return roll


@oracle("eq-audeo-sampler")
def test_equation_sampler():
    roll = labels()
    classes = [k for k in range(6) if roll[:, k].any()]
    silent = [i for i in range(300) if not roll[i].any()]
    total = len(classes) + 1
    slow = np.zeros(300)
    for i in range(300):
        for k in classes:
            if roll[i, k]:
                slow[i] += 1 / total / roll[:, k].sum()
        if i in silent:
            slow[i] += 1 / total / len(silent)
    fast = audeo.BalancedKeySampler(roll).probabilities()
    assert relative_error(fast, slow) < 1e-12
    assert fast.sum() == pytest.approx(1)


def test_draws_follow_the_probabilities():
    sampler = audeo.BalancedKeySampler(labels(rows=60), seed=1)
    counts = np.bincount(sampler.draw(20_000), minlength=60)
    expected = 20_000 * sampler.probabilities()
    assert (counts[expected == 0] == 0).all()
    seen = expected > 0
    assert chisquare(counts[seen], expected[seen]).pvalue > 0.001


def test_a_sampler_that_forgets_silence_would_be_noticed():
    roll = labels(rows=60)
    old = "~roll.any(axis=1, keepdims=True)"
    with planted(sampling, old, "roll.any(axis=1, keepdims=True)") as bad:
        wrong = bad.BalancedKeySampler(roll).probabilities()
    right = audeo.BalancedKeySampler(roll).probabilities()
    assert np.abs(wrong - right).max() > 1e-3


@pytest.mark.usefixtures("unchecked")
def test_sampler_at_the_edges():
    silent = audeo.BalancedKeySampler(np.zeros((5, 3), bool))
    np.testing.assert_allclose(silent.probabilities(), 0.2)
    assert set(silent.draw(100)) == set(range(5))
    never = audeo.BalancedKeySampler(np.ones((4, 2), bool))
    np.testing.assert_allclose(never.probabilities(), 0.25)
    with pytest.raises(ValueError, match="labels must hold 0 and 1 alone"):
        audeo.BalancedKeySampler(np.array([[0.5, 1.0]]))
    with pytest.raises(ValueError, match="labels are empty"):
        audeo.BalancedKeySampler(np.zeros((0, 3), bool))


# --- scores -------------------------------------------------------------------------------------


@oracle("eq-audeo-scores")
def test_equation_scores():
    said, true = rng(0).random((50, 7)) < 0.2, rng(1).random((50, 7)) < 0.2
    sums = np.zeros(4)
    for a, b in zip(said, true, strict=True):
        tp = sum(x and y for x, y in zip(a, b, strict=True))
        fp, fn = a.sum() - tp, b.sum() - tp
        tops, bottoms = (tp, tp, tp, 2 * tp), (tp + fp, tp + fn, tp + fp + fn, 2 * tp + fp + fn)
        sums += [t / d if d else 1.0 for t, d in zip(tops, bottoms, strict=True)]
    fast = dataclasses.astuple(audeo.frame_scores(said, true))
    assert relative_error(fast, sums / 50) < 1e-12


@pytest.mark.parametrize("seed", range(4))
def test_scores_are_those_of_scikit_learn(seed):
    said, true = rng(seed).random((200, 9)) < 0.15, rng(seed + 9).random((200, 9)) < 0.15
    found = audeo.frame_scores(said, true)
    options = {"average": "samples", "zero_division": 1}
    assert found.precision == pytest.approx(precision_score(true, said, **options), abs=1e-12)
    assert found.recall == pytest.approx(recall_score(true, said, **options), abs=1e-12)
    assert found.f1 == pytest.approx(f1_score(true, said, **options), abs=1e-12)
    assert found.accuracy == pytest.approx(jaccard_score(true, said, **options), abs=1e-12)


@pytest.mark.usefixtures("unchecked")
def test_scores_at_the_edges():
    true = np.zeros((4, 3), bool)
    true[0, 1] = True
    assert dataclasses.astuple(audeo.frame_scores(true, true)) == (1, 1, 1, 1)
    silent = audeo.frame_scores(np.zeros_like(true), true)
    assert (silent.precision, silent.recall, silent.f1) == (1, 0.75, 0.75)
    with pytest.raises(ValueError, match="one shape that is not empty"):
        audeo.frame_scores(true, true[:3])
    with pytest.raises(ValueError, match="predicted must hold 0 and 1 alone"):
        audeo.frame_scores(true + 0.5, true)
    recall = audeo.key_recall(true, true)
    assert recall[1] == 1
    assert np.isnan(recall[[0, 2]]).all()


def test_note_scores():
    true = scores.notes_of([60, 62, 64], [0.0, 1.0, 2.0], [0.5, 1.5, 2.5])
    said = scores.notes_of([60, 62, 65], [0.04, 1.2, 2.0], [0.5, 1.5, 2.5])
    found = audeo.note_scores(said, true)
    assert found.f1 == pytest.approx(1 / 3)
    assert audeo.note_scores(said, true, 0.25).f1 == pytest.approx(2 / 3)
    assert (found.n_predicted, found.n_target) == (3, 3)
    nothing = scores.notes_of([], [], [])
    assert audeo.note_scores(nothing, nothing).f1 == 1
    assert audeo.note_scores(nothing, true).f1 == 0
    assert audeo.note_scores(nothing, true).precision == 1
    assert audeo.note_scores(said, nothing).recall == 1


# --- notes --------------------------------------------------------------------------------------


@oracle("eq-audeo-notes")
def test_equation_notes():
    roll = rng(0).random((40, 88)) < 0.3
    found = []
    for k in range(88):
        start = None
        for t in range(41):
            now = t < 40 and roll[t, k]
            before = t > 0 and roll[t - 1, k]
            if now and not before:
                start = t
            if before and not now:
                found.append((0.04 * start, 21 + k, 0.04 * t))
    slow = np.array(sorted(found))
    notes = audeo.roll_to_notes(roll)
    assert relative_error(np.stack([notes.onset, notes.pitch, notes.offset], 1), slow) < 1e-12
    assert set(notes.velocity) == {100}


@pytest.mark.parametrize(("n_keys", "lowest"), [(88, 21), (51, 36), (25, 48)])
def test_roll_notes_midi_and_back(tmp_path, n_keys, lowest):
    for seed in range(3):
        roll = rng(seed).random((700, n_keys)) < 0.2
        notes = audeo.roll_to_notes(roll)
        path = audeo.notes_to_midi(notes, tmp_path / "x.mid")
        again = scores.load(path).notes
        back = audeo.notes_to_roll(again, 700, lowest=lowest, n_keys=n_keys)
        assert (back == roll).all()
        peer = pretty_midi.PrettyMIDI(str(path)).instruments[0].notes
        start = np.array(sorted(note.start for note in peer))
        np.testing.assert_allclose(start, notes.onset, atol=5e-4)
        assert {note.velocity for note in peer} == {100}


def test_long_roll_survives_and_truncation_would_be_noticed():
    roll = np.zeros((20_000, 1), bool)
    roll[::2] = True
    notes = audeo.roll_to_notes(roll, lowest=60)
    back = audeo.notes_to_roll(notes, 20_000, lowest=60, n_keys=1)
    assert (back == roll).all()
    with planted(
        synthesis,
        "first = np.floor(notes.onset * rate + 0.5)",
        "first = np.floor(notes.onset * rate)",
    ) as bad:
        wrong = bad.notes_to_roll(notes, 20_000, lowest=60, n_keys=1)
    assert (wrong != roll).any()


def test_note_at_the_end_ends_with_the_roll():
    roll = np.zeros((10, 25), bool)
    roll[7:, 3] = True
    notes = audeo.roll_to_notes(roll)
    assert notes.offset.tolist() == [0.4]
    assert notes.pitch.tolist() == [51]


@pytest.mark.usefixtures("unchecked")
def test_bad_rolls():
    with pytest.raises(ValueError, match="roll must hold 0 and 1 alone: apply a threshold"):
        audeo.roll_to_notes(np.full((3, 88), 0.5))
    with pytest.raises(ValueError, match="axes frames and keys"):
        audeo.roll_to_notes(np.zeros(5, bool))
    with pytest.raises(ValueError, match="lowest pitch of a roll of 7 keys is not known"):
        audeo.roll_to_notes(np.zeros((5, 7), bool))
    with pytest.raises(ValueError, match="go beyond MIDI's 127"):
        audeo.roll_to_notes(np.zeros((5, 88), bool), lowest=60)


# --- recognition --------------------------------------------------------------------------------


@oracle("eq-audeo-match")
def test_equation_match():
    piece, query = rng(0).random((60, 12)), rng(1).random((20, 12))
    slow = 0.0
    for start in range(41):
        part = piece[start : start + 20]
        dot = sum(part[t, c] * query[t, c] for t in range(20) for c in range(12))
        slow = max(slow, dot / np.sqrt((part**2).sum() * (query**2).sum()))
    assert relative_error(audeo.best_match(query, piece), slow) < 1e-10


def test_right_piece_is_found_at_another_tempo():
    pieces = {f"piece {seed}": scores.compose(30, seed=seed).notes for seed in range(12)}
    finder = audeo.PieceFinder(pieces, 8)
    for seed in (2, 7):
        clip = audeo.render_clip(
            pieces[f"piece {seed}"], 5, start=8.0, seconds=8, hands=False, camera=False
        )
        match = finder.find(clip.keys, 48)
        assert match.names[0] == f"piece {seed}"
        assert match.scores[0] > match.scores[1]
    assert audeo.best_match(np.zeros((5, 12)), np.ones((9, 12))) == 0
    with pytest.raises(ValueError, match="expected a roll of 200 frames, got 10"):
        finder.find(np.zeros((10, 25), bool), 48)
    with pytest.raises(ValueError, match="no pieces to search"):
        audeo.PieceFinder({})


def test_chroma_adds_octaves():
    roll = np.zeros((9, 25), bool)
    roll[:, [0, 12, 24]] = True
    found = audeo.chroma(roll, 48)
    assert found[4].tolist() == [3.0] + [0.0] * 11


# --- training -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def few_clips():
    pieces = [scores.compose(20, seed=seed) for seed in range(3)]
    return audeo.make_clips(pieces, 6, seconds=2, seed=0)


def test_clips_have_cameras_of_their_own(few_clips):
    assert len({clip.seed for clip in few_clips}) == 6
    assert {clip.source for clip in few_clips} == {"composed/0", "composed/1", "composed/2"}


def test_stacks_do_not_reach_into_the_next_clip(few_clips):
    frames = audeo.Frames(few_clips)
    assert len(frames) == 300
    which = frames.indices // 50
    assert (which == which[:, :1]).all()
    x, y = frames.batch(np.array([60]))
    own = few_clips[1].video[8:13].astype(np.float32) / 255
    np.testing.assert_allclose(x[0].numpy(), own, atol=1e-6)
    np.testing.assert_array_equal(y[0].numpy(), few_clips[1].pseudo[10])
    truth = audeo.Frames(few_clips, 1, "keys")
    np.testing.assert_array_equal(truth.labels[:50], few_clips[0].keys)


@pytest.mark.parametrize("sampling", ["uniform", "balanced"])
def test_first_stage_learns(few_clips, sampling):
    config = AudeoConfig.tutorial(iterations=25, batch=8, sampling=sampling)
    frames = audeo.Frames(few_clips)
    losses = []
    for _ in range(2):
        net = audeo.Video2Roll(25, 5, 4, seed=0)
        losses.append(audeo.train_video2roll(net, frames, config).metrics["loss"])
    np.testing.assert_array_equal(*losses)
    assert losses[0][-5:].mean() < losses[0][0] - 0.1
    assert not net.training


def test_second_stage_learns(few_clips):
    config = AudeoConfig.tutorial(midi_iterations=12, midi_batch=2, midi_window=50)
    rolls = [clip.keys.astype(np.float32) for clip in few_clips]
    targets = [clip.pseudo for clip in few_clips]
    for weight in (0.0, 0.001):
        net = audeo.Roll2Midi(4, 0.0)
        chosen = dataclasses.replace(config, adversarial=weight)
        history = audeo.train_roll2midi(net, rolls, targets, chosen)
        assert history.metrics["error"][-3:].mean() < history.metrics["error"][0]
        assert ("critic" in history.metrics) == (weight > 0)


def test_learning_rate():
    assert [audeo.rate_factor(i, 100) for i in (0, 49, 50)] == [1, 1, 1]
    assert audeo.rate_factor(100, 100) == pytest.approx(0.05)


@pytest.mark.usefixtures("unchecked")
def test_bad_input_of_training(few_clips):
    frames = audeo.Frames(few_clips)
    net = audeo.Video2Roll(25, 5, 4)
    with pytest.raises(ValueError, match="sampling must be balanced or uniform"):
        audeo.train_video2roll(net, frames, AudeoConfig.tutorial(sampling="odd"))
    with pytest.raises(ValueError, match="target must be pseudo or keys"):
        audeo.Frames(few_clips, target="midi")
    with pytest.raises(ValueError, match="no clips to learn from"):
        audeo.Frames([])
    with pytest.raises(ValueError, match="no pieces to render"):
        audeo.make_clips([], 3)
    rolls = [np.zeros((30, 25), np.float32)]
    with pytest.raises(ValueError, match="every roll must have 100 frames"):
        audeo.train_roll2midi(audeo.Roll2Midi(4), rolls, [rolls[0] > 0], AudeoConfig.tutorial())
    with pytest.raises(ValueError, match="as many, one or more, and of the same shapes"):
        audeo.train_roll2midi(audeo.Roll2Midi(4), rolls, [], AudeoConfig.tutorial())


@pytest.mark.parametrize("name", train.names())
def test_committed_weights_fit_and_say_how_they_were_made(name):
    net, made = train.load_net(name)
    assert not net.training
    config = AudeoConfig.tutorial()
    assert made["iterations"] == (config.midi_iterations if name == "midi" else config.iterations)
    assert made["music"] == "Bach"
    assert made["environment"]["torch"]
    assert (train.FOLDER / f"{name}.npz").stat().st_size < 400_000


def test_the_weights_that_the_chapter_needs_are_there():
    assert {"full5", "midi"} <= set(train.names())


def test_committed_weights_read_keys():
    clips = audeo.make_clips([scores.compose(30, seed=99)], 2, seconds=4, seed=123)
    net, _ = train.load_net("full5")
    f1 = [
        audeo.frame_scores(audeo.predict_roll(net, clip.video) >= 0.4, clip.keys).f1
        for clip in clips
    ]
    assert np.mean(f1) > 0.5


def test_training_command(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(
        train,
        "load_pieces",
        lambda: audeo.Pieces(tuple(scores.compose(20, seed=s) for s in range(2)), (), (), True),
    )
    for name in ("full5", "midi"):
        code = train.main([name, "--clips", "2", "--iterations", "2", "--out", str(tmp_path)])
        assert code == 0
        _, made = train.load_net(name, tmp_path)
        assert made["iterations"] == 2
        assert made["music"] == "composed here"
    assert "kB" in capsys.readouterr().out
    with pytest.raises(ValueError, match="name must be one of"):
        train.new_net("other")
    with pytest.raises(FileNotFoundError, match="make them with"):
        train.load_net("plain1", tmp_path)


def test_pieces_serve_one_purpose_each():
    pieces = audeo.load_pieces()
    names = [each.name for each in pieces.all]
    assert len(names) == len(set(names)) == 53
    assert len(pieces.test) == 3
    assert len(pieces.validation) == 4


def test_pieces_of_a_fresh_machine(monkeypatch):
    monkeypatch.setattr(scores, "names", lambda folder=None: [])
    pieces = audeo.load_pieces()
    assert pieces.simulated
    assert len(pieces.all) == 53
