"""Notes and scores: Bach in the public domain as MIDI files, and melodies that are made here.

The Bach set is fetched. `compose` needs no download: a fresh machine uses it, and says so.
"""

from __future__ import annotations

import os
import re
from collections import defaultdict, deque
from dataclasses import dataclass
from pathlib import Path

import mido
import numpy as np
from jaxtyping import Bool, Float, Int

from neurotutor.checks import as_count, as_positive
from neurotutor.data import registry

FOLDERS = ("keyboard_wtc1", "keyboard_wtc2", "keyboard_other", "solo")

_SET = "midi"
_TICKS = 10_000  # per beat of 0.5 s: a tick is 0.05 ms, and 0.04 s a whole number of them
_TEMPO = 500_000  # microseconds per beat


@dataclass(frozen=True)
class Notes:
    """Notes in the order of their onsets; those that begin together, from low to high.

    Attributes:
        pitch: MIDI numbers, 0 to 127 (middle C is 60).
        onset: start, s.
        offset: end, s; after the start.
        velocity: 1 to 127.
        track: which voice or staff a note is of, from 0.
    """

    pitch: Int[np.ndarray, "notes"]
    onset: Float[np.ndarray, "notes"]
    offset: Float[np.ndarray, "notes"]
    velocity: Int[np.ndarray, "notes"]
    track: Int[np.ndarray, "notes"]

    def __post_init__(self):
        fields = {name: np.asarray(getattr(self, name)) for name in self.__dataclass_fields__}
        lengths = {name: each.shape for name, each in fields.items()}
        if len(set(lengths.values())) > 1 or fields["pitch"].ndim != 1:
            raise ValueError(f"the fields of notes must be rows of one length, got {lengths}")
        for name, low, high in (("pitch", 0, 127), ("velocity", 1, 127), ("track", 0, 10**6)):
            each = fields[name]
            if len(each) and (each.dtype.kind not in "iu" or each.min() < low or each.max() > high):
                raise ValueError(f"{name} must be whole numbers from {low} to {high}")
        times = np.stack([fields["onset"], fields["offset"]]).astype(float)
        if not np.isfinite(times).all() or (times < 0).any():
            raise ValueError("onset and offset must be finite times >= 0, in seconds")
        wrong = np.flatnonzero(times[1] <= times[0])
        if len(wrong):
            raise ValueError(
                f"a note must end after it starts: note {wrong[0]} starts at "
                f"{times[0, wrong[0]]:g} s and ends at {times[1, wrong[0]]:g} s"
            )
        order = np.lexsort((fields["track"], fields["pitch"], times[0]))
        fields["onset"], fields["offset"] = times
        for name, each in fields.items():
            kind = float if name in ("onset", "offset") else np.int64
            object.__setattr__(self, name, each[order].astype(kind))

    def __len__(self) -> int:
        return len(self.pitch)

    def select(self, mask: Bool[np.ndarray, "notes"]) -> Notes:
        """The notes where `mask` is true."""
        return Notes(*(getattr(self, name)[mask] for name in self.__dataclass_fields__))

    def transpose(self, semitones: int) -> Notes:
        """The same notes, so many semitones higher.

        Raises:
            ValueError: if a pitch leaves 0 to 127.
        """
        return Notes(self.pitch + semitones, self.onset, self.offset, self.velocity, self.track)

    def window(self, start: float | int, stop: float | int) -> Notes:
        """What sounds from `start` to `stop` (s), cut at both, with `start` as the new zero.

        Raises:
            ValueError: if `stop` is not after `start`.
        """
        if not stop > start:
            raise ValueError(f"a window must end after it starts, got {start} to {stop}")
        kept = self.select((self.onset < stop) & (self.offset > start))
        onset = np.maximum(kept.onset, start) - start
        offset = np.minimum(kept.offset, stop) - start
        return Notes(kept.pitch, onset, offset, kept.velocity, kept.track)


