"""Notes to sound, and sound onto a page: two synthesisers and one player.

`synthesise` uses the sampled instruments of a soundfont where the `audio` extra is installed, and
otherwise adds sine waves. `engine_name` says which one "auto" means here, and pages repeat it.
"""

from __future__ import annotations

import base64
import html
import importlib.util
import io
import math
import wave
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
from IPython.display import HTML, display
from jaxtyping import Float
from scipy.signal import butter, resample_poly, sosfilt

from neurotutor.checks import as_count, as_positive

Engine = Literal["auto", "soundfont", "additive"]

LEVEL = 0.1  # root mean square of every sound that leaves this module
LONGEST_PLAYER_S = 6.0
_SOUNDFONT_RATE = 48_000
_TICKS_PER_SECOND = 960  # 480 ticks a beat at 120 beats a minute


def engine_name() -> str:
    """Which engine "auto" stands for on this machine: "soundfont" or "additive"."""
    found = all(importlib.util.find_spec(name) for name in ("midirenderer", "pretty_midi", "mido"))
    return "soundfont" if found else "additive"


def synthesise(
    notes: Any,
    *,
    program: int = 0,
    sample_rate: int = 16_000,
    seconds: float | None = None,
    engine: str = "auto",
) -> Float[np.ndarray, " samples"]:
    """Play notes on one instrument.

    Args:
        notes: `neurotutor.data.scores.Notes`, or anything with arrays `pitch` (MIDI numbers),
            `onset` and `offset` (seconds) and `velocity` (1 to 127).
        program: General MIDI program, counted from 0; 0 is a grand piano, 40 a violin.
        sample_rate: of the result, Hz.
        seconds: length of the result; default: the last offset and half a second more.
        engine: "soundfont" (sampled instruments), "additive" (sums of sines), or "auto".

    Returns:
        Mono sound of root mean square 0.1 (silence stays silence), float32, shape (samples,).

    Raises:
        ValueError: for notes that end before they start, an unknown engine, or a program that the
            additive engine cannot imitate.
        ModuleNotFoundError: if "soundfont" is asked for without the `audio` extra.
    """
    sample_rate = as_count("sample_rate", sample_rate, 1000)
    if not 0 <= as_count("program", program, 0) <= 127:
        raise ValueError(f"program must lie in 0..127, got {program}")
    pitch, onset, offset, velocity = (
        np.asarray(getattr(notes, name), float) for name in ("pitch", "onset", "offset", "velocity")
    )
    if len(pitch) and not (
        np.isfinite(onset).all() and (offset > onset).all() and onset.min() >= 0
    ):
        raise ValueError("every note must start at 0 s or later and end after it starts")
    if seconds is None:
        seconds = (offset.max() if len(pitch) else 0.0) + 0.5
    samples = round(as_positive("seconds", seconds) * sample_rate)
    if engine == "auto":
        engine = engine_name()
    if engine not in ("soundfont", "additive"):
        raise ValueError(f"engine must be 'auto', 'soundfont' or 'additive', got {engine!r}")
    heard = onset < seconds
    columns = [each[heard] for each in (pitch, onset, offset, velocity)]
    if not heard.any():
        return np.zeros(samples, np.float32)
    render = _soundfont if engine == "soundfont" else _additive
    return at_level(render(*columns, program, sample_rate, samples))


def at_level(
    audio: Float[np.ndarray, "*batch samples"], level: float = LEVEL
) -> Float[np.ndarray, "*batch samples"]:
    """Scale every sound to one root mean square; silence stays silence.

    Args:
        audio: sounds, shape (..., samples).
        level: the root mean square wanted.
    """
    rms = np.sqrt(np.mean(np.square(audio, dtype=np.float64), axis=-1, keepdims=True))
    return (audio * (level / np.maximum(rms, 1e-9)) * (rms > 1e-9)).astype(np.float32)


