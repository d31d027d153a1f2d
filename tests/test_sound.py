"""The sound room: both engines at one level and in tune, players that stay small and say what."""

import io
import wave
from types import SimpleNamespace

import numpy as np
import pytest

from neurotutor import sound

RATE = 8000
ENGINES = ["additive", "soundfont"] if sound.engine_name() == "soundfont" else ["additive"]


def notes(pitch, onset, offset):
    pitch = np.atleast_1d(pitch)
    return SimpleNamespace(
        pitch=pitch,
        onset=np.atleast_1d(onset).astype(float),
        offset=np.atleast_1d(offset).astype(float),
        velocity=np.full(len(pitch), 90),
    )


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("program", [0, 24, 40, 42, 56, 57, 65, 71, 73])
def test_every_instrument_is_in_tune_and_at_level(engine, program):
    audio = sound.synthesise(
        notes(69, 0.0, 1.0), program=program, sample_rate=RATE, seconds=1.0, engine=engine
    )
    assert audio.dtype == np.float32
    assert audio.shape == (RATE,)
    assert np.sqrt((audio.astype(float) ** 2).mean()) == pytest.approx(0.1, abs=1e-4)
    spectrum = np.abs(np.fft.rfft(audio))
    partials = np.array([spectrum[440 * h - 12 : 440 * h + 13].max() for h in (1, 2, 3)])
    between = spectrum[650:670].max()
    assert partials.max() > 10 * between


@pytest.mark.parametrize("engine", ENGINES)
def test_sound_starts_where_the_note_starts_and_repeats(engine):
    wanted = {"program": 73, "sample_rate": RATE, "seconds": 1.5, "engine": engine}
    first = sound.synthesise(notes([72], [0.5], [1.0]), **wanted)
    assert np.array_equal(first, sound.synthesise(notes([72], [0.5], [1.0]), **wanted))
    loud = np.abs(first) > 0.02
    assert not loud[: round(0.49 * RATE)].any()
    assert loud[round(0.5 * RATE) : round(0.7 * RATE)].any()


def test_silence_is_silent_and_auto_is_one_of_the_two():
    none = notes([], [], [])
    assert not sound.synthesise(none, seconds=0.5).any()
    assert sound.engine_name() in ("additive", "soundfont")
    one = notes(60, 0.0, 0.5)
    assert np.array_equal(sound.synthesise(one), sound.synthesise(one, engine=sound.engine_name()))


def test_wav_bytes_hold_the_sound():
    t = np.arange(RATE) / RATE
    with wave.open(io.BytesIO(sound.wav_bytes(np.sin(6 * t), RATE))) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, RATE)
        read = np.frombuffer(file.readframes(RATE), "<i2") / 32767
    assert np.abs(read - 0.9 * np.sin(6 * t)).max() < 1e-3


@pytest.mark.parametrize(
    ("call", "pattern"),
    [
        (lambda: sound.synthesise(notes(60, 1.0, 0.5)), "end after it starts"),
        (lambda: sound.synthesise(notes(60, 0.0, 0.5), program=128), "0..127"),
        (lambda: sound.synthesise(notes(60, 0.0, 0.5), engine="piano"), "engine must be"),
        (
            lambda: sound.synthesise(notes(60, 0.0, 0.5), program=100, engine="additive"),
            "imitates programs",
        ),
        (lambda: sound.player(np.zeros(10), RATE, "short"), "20 characters"),
        (lambda: sound.player(np.zeros(7 * RATE), RATE, "x" * 30), "6 s or less"),
        (lambda: sound.wav_bytes(np.array([np.nan]), RATE), "finite"),
    ],
)
def test_bad_input_is_refused(call, pattern, unchecked):
    with pytest.raises(ValueError, match=pattern):
        call()