@dataclass(frozen=True)
class Score:
    """A piece of music.

    Attributes:
        name: such as `midi/keyboard_wtc1/bwv846_fugue`.
        title: for readers.
        folder: part of the set, such as `keyboard_wtc1`.
        notes: all notes of the piece, at the tempo of its score.
        seconds: when the last note ends.
        simulated: whether `compose` made it.
    """

    name: str
    title: str
    folder: str
    notes: Notes
    seconds: float
    simulated: bool


def notes_of(
    pitch: list[int] | np.ndarray,
    onset: list[float] | np.ndarray,
    offset: list[float] | np.ndarray,
    velocity: int = 80,
    track: int = 0,
) -> Notes:
    """Notes of one voice and one loudness.

    Args:
        pitch: MIDI numbers.
        onset: starts, s.
        offset: ends, s.
        velocity: of all of them.
        track: of all of them.

    Raises:
        ValueError: as for `Notes`.
    """
    n = len(pitch)
    return Notes(
        np.asarray(pitch, np.int64).reshape(n),
        np.asarray(onset, float),
        np.asarray(offset, float),
        np.full(n, velocity),
        np.full(n, track),
    )


def names(folder: str | None = None) -> list[str]:
    """Names of the pieces of the set that are on this machine; none if the set is absent.

    Args:
        folder: one of `FOLDERS`; all by default.

    Raises:
        ValueError: for another folder.
    """
    if folder is not None and folder not in FOLDERS:
        raise ValueError(f"folder must be one of {', '.join(FOLDERS)}, got {folder!r}")
    return [
        f"{_SET}/{each}/{member.removesuffix('.mid')}"
        for each in (FOLDERS if folder is None else (folder,))
        if registry.available(f"{_SET}/{each}")
        for member in registry.entry(f"{_SET}/{each}").members
    ]


def load(name_or_path: str | os.PathLike) -> Score:
    """Load a piece: its notes in seconds, by the file's own tempo map.

    Args:
        name_or_path: a name such as `midi/keyboard_wtc1/bwv846_fugue`, or the path of a MIDI file.

    Returns:
        The score; `notes.track` counts the tracks of the file that hold notes.

    Raises:
        neurotutor.data.DataNotFound: if the file or the set is not on this machine.
        neurotutor.data.UnknownData: for a name that the registry does not hold.
        neurotutor.data.CorruptData: if the file is not a MIDI file, or not the registered one.
        TypeError: for anything but a string or a path.

    Source: the Mutopia Project, commit 2144afd (typeset scores in the public domain).
    """
    if not isinstance(name_or_path, str | os.PathLike):
        raise TypeError(
            f"expected the name of a piece or a path, got {type(name_or_path).__name__}"
        )
    text = os.fspath(name_or_path)
    if text.startswith(f"{_SET}/") and not text.endswith((".mid", ".midi")):
        path = _member(text)
        name, folder = text, path.parent.name
    else:
        path = Path(text)
        if not path.is_file():
            raise registry.DataNotFound(f"there is no file {text!r}: give the path of a MIDI file")
        name, folder = path.stem, path.parent.name
    notes = _read(path)
    return Score(name, _title(path.stem), folder, notes, float(notes.offset.max()), False)


def _member(name: str) -> Path:
    """Path of a registered piece, after its checksum."""
    folder, _, stem = name.rpartition("/")
    known = registry.entry(folder).members
    if f"{stem}.mid" not in known:
        raise registry.UnknownData(
            f"no piece is named {name!r}; neurotutor.data.scores.names() lists them"
        )
    path = registry.require(folder) / f"{stem}.mid"
    if registry.file_digest(path) != known[path.name]:
        raise registry.CorruptData(
            f"{path} is not the piece of the registry (its checksum differs): delete it and fetch "
            f"{folder} again"
        )
    return path


def _title(stem: str) -> str:
    found = re.fullmatch(r"bwv(\d+)_(mov)?(\w+)", stem)
    if not found:
        return stem
    kind = f"movement {found[3]}" if found[2] else found[3]
    return f"BWV {found[1]}, {kind}"