def player(audio: Float[np.ndarray, " samples"], sample_rate: int, label: str) -> None:
    """Put a sound on the page, with controls, and a visible text that says what is heard.

    Args:
        audio: mono, shape (samples,); scaled so that its peak is just below full scale.
        sample_rate: Hz.
        label: what is heard, in a sentence; at least 20 characters. It is all that a reader who
            cannot hear, or a browser that cannot play, is left with.

    Raises:
        ValueError: if the label is short, or the sound longer than 6 s: pages must stay small.
    """
    if len(label.strip()) < 20:
        raise ValueError(f"label must say what is heard, in 20 characters or more, got {label!r}")
    data = base64.b64encode(wav_bytes(audio, sample_rate)).decode("ascii")
    display(
        HTML(
            '<figure class="nt-figure nt-sound"><audio controls preload="none" '
            f'aria-label="{html.escape(label, quote=True)}" style="width:100%;max-width:26rem" '
            f'src="data:audio/wav;base64,{data}">Your browser cannot play this sound.</audio>'
            f"<figcaption>{html.escape(label)}</figcaption></figure>"
        )
    )


def wav_bytes(audio: Float[np.ndarray, " samples"], sample_rate: int) -> bytes:
    """A mono 16-bit WAV file of at most 6 s, its peak just below full scale.

    Raises:
        ValueError: if the sound is not one-dimensional and finite, is empty, or too long.
    """
    audio = np.asarray(audio, float)
    if audio.ndim != 1 or not len(audio) or not np.isfinite(audio).all():
        raise ValueError(f"audio must be finite, of shape (samples,), got shape {audio.shape}")
    if len(audio) > LONGEST_PLAYER_S * sample_rate:
        raise ValueError(
            f"a page plays {LONGEST_PLAYER_S:g} s or less, got {len(audio) / sample_rate:.1f} s; "
            "cut the sound"
        )
    peak = max(float(np.abs(audio).max()), 1e-9)
    raw = io.BytesIO()
    with wave.open(raw, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(sample_rate)
        file.writeframes(np.round(audio * (0.9 * 32767 / peak)).astype("<i2").tobytes())
    return raw.getvalue()


# --- sampled instruments --------------------------------------------------------------------------


@cache
def _font() -> bytes:
    """The 6 MB General MIDI soundfont that travels in pretty_midi's wheel (TimGM6mb)."""
    folder = importlib.util.find_spec("pretty_midi").submodule_search_locations[0]
    return Path(folder, "TimGM6mb.sf2").read_bytes()


def _midi_bytes(pitch, onset, offset, velocity, program: int) -> bytes:
    """One track as a Standard MIDI File; at one tick, ends come before starts."""
    import mido

    events = [
        (round(t * _TICKS_PER_SECOND), 0, int(p), 0) for t, p in zip(offset, pitch, strict=True)
    ]
    events += [
        (round(t * _TICKS_PER_SECOND), 1, int(p), int(v))
        for t, p, v in zip(onset, pitch, velocity, strict=True)
    ]
    track = mido.MidiTrack([mido.Message("program_change", program=program)])
    now = 0
    for tick, _, number, loudness in sorted(events):
        # A note-on of velocity 0 is a note-off.
        track.append(mido.Message("note_on", note=number, velocity=loudness, time=tick - now))
        now = tick
    raw = io.BytesIO()
    mido.MidiFile(ticks_per_beat=480, tracks=[track]).save(file=raw)
    return raw.getvalue()


def _soundfont(pitch, onset, offset, velocity, program: int, sample_rate: int, samples: int):
    try:
        import midirenderer
        import mido  # noqa: F401
        import pretty_midi  # noqa: F401
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "the soundfont engine needs midirenderer, mido and pretty_midi: "
            "pip install -e '.[audio]', or choose engine='additive'"
        ) from error
    sound = midirenderer.render_wave_from(
        _font(), _midi_bytes(pitch, onset, offset, velocity, program)
    )
    with wave.open(io.BytesIO(sound)) as file:
        raw = np.frombuffer(file.readframes(file.getnframes()), "<i2")
        stereo = raw.reshape(-1, file.getnchannels()) / 32768
        rate = file.getframerate()
    ratio = Fraction(sample_rate, rate)
    # Only what will be kept is resampled, with a margin for the filter.
    mono = stereo.mean(axis=1)[: math.ceil(samples / ratio) + rate // 10]
    audio = resample_poly(mono, ratio.numerator, ratio.denominator)[:samples]
    return np.pad(audio, (0, samples - len(audio)))


# --- sums of sines --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Timbre:
    """How the additive engine imitates a family of instruments.

    Attributes:
        amplitudes: of the harmonics 1, 2, ...; entry 0 is the fundamental.
        attack: rise time, s.
        decay: of harmonic h, in 1/s: decay[0] + decay[1] * h; (0, 0) for a sustained tone.
        bumps: resonances (Hz) where harmonics are louder, as the body of a violin makes them.
        vibrato: largest deviation in cents, at 5.5 Hz, from 150 ms on.
        noise: level of band noise around the note, as a share of its loudness.
        delay: by which each harmonic enters after the one below it, s.
        release: how long the tone rings after the note, s.
    """

    amplitudes: tuple[float, ...]
    attack: float = 0.02
    decay: tuple[float, float] = (0.0, 0.0)
    bumps: tuple[float, ...] = ()
    vibrato: float = 0.0
    noise: float = 0.0
    delay: float = 0.0
    release: float = 0.06


_H = range(1, 13)
_ONE_OVER_H = tuple(1 / h for h in _H)
_TIMBRES: dict[range, Timbre] = {
    range(8): Timbre(tuple(h**-1.4 for h in _H), 0.004, (0.8, 0.5), release=0.15),
    range(24, 32): Timbre(_ONE_OVER_H, 0.003, (1.5, 0.6), release=0.1),
    range(40, 42): Timbre(_ONE_OVER_H, 0.06, bumps=(500.0, 1500.0), vibrato=25.0),
    range(42, 44): Timbre(_ONE_OVER_H, 0.06, bumps=(250.0, 900.0), vibrato=25.0),
    range(56, 57): Timbre(tuple(h**-0.6 for h in _H), 0.02, delay=0.005),
    range(57, 59): Timbre(tuple(h**-0.8 for h in _H), 0.03, bumps=(500.0,), delay=0.008),
    range(64, 68): Timbre(tuple(h**-0.7 for h in _H), 0.03, bumps=(700.0, 1200.0), vibrato=10.0),
    range(68, 72): Timbre(tuple((1.0 if h % 2 else 0.06) / h for h in _H), 0.04),
    range(72, 80): Timbre((1.0, 0.35, 0.12, 0.05), 0.05, noise=0.03),
}


def _timbre(program: int) -> Timbre:
    for programs, timbre in _TIMBRES.items():
        if program in programs:
            return timbre
    known = ", ".join(f"{p.start}..{p.stop - 1}" for p in _TIMBRES)
    raise ValueError(
        f"the additive engine imitates programs {known}, got {program}; install the audio extra"
    )


def _additive(pitch, onset, offset, velocity, program: int, sample_rate: int, samples: int):
    timbre = _timbre(program)
    audio = np.zeros(samples)
    noise = np.random.default_rng(0)  # breath noise: the same in every call
    for key, start, stop, loudness in zip(pitch, onset, offset, velocity, strict=True):
        first = round(start * sample_rate)
        tone = _tone(timbre, key, stop - start, sample_rate, noise)[: samples - first]
        audio[first : first + len(tone)] += loudness / 127 * tone
    return audio


def _tone(timbre: Timbre, key: float, duration: float, sample_rate: int, noise) -> np.ndarray:
    """One note, its fundamental of amplitude 1."""
    t = np.arange(round((duration + timbre.release) * sample_rate)) / sample_rate
    frequency = 440 * 2 ** ((key - 69) / 12)
    cents = timbre.vibrato * np.sin(2 * math.pi * 5.5 * t) * np.clip((t - 0.15) / 0.1, 0, 1)
    phase = 2 * math.pi * np.cumsum(frequency * 2 ** (cents / 1200)) / sample_rate
    tone = np.zeros(len(t))
    for h, amplitude in enumerate(timbre.amplitudes, start=1):
        if h * frequency >= 0.45 * sample_rate:
            break
        body = 1 + sum(2 * math.exp(-((h * frequency / f - 1) ** 2) * 8) for f in timbre.bumps)
        rise = np.clip((t - timbre.delay * (h - 1)) / timbre.attack, 0, 1)
        fall = np.exp(-t * (timbre.decay[0] + timbre.decay[1] * h)) if any(timbre.decay) else 1.0
        tone += amplitude * body * rise * fall * np.sin(h * phase)
    if timbre.noise:
        edges = (0.7 * frequency, min(2.5 * frequency, 0.45 * sample_rate))
        band = butter(2, edges, "bandpass", fs=sample_rate, output="sos")
        breath = sosfilt(band, noise.standard_normal(len(t)))
        tone += timbre.noise * breath / max(breath.std(), 1e-9) * np.clip(t / timbre.attack, 0, 1)
    return tone * np.clip((duration + timbre.release - t) / timbre.release, 0, 1)
