"""Sizes: the keyboard in the picture, the nets, and their training, at both scales."""

from __future__ import annotations

from dataclasses import dataclass, replace

FRAME_RATE = 25.0  # frames per second, of the videos and of every roll


@dataclass(frozen=True)
class Preset:
    """What a rendered video shows, and how large.

    Attributes:
        low: MIDI number of the lowest key; a white one.
        high: MIDI number of the highest key; a white one.
        height: of a frame, pixels.
        width: of a frame, pixels.
        fold: whether notes outside are moved by two octaves until they are inside.
        name: of the preset.
    """

    low: int
    high: int
    height: int
    width: int
    fold: bool
    name: str = "own"

    def __post_init__(self):
        for label, each in (("low", self.low), ("high", self.high)):
            if not 0 <= each <= 127 or each % 12 in BLACK:
                raise ValueError(f"{label} must be the MIDI number of a white key, got {each}")
        if self.low >= self.high:
            raise ValueError(
                f"the key range is reversed: low is {self.low} and high is {self.high}; swap them"
            )
        if self.fold and self.high - self.low < 24:
            raise ValueError(f"folding needs 25 keys or more, got {self.n_keys}")
        if min(self.height, self.width) < 8:
            raise ValueError(f"frames must be 8 x 8 or more, got {self.height} x {self.width}")

    @property
    def n_keys(self) -> int:
        """Number of keys, black and white."""
        return self.high - self.low + 1

    @property
    def n_white(self) -> int:
        """Number of white keys."""
        return sum(pitch % 12 not in BLACK for pitch in range(self.low, self.high + 1))


BLACK = {1: -0.12, 3: 0.12, 6: -0.15, 8: 0.0, 10: 0.15}  # pitch class -> shift of its centre

PRESETS = {
    "tutorial": Preset(48, 72, 36, 164, fold=True, name="tutorial"),
    "paper": Preset(21, 108, 100, 900, fold=False, name="paper"),
}


def as_preset(preset: str | Preset) -> Preset:
    """A preset, by its name or as it is.

    Raises:
        ValueError: for a name that is neither `tutorial` nor `paper`.
        TypeError: for anything else.
    """
    if isinstance(preset, Preset):
        return preset
    if not isinstance(preset, str):
        raise TypeError(f"preset must be a name or a Preset, got {type(preset).__name__}")
    if preset not in PRESETS:
        raise ValueError(f"preset must be one of {', '.join(PRESETS)}, got {preset!r}")
    return PRESETS[preset]


@dataclass(frozen=True)
class AudeoConfig:
    """Hyperparameters; the defaults are those of the released code.

    Attributes:
        preset: the videos.
        width: C of Video2Roll.
        n_frames: frames in a stack.
        batch: stacks in a training step.
        iterations: training steps; 10 epochs of 20,000 draws in the released code.
        rate: learning rate of Adam.
        sampling: "balanced" over keys, or "uniform" over frames.
        threshold: a key counts as down from this probability on.
        midi_width: channels of Roll2Midi after its first layer.
        midi_dropout: share dropped in Roll2Midi.
        midi_batch: windows in a training step of Roll2Midi.
        midi_iterations: its training steps.
        midi_rate: its learning rate.
        midi_window: frames of a window, 4 s.
        midi_threshold: a key of the Pseudo Midi counts as down from this probability on.
        adversarial: weight of the critic's opinion.
    """

    preset: str = "paper"
    width: int = 64
    n_frames: int = 5
    batch: int = 64
    iterations: int = 3125
    rate: float = 1e-3
    sampling: str = "balanced"
    threshold: float = 0.4
    midi_width: int = 64
    midi_dropout: float = 0.5
    midi_batch: int = 16
    midi_iterations: int = 10_000
    midi_rate: float = 5e-4
    midi_window: int = 100
    midi_threshold: float = 0.5
    adversarial: float = 0.001

    @classmethod
    def tutorial(cls, **changes: object) -> AudeoConfig:
        """Small enough for a laptop: 25 keys, narrow nets, minutes of training.

        Args:
            changes: fields to set otherwise.
        """
        small = cls(
            preset="tutorial",
            width=8,
            batch=32,
            iterations=1200,
            sampling="uniform",
            midi_width=4,
            midi_dropout=0.0,
            midi_batch=8,
            midi_iterations=1200,
            midi_rate=3e-3,
        )
        return replace(small, **changes)