def _read(path: Path) -> Notes:
    try:
        file = mido.MidiFile(path)
    except (OSError, EOFError, ValueError, KeyError, IndexError, TypeError) as error:
        raise registry.CorruptData(
            f"{path} is not a readable MIDI file ({type(error).__name__}): fetch or copy it again"
        ) from error
    changes, rows = {0: _TEMPO}, []
    count = 0
    for messages in file.tracks:
        tick, sounding, found = 0, defaultdict(deque), False
        for message in messages:
            tick += message.time
            if message.type == "set_tempo":
                changes[tick] = message.tempo
            elif message.type == "note_on" and message.velocity:
                sounding[message.channel, message.note].append((tick, message.velocity))
            elif message.type in ("note_on", "note_off"):
                waiting = sounding[message.channel, message.note]
                if waiting:
                    start, velocity = waiting.popleft()
                    if tick > start:
                        rows.append((message.note, start, tick, velocity, count))
                        found = True
        count += found
    if not rows:
        raise registry.CorruptData(f"{path} holds no notes: give a MIDI file with music in it")
    pitch, start, stop, velocity, track = np.array(rows).T
    ticks = np.array(sorted(changes))
    rate = np.array([changes[tick] for tick in ticks]) * 1e-6 / file.ticks_per_beat
    began = np.concatenate([[0.0], np.cumsum(np.diff(ticks) * rate[:-1])])

    def seconds(when: np.ndarray) -> np.ndarray:
        piece = np.searchsorted(ticks, when, side="right") - 1
        return began[piece] + (when - ticks[piece]) * rate[piece]

    return Notes(pitch, seconds(start), seconds(stop), velocity, track)


_MODES = ((0, 2, 4, 5, 7, 9, 11), (0, 2, 3, 5, 7, 8, 11))
# Rhythms of one bar, in quarters of a beat; a phrase repeats two of them.
_QUICK = (
    (2, 2, 2, 2, 2, 2, 2, 2),
    (4, 2, 2, 4, 2, 2),
    (3, 1, 2, 2, 3, 1, 4),
    (2, 1, 1, 2, 1, 1, 4, 4),
    (6, 2, 2, 2, 4),
    (1, 1, 1, 1, 4, 2, 2, 4),
)
_SLOW = ((4, 4, 4, 4), (8, 8), (4, 4, 8), (8, 4, 4), (6, 2, 4, 4))


def compose(seconds: float | int = 32.0, *, n_voices: int = 2, seed: int = 0) -> Score:
    """Make a piece: each voice walks on a scale, in phrases of four bars that end on the tonic.

    Key, mode and tempo are drawn for the piece, two rhythms for each phrase and voice. The upper
    voices move faster than the lowest. Every note is on the scale.

    Args:
        seconds: about how long; the piece ends with a whole phrase.
        n_voices: 1 to 4, the first one highest; each is a track.
        seed: of all draws.

    Returns:
        The score, with `simulated` set.

    Raises:
        ValueError: for a length below 1 s, or another number of voices.
        TypeError: for a number of voices or a seed that is not a whole number.
    """
    length = as_positive("seconds", seconds)
    if length < 1:
        raise ValueError(f"seconds must be 1 or more, got {seconds}")
    if as_count("n_voices", n_voices) > 4:
        raise ValueError(f"n_voices must be 4 at most, got {n_voices}")
    rng = np.random.default_rng([as_count("seed", seed, 0), 0x5C0])
    tonic, mode = int(rng.integers(12)), _MODES[rng.integers(2)]
    quarter = 60 / rng.uniform(76, 116) / 4
    scale = np.array([p for p in range(24, 108) if (p - tonic) % 12 in mode])
    phrases = max(1, round(length / (64 * quarter)))
    columns = []
    for voice in range(n_voices):
        centre = 72 if n_voices == 1 else 76 - 26 * voice / (n_voices - 1)
        home = np.flatnonzero((scale - tonic) % 12 == 0)
        home = int(home[np.abs(scale[home] - centre).argmin()])
        slow = voice == n_voices - 1 and n_voices > 1
        columns += _voice(rng, scale, home, phrases, quarter, voice, _SLOW if slow else _QUICK)
    pitch, onset, offset, velocity, track = map(np.array, zip(*columns, strict=True))
    notes = Notes(pitch, onset.astype(float), offset.astype(float), velocity, track)
    title = f"our own piece, number {seed}"
    return Score(f"composed/{seed}", title, "composed", notes, float(notes.offset.max()), True)


