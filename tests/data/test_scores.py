"""Notes, scores, the Bach set, and the pieces that are made here."""

from __future__ import annotations

import os
import shutil

import mido
import numpy as np
import pretty_midi
import pytest

from neurotutor import data
from neurotutor.data import registry, scores
from tests.harness import recording


def two_notes():
    return scores.notes_of([64, 60], [1.0, 0.0], [2.0, 1.5])


def test_notes_are_sorted_and_cut():
    notes = two_notes()
    assert notes.pitch.tolist() == [60, 64]
    assert len(notes) == 2
    assert notes.transpose(12).pitch.tolist() == [72, 76]
    part = notes.window(0.5, 1.25)
    assert part.onset.tolist() == [0.0, 0.5]
    assert part.offset.tolist() == [0.75, 0.75]
    assert len(notes.window(3, 4)) == 0
    assert notes.select(notes.pitch > 60).pitch.tolist() == [64]


@pytest.mark.usefixtures("unchecked")
def test_bad_notes_are_refused():
    with pytest.raises(ValueError, match="must end after it starts: note 0 starts at 1 s"):
        scores.notes_of([60], [1.0], [1.0])
    with pytest.raises(ValueError, match="pitch must be whole numbers from 0 to 127"):
        scores.notes_of([130], [0.0], [1.0])
    with pytest.raises(ValueError, match="velocity must be"):
        scores.notes_of([60], [0.0], [1.0], velocity=0)
    with pytest.raises(ValueError, match="rows of one length"):
        scores.notes_of([60], [0.0, 1.0], [1.0, 2.0])
    with pytest.raises(ValueError, match="finite times"):
        scores.notes_of([60], [0.0], [np.inf])
    with pytest.raises(ValueError, match="window must end after"):
        two_notes().window(1, 1)


def test_midi_file_and_back(tmp_path):
    rng = np.random.default_rng(0)
    onset = np.sort(rng.uniform(0, 20, 60))
    notes = scores.Notes(
        rng.integers(40, 80, 60), onset, onset + 0.2, rng.integers(1, 128, 60), np.arange(60) % 3
    )
    notes = notes.select(np.diff(notes.onset, append=99) > 0.3)  # no key struck while it sounds
    path = scores.write_midi(notes, tmp_path / "x.mid", program=5)
    again = scores.load(path).notes
    assert again.pitch.tolist() == notes.pitch.tolist()
    assert again.velocity.tolist() == notes.velocity.tolist()
    assert again.track.tolist() == np.unique(notes.track, return_inverse=True)[1].tolist()
    np.testing.assert_allclose(again.onset, notes.onset, atol=5e-5)
    np.testing.assert_allclose(again.offset, notes.offset, atol=5e-5)
    peer = pretty_midi.PrettyMIDI(str(path))
    assert {each.program for each in peer.instruments} == {5}
    start = sorted(note.start for each in peer.instruments for note in each.notes)
    np.testing.assert_allclose(start, notes.onset, atol=5e-4)
    with pytest.raises(ValueError, match="127 at most"):
        scores.write_midi(notes, path, program=128)


def test_key_struck_again_at_once_stays_two_notes(tmp_path):
    notes = scores.notes_of([60, 60], [0.0, 1.0], [1.0, 2.0])
    again = scores.load(scores.write_midi(notes, tmp_path / "x.mid")).notes
    assert again.onset.tolist() == [0.0, 1.0]
    assert again.offset.tolist() == [1.0, 2.0]


def test_tempo_map(tmp_path):
    file = mido.MidiFile(ticks_per_beat=100)
    tempo = mido.MidiTrack(
        [
            mido.MetaMessage("set_tempo", tempo=1_000_000),
            mido.MetaMessage("set_tempo", tempo=500_000, time=200),
        ]
    )
    voice = mido.MidiTrack(
        [
            mido.Message("note_on", note=60, velocity=70, time=100),
            mido.Message("note_on", note=60, velocity=0, time=200),
        ]
    )
    file.tracks += [tempo, voice]
    file.save(tmp_path / "x.mid")
    notes = scores.load(str(tmp_path / "x.mid")).notes
    assert notes.onset.tolist() == [1.0]
    assert notes.offset.tolist() == [2.5]


@pytest.mark.parametrize("folder", scores.FOLDERS)
def test_every_piece_loads_as_pretty_midi_reads_it(folder):
    path = recording(f"midi/{folder}")
    for name in scores.names(folder):
        score = scores.load(name)
        assert not score.simulated
        assert score.folder == folder
        peer = pretty_midi.PrettyMIDI(str(path / f"{name.rpartition('/')[2]}.mid"))
        theirs = sorted((n.start, n.pitch) for each in peer.instruments for n in each.notes)
        np.testing.assert_allclose([s for s, _ in theirs], score.notes.onset, atol=1e-4)
        assert sorted(p for _, p in theirs) == sorted(score.notes.pitch.tolist())


