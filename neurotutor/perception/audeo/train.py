"""Make the small weights that the chapter loads: `python -m neurotutor.perception.audeo.train`."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import Any

import torch

from neurotutor import weights
from neurotutor.perception.audeo.config import AudeoConfig
from neurotutor.perception.audeo.roll_to_midi import Roll2Midi
from neurotutor.perception.audeo.training import (
    Frames,
    load_pieces,
    make_clips,
    train_roll2midi,
    train_video2roll,
)
from neurotutor.perception.audeo.video_to_roll import PlainRoll, Video2Roll, predict_roll

FOLDER = Path(__file__).with_name("weights")
FIRST_STAGE = ("full5", "full1", "plain5", "plain1")  # with or without the neck; frames
NAMES = (*FIRST_STAGE, "midi")
COMMAND = "python -m neurotutor.perception.audeo.train"


def names(folder: Path = FOLDER) -> list[str]:
    """Which nets have trained weights, in the order of `NAMES`."""
    return [name for name in NAMES if (Path(folder) / f"{name}.npz").is_file()]


def new_net(name: str, seed: int = 0) -> Video2Roll | PlainRoll | Roll2Midi:
    """An untrained net of the tutorial's size.

    Args:
        name: one of `NAMES`.
        seed: of its weights.

    Raises:
        ValueError: for another name.
    """
    if name not in NAMES:
        raise ValueError(f"name must be one of {', '.join(NAMES)}, got {name!r}")
    config = AudeoConfig.tutorial()
    if name == "midi":
        return Roll2Midi(config.midi_width, config.midi_dropout, seed=seed)
    kind = PlainRoll if name.startswith("plain") else Video2Roll
    return kind(25, int(name[-1]), config.width, seed=seed)


def load_net(
    name: str, folder: Path = FOLDER
) -> tuple[Video2Roll | PlainRoll | Roll2Midi, dict[str, Any]]:
    """A trained net of the tutorial's size, and how it was trained.

    Args:
        name: one of `NAMES`.
        folder: of the weights.

    Returns:
        The net in evaluation mode; what was recorded with it.

    Raises:
        ValueError: for another name, or weights that do not fit.
        FileNotFoundError: if they have not been made.
    """
    net = new_net(name)
    kept = weights.load(Path(folder) / f"{name}.npz", f"{COMMAND} {name}")
    kept.restore(name, net)
    return net, kept.made


def train_net(
    name: str,
    *,
    seed: int = 0,
    n_clips: int = 240,
    iterations: int | None = None,
    folder: Path = FOLDER,
) -> tuple[Video2Roll | PlainRoll | Roll2Midi, dict[str, Any]]:
    """Train one net at the tutorial's size.

    The second stage learns from Rolls of clips that the first stage has not seen.

    Args:
        name: one of `NAMES`.
        seed: of weights and draws.
        n_clips: clips of 4 s for the first stage; the second has half as many, of 8 s.
        iterations: training steps; those of the configuration by default.
        folder: where the first stage is, for the second.

    Returns:
        The net, and what is recorded with it.
    """
    config = AudeoConfig.tutorial()
    pieces = load_pieces()
    began = time.process_time()
    net = new_net(name, seed)
    if name == "midi":
        first, _ = load_net("full5", folder)
        clips = make_clips(pieces.train, max(n_clips // 2, 1), seconds=8, seed=1)
        rolls = [predict_roll(first, clip.video) for clip in clips]
        if iterations:
            config = AudeoConfig.tutorial(midi_iterations=iterations)
        history = train_roll2midi(net, rolls, [clip.pseudo for clip in clips], config, seed=seed)
        last = history.metrics["error"]
    else:
        clips = make_clips(pieces.train, n_clips, seed=0)
        if iterations:
            config = AudeoConfig.tutorial(iterations=iterations)
        history = train_video2roll(net, Frames(clips, net.n_frames), config, seed=seed)
        last = history.metrics["loss"]
    return net, {
        "music": "composed here" if pieces.simulated else "Bach",
        "clips": len(clips),
        "iterations": len(last),
        "seed": seed,
        "final_loss": round(float(last[-50:].mean()), 4),
        "cpu_seconds": round(time.process_time() - began),
    }


def main(arguments: list[str] | None = None) -> int:
    """Train nets of the tutorial's size and write their weights."""
    parser = argparse.ArgumentParser(prog=COMMAND, description=main.__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(NAMES)}")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--clips", type=int, default=240)
    parser.add_argument("--iterations", type=int)
    parser.add_argument("--out", type=Path, default=FOLDER)
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    for name in options.names or NAMES:
        net, made = train_net(
            name,
            seed=options.seed,
            n_clips=options.clips,
            iterations=options.iterations,
            folder=options.out,
        )
        path = options.out / f"{name}.npz"
        weights.save(path, {name: net}, made, one_byte=True)
        print(f"{path}: {path.stat().st_size / 1000:.0f} kB, {made}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