def _voice(
    rng: np.random.Generator,
    scale: np.ndarray,
    home: int,
    phrases: int,
    quarter: float,
    voice: int,
    rhythms: tuple[tuple[int, ...], ...],
) -> list[tuple[int, float, float, int, int]]:
    """One voice as rows (pitch, onset, offset, velocity, track)."""
    rows, at = [], home
    for phrase in range(phrases):
        pair = [rhythms[i] for i in rng.integers(len(rhythms), size=2)]
        for bar in range(4):
            # The last bar: a step above the tonic, then the tonic, held.
            lengths = (4, 12) if bar == 3 else pair[bar % 2]
            when = (phrase * 4 + bar) * 16
            for number, quarters in enumerate(lengths):
                if bar == 3:
                    at = home + 1 - number
                else:
                    pull = np.clip((home - at) / 8, -0.4, 0.4)
                    up = rng.random() < 0.5 + pull
                    stride = rng.choice(4, p=(0.08, 0.62, 0.2, 0.1))
                    at = int(np.clip(at + (stride if up else -stride), home - 8, home + 8))
                onset = when * quarter
                accent = 92 if when % 16 == 0 else 78
                rows.append((int(scale[at]), onset, onset + quarters * quarter, accent, voice))
                when += quarters
    return rows


def write_midi(notes: Notes, path: str | os.PathLike, program: int = 0) -> Path:
    """Write notes as a Standard MIDI File (format 1, one track for each voice).

    Args:
        notes: what to write; times are rounded to 0.05 ms.
        path: where to.
        program: General MIDI instrument, 0 to 127 (0 is a grand piano).

    Returns:
        The path.

    Raises:
        ValueError: for another program.
        TypeError: for a program that is not a whole number.
    """
    if as_count("program", program, 0) > 127:
        raise ValueError(f"program must be 127 at most, got {program}")
    file = mido.MidiFile(type=1, ticks_per_beat=_TICKS)
    file.tracks.append(mido.MidiTrack([mido.MetaMessage("set_tempo", tempo=_TEMPO)]))
    per_second = _TICKS * 1_000_000 / _TEMPO
    voices = np.unique(notes.track)
    for channel, voice in enumerate(voices):
        channel = channel % 9  # the tenth channel of General MIDI is the drums
        part = notes.select(notes.track == voice)
        start = np.rint(part.onset * per_second).astype(int)
        stop = np.maximum(np.rint(part.offset * per_second).astype(int), start + 1)
        # At one tick, ends come before starts: a key struck again right away is a new note.
        events = [(tick, 0, p, 0) for tick, p in zip(stop, part.pitch, strict=True)]
        events += [
            (tick, 1, p, v) for tick, p, v in zip(start, part.pitch, part.velocity, strict=True)
        ]
        track = mido.MidiTrack([mido.Message("program_change", program=program, channel=channel)])
        before = 0
        for tick, is_start, pitch, velocity in sorted(events):
            kind = "note_on" if is_start else "note_off"
            track.append(
                mido.Message(
                    kind,
                    note=int(pitch),
                    velocity=int(velocity),
                    time=int(tick - before),
                    channel=channel,
                )
            )
            before = tick
        file.tracks.append(track)
    target = Path(path)
    file.save(target)
    return target