def test_titles_and_names():
    recording("midi/keyboard_wtc1")
    recording("midi/solo")
    assert scores.load("midi/keyboard_wtc1/bwv846_fugue").title == "BWV 846, fugue"
    assert scores.load("midi/solo/bwv1007_mov2").title == "BWV 1007, movement 2"
    assert len(scores.names("keyboard_wtc1")) == 24
    assert set(scores.names("solo")) < set(scores.names())


def test_absent_set_and_wrong_names(monkeypatch, tmp_path):
    monkeypatch.setenv("NEUROTUTOR_DATA", str(tmp_path))
    monkeypatch.setattr(registry, "cache_folder", lambda: tmp_path / "cache")
    assert scores.names() == []
    with pytest.raises(data.DataNotFound, match="data fetch midi/keyboard_wtc1"):
        scores.load("midi/keyboard_wtc1/bwv846_fugue")
    with pytest.raises(data.UnknownData, match="no piece is named"):
        scores.load("midi/keyboard_wtc1/bwv1_fugue")
    with pytest.raises(data.UnknownData, match="no recording"):
        scores.load("midi/keyboard/bwv1_fugue")
    with pytest.raises(data.DataNotFound, match="there is no file"):
        scores.load(tmp_path / "none.mid")
    with pytest.raises(ValueError, match="folder must be one of"):
        scores.names("organ")
    (tmp_path / "bad.mid").write_bytes(b"no music")
    with pytest.raises(data.CorruptData, match="not a readable MIDI file"):
        scores.load(tmp_path / "bad.mid")
    mido.MidiFile(ticks_per_beat=100).save(tmp_path / "empty.mid")
    with pytest.raises(data.CorruptData, match="holds no notes"):
        scores.load(tmp_path / "empty.mid")


def test_changed_file_is_refused(monkeypatch, tmp_path):
    path = recording("midi/keyboard_wtc2")
    shutil.copytree(path, tmp_path / "midi" / "keyboard_wtc2")
    own = tmp_path / "midi" / "keyboard_wtc2" / "bwv870_fugue.mid"
    os.chmod(own, 0o644)
    own.write_bytes(own.read_bytes()[:-1] + b"x")
    monkeypatch.setenv("NEUROTUTOR_DATA", str(tmp_path))
    with pytest.raises(data.CorruptData, match="not the piece of the registry"):
        scores.load("midi/keyboard_wtc2/bwv870_fugue")


def test_folder_is_fetched_from_a_mirror(monkeypatch, tmp_path):
    source = recording("midi/keyboard_wtc2").parents[1]
    monkeypatch.delenv("NEUROTUTOR_DATA", raising=False)
    monkeypatch.setattr(registry, "cache_folder", lambda: tmp_path / "cache")
    with pytest.raises(data.FetchError, match="no public original"):
        data.fetch("midi/keyboard_wtc2")
    path = data.fetch("midi/keyboard_wtc2", source, progress=False)
    assert path == tmp_path / "cache" / "midi" / "keyboard_wtc2"
    assert registry.intact("midi/keyboard_wtc2", path)
    assert data.locate("midi/keyboard_wtc2") == path
    (path / "bwv870_fugue.mid").unlink()
    assert data.locate("midi/keyboard_wtc2") is None


def test_compose():
    score = scores.compose(30, seed=3)
    again = scores.compose(30, seed=3)
    assert score.simulated
    assert score.seconds == pytest.approx(30, rel=0.5)
    np.testing.assert_array_equal(score.notes.onset, again.notes.onset)
    assert set(score.notes.track) == {0, 1}
    mean = [score.notes.pitch[score.notes.track == voice].mean() for voice in (0, 1)]
    assert mean[0] > mean[1] + 10
    assert len(set(score.notes.pitch % 12)) <= 7
    last = score.notes.pitch[score.notes.offset > score.seconds - 1e-6]
    assert len(set(last % 12)) == 1  # the cadence: every voice ends on the tonic
    for voice in (0, 1):
        part = score.notes.select(score.notes.track == voice)
        np.testing.assert_allclose(part.onset[1:], part.offset[:-1], atol=1e-9)
    assert len(scores.compose(30, n_voices=1, seed=1).notes) > 20


@pytest.mark.usefixtures("unchecked")
def test_compose_refuses():
    with pytest.raises(ValueError, match="4 at most"):
        scores.compose(n_voices=5)
    with pytest.raises(ValueError, match="1 or more"):
        scores.compose(0.5)
    with pytest.raises(TypeError, match="seed must be a whole number"):
        scores.compose(seed=1.5)
