"""Performances: one instrument, one melody, its sound and its skeleton, cut into clips."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from neurotutor import sound
from neurotutor.checks import as_count, as_positive
from neurotutor.data import scores
from neurotutor.data.scores import Notes, Score
from neurotutor.perception.mi_net.config import MiNetConfig
from neurotutor.perception.mi_net.performers import (
    INSTRUMENTS,
    JOINTS,
    VIDEO_RATE,
    Instrument,
    base_posture,
    filmed,
    motion,
)
from neurotutor.perception.mi_net.spectra import log_spectrogram

LOWEST_PITCH, N_PITCHES = 36, 60  # of a piano roll


@dataclass(frozen=True)
class Performance:
    """One take of one instrument.

    Attributes:
        instrument: its name.
        notes: what is played; onsets and offsets in s from the start of the take.
        audio: mono sound of root mean square 0.1, shape (samples,).
        sample_rate: Hz.
        keypoints: skeleton at 25 frames a second, shoulder widths, y down, shape (frames, 20, 2).
        piece: name of the score.
        posture: "own" or "shared".
        engine: what made the sound: "soundfont" or "additive".
    """

    instrument: str
    notes: Notes
    audio: Float[np.ndarray, " samples"]
    sample_rate: int
    keypoints: Float[np.ndarray, "frames joints two"]
    piece: str
    posture: str
    engine: str

    @property
    def seconds(self) -> float:
        """Length of the sound, s."""
        return len(self.audio) / self.sample_rate


def find_instrument(name: str) -> Instrument:
    """The instrument of this name.

    Raises:
        ValueError: if there is none.
    """
    if name not in INSTRUMENTS:
        raise ValueError(f"instrument must be one of {', '.join(INSTRUMENTS)}, got {name!r}")
    return INSTRUMENTS[name]


def melody(score: Score, instrument: str, *, seed: int = 0) -> Notes:
    """The top voice of a score's first track, moved into the range of an instrument.

    Notes that start within 30 ms of the one before are dropped, overlaps are cut. The whole is
    moved by up to two semitones and by octaves; single notes that still lie outside by octaves.

    Args:
        score: any.
        instrument: name, such as "violin".
        seed: of the semitones.

    Raises:
        ValueError: if the score has no notes.
    """
    player = find_instrument(instrument)
    rng = np.random.default_rng([as_count("seed", seed, 0), 36])
    notes = score.notes.select(score.notes.track == score.notes.track.min())
    if not len(notes):
        raise ValueError(f"{score.name} has no notes")
    kept = []
    for number in np.lexsort((-notes.pitch, notes.onset)):
        if not kept or notes.onset[number] - notes.onset[kept[-1]] >= 0.03:
            kept.append(int(number))
    top = notes.select(np.isin(np.arange(len(notes)), kept))
    offset = np.minimum(top.offset, np.append(top.onset[1:], np.inf))
    pitch = top.pitch + rng.integers(-2, 3)
    centre = (player.lowest + player.highest) / 2
    pitch = pitch + 12 * round((centre - pitch.mean()) / 12)
    pitch = pitch + 12 * np.ceil((player.lowest - pitch).clip(min=0) / 12).astype(int)
    pitch = pitch - 12 * np.ceil((pitch - player.highest).clip(min=0) / 12).astype(int)
    return Notes(pitch, top.onset, offset, top.velocity, np.zeros_like(pitch))


def simulate_performance(
    instrument: str = "violin",
    notes: Notes | Score | None = None,
    *,
    seconds: float | int | None = None,
    posture: str = "own",
    engine: str = "auto",
    sample_rate: int = 8000,
    seed: int = 0,
) -> Performance:
    """Let a simulated musician play.

    Args:
        instrument: one of `INSTRUMENTS`.
        notes: of one voice, within the instrument's range; a whole score, of which `melody` makes
            such notes; or None, and `scores.compose` invents a piece.
        seconds: length of the take; default: 10.24 s, or to the last offset of the notes given.
        posture: "own", or "shared": every instrument is held alike and only motion differs.
        engine: of `neurotutor.sound.synthesise`.
        sample_rate: of the sound, Hz.
        seed: of piece, sway, noise and drop-outs; the same seed, the same arrays.

    Returns:
        The take; its skeleton has floor(25 * seconds) frames.

    Raises:
        ValueError: for an unknown instrument or posture, notes outside the range or that overlap,
            or a take shorter than two video frames.
    """
    player = find_instrument(instrument)
    if posture not in ("own", "shared"):
        raise ValueError(f"posture must be 'own' or 'shared', got {posture!r}")
    rng = np.random.default_rng([as_count("seed", seed, 0), player.program])
    if notes is None:
        length = 10.24 if seconds is None else as_positive("seconds", seconds)
        notes = scores.compose(max(1.0, 2 * length), n_voices=1, seed=seed)
    piece = "given"
    if isinstance(notes, Score):
        piece = notes.name
        seconds = 10.24 if seconds is None else seconds
        notes = melody(notes, instrument, seed=seed)
    if len(notes) and not player.lowest <= notes.pitch.min() <= notes.pitch.max() <= player.highest:
        raise ValueError(
            f"a {instrument} plays pitches {player.lowest}..{player.highest} here, got "
            f"{notes.pitch.min()}..{notes.pitch.max()}; mi_net.melody moves a score into the range"
        )
    if len(notes) > 1 and (notes.onset[1:] < notes.offset[:-1] - 1e-9).any():
        raise ValueError("notes overlap, and the players have one voice; use mi_net.melody")
    if seconds is None:
        seconds = float(notes.offset.max()) if len(notes) else 1.0
    seconds = as_positive("seconds", seconds)
    n_frames = int(VIDEO_RATE * seconds + 1e-9)
    if n_frames < 2:
        raise ValueError(f"a take needs two video frames (0.08 s) or more, got {seconds} s")
    notes = notes.window(0.0, seconds)
    moving = base_posture(player, posture == "shared") + motion(player, notes, n_frames)
    name = sound.engine_name() if engine == "auto" else engine
    audio = sound.synthesise(
        notes, program=player.program, sample_rate=sample_rate, seconds=seconds, engine=name
    )
    keypoints = filmed(moving, rng)
    return Performance(instrument, notes, audio, sample_rate, keypoints, piece, posture, name)


def piano_roll(notes: Notes, n_frames: int, rate: float = 50.0) -> Float[np.ndarray, "pitches frames"]:
    """Which pitches sound in each frame: 60 pitches from 36 on, 1 where a note sounds.

    Args:
        notes: onsets and offsets in s.
        n_frames: frames of the result.
        rate: frames a second; frame t stands for the time t / rate, as in a spectrogram.

    Raises:
        ValueError: for a pitch outside 36..95.
    """
    if len(notes) and not LOWEST_PITCH <= notes.pitch.min() <= notes.pitch.max() < 96:
        raise ValueError(f"a roll has pitches {LOWEST_PITCH}..95, got others")
    roll = np.zeros((N_PITCHES, n_frames), np.float32)
    first = np.round(notes.onset * rate).astype(int)
    last = np.maximum(np.round(notes.offset * rate).astype(int), first + 1)
    for pitch, start, stop in zip(notes.pitch, first, last, strict=True):
        roll[pitch - LOWEST_PITCH, start:stop] = 1.0
    return roll


def movement_features(
    keypoints: Float[Tensor, "clips frames joints two"],
) -> Float[Tensor, "clips frames features"]:
    """Skeleton relative to the neck, in shoulder widths of the clip, and ten times its velocity.

    Args:
        keypoints: shape (clips, frames, 20, 2).

    Returns:
        Shape (clips, frames, 80): positions, then ten times the change since the last frame.

    Raises:
        ValueError: for NaN, or shoulders in one place.
    """
    if not torch.isfinite(keypoints).all():
        raise ValueError("keypoints must be finite, got NaN or infinity; fill gaps in tracking first")
    if keypoints.shape[-2:] != (len(JOINTS), 2):
        raise ValueError(f"keypoints must be (clips, frames, 20, 2), got {tuple(keypoints.shape)}")
    neck = keypoints[:, :, 1].mean(dim=1)[:, None, None]
    width = (keypoints[:, :, 2] - keypoints[:, :, 3]).norm(dim=-1).mean(dim=1)
    if (width < 1e-3).any():
        raise ValueError("both shoulders are in one place, so there is no shoulder width")
    placed = (keypoints - neck) / width[:, None, None, None]
    velocity = torch.diff(placed, dim=1, prepend=placed[:, :1])
    return torch.cat([placed.flatten(2), 10 * velocity.flatten(2)], dim=-1)


@dataclass(frozen=True)
class Clips:
    """Many short clips of many takes.

    Attributes:
        spectra: log-spectrograms, natural logarithm, shape (clips, bins, frames).
        keypoints: shape (clips, frames / 2, 20, 2).
        rolls: piano rolls at the rate of the spectra, shape (clips, 60, frames).
        instrument: index into `names`, shape (clips,).
        piece: number of the piece; clips of one piece share it, shape (clips,).
        audio: sound at root mean square 0.1, shape (clips, samples).
        names: of the instruments.
        pieces: of the pieces.
        engine: what made the sound.
    """

    spectra: Float[Tensor, "clips bins frames"]
    keypoints: Float[Tensor, "clips video_frames joints two"]
    rolls: Float[Tensor, "clips pitches frames"]
    instrument: Int[np.ndarray, " clips"]
    piece: Int[np.ndarray, " clips"]
    audio: Float[np.ndarray, "clips samples"]
    names: tuple[str, ...]
    pieces: tuple[str, ...]
    engine: str

    def __len__(self) -> int:
        return len(self.instrument)

    def take(self, rows: Int[np.ndarray, " rows"]) -> Clips:
        """These clips only."""
        tensors = (self.spectra[rows], self.keypoints[rows], self.rolls[rows])
        labels = (self.instrument[rows], self.piece[rows], self.audio[rows])
        return Clips(*tensors, *labels, self.names, self.pieces, self.engine)

    @property
    def magnitudes(self) -> Float[Tensor, "clips bins frames"]:
        """Spectra without the logarithm."""
        return self.spectra.exp()


def cut(performance: Performance, config: MiNetConfig) -> tuple[Tensor, Tensor, Tensor, np.ndarray]:
    """Cut a take into clips: spectra, keypoints, rolls, audio, clips first.

    Raises:
        ValueError: if the take was made at another sample rate or is shorter than a clip.
    """
    if performance.sample_rate != config.sample_rate:
        raise ValueError(
            f"the take has {performance.sample_rate} Hz, the configuration {config.sample_rate}"
        )
    n = len(performance.audio) // config.samples
    if not n:
        raise ValueError(f"the take is shorter than a clip of {config.clip_seconds} s")
    audio = sound.at_level(performance.audio[: n * config.samples].reshape(n, -1))
    # The transform has one frame more than fits; codes cover two frames each, so it goes.
    spectra = log_spectrogram(torch.from_numpy(audio), config.n_fft, config.hop, config.floor)
    frames = 2 * config.frames
    keypoints = performance.keypoints[: n * config.frames]
    roll = piano_roll(performance.notes, n * frames)
    return (
        spectra[..., :frames],
        torch.from_numpy(keypoints.astype(np.float32)).reshape(n, config.frames, len(JOINTS), 2),
        torch.from_numpy(roll).reshape(N_PITCHES, n, frames).transpose(0, 1).contiguous(),
        audio,
    )


def make_clips(
    pieces: Sequence[Score],
    config: MiNetConfig,
    *,
    instruments: Sequence[str] = ("violin", "cello", "flute", "trumpet", "guitar"),
    takes: int = 1,
    clips_per_take: int = 4,
    posture: str = "own",
    engine: str = "auto",
    seed: int = 0,
) -> Clips:
    """Have every piece played on every instrument, from random places in it.

    Args:
        pieces: scores; keep those for training and for testing apart.
        config: sizes.
        instruments: names.
        takes: of each piece and instrument.
        clips_per_take: consecutive clips of each take.
        posture: "own" or "shared".
        engine: of the sound.
        seed: of everything.

    Raises:
        ValueError: if there is no piece.
    """
    if not pieces:
        raise ValueError("make_clips needs one piece or more; scores.compose makes them")
    length = as_count("clips_per_take", clips_per_take) * config.clip_seconds
    rng = np.random.default_rng([as_count("seed", seed, 0), 7])
    parts, labels, engine_used = [], [], engine
    for number, piece in enumerate(pieces):
        for kind, name in enumerate(instruments):
            for _ in range(as_count("takes", takes)):
                notes = melody(piece, name, seed=int(rng.integers(2**31)))
                start = rng.uniform(0, max(piece.seconds - length, 1e-6))
                take = simulate_performance(
                    name,
                    notes.window(start, start + length),
                    seconds=length,
                    posture=posture,
                    engine=engine,
                    sample_rate=config.sample_rate,
                    seed=int(rng.integers(2**31)),
                )
                engine_used = take.engine
                part = cut(take, config)
                # A clip without a note has nothing to learn from.
                heard = part[2].flatten(1).any(dim=1)
                parts.append([each[heard] for each in part[:3]] + [part[3][heard.numpy()]])
                labels += [(kind, number)] * int(heard.sum())
    columns = list(zip(*parts, strict=True))
    kind, number = np.array(labels).T
    return Clips(
        *(torch.cat(column) for column in columns[:3]),
        kind,
        number,
        np.concatenate(columns[3]),
        tuple(instruments),
        tuple(piece.name for piece in pieces),
        engine_used,
    )
