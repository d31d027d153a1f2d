"""Make the small weights that the chapter loads: `python -m neurotutor.perception.audeo.train`."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import numpy as np
import torch

from neurotutor import runtime
from neurotutor.perception.audeo.config import AudeoConfig
from neurotutor.perception.audeo.roll_to_midi import Roll2Midi
from neurotutor.perception.audeo.training import (
    Frames,
    load_pieces,
    make_clips,
    pack_weights,
    train_roll2midi,
    train_video2roll,
    unpack_weights,
)
from neurotutor.perception.audeo.video_to_roll import PlainRoll, Video2Roll, predict_roll

FOLDER = Path(__file__).with_name("weights")
FIRST_STAGE = ("full5", "full1", "plain5", "plain1")  # with or without the neck; frames
NAMES = (*FIRST_STAGE, "midi")
# Of the clips that each training learns from: a first one, and one that goes on.
CLIP_SEEDS = {"first": (0, 2), "second": (1, 3)}


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
) -> tuple[Video2Roll | PlainRoll | Roll2Midi, dict[str, str]]:
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
    net, path = new_net(name), Path(folder) / f"{name}.npz"
    if not path.is_file():
        raise FileNotFoundError(
            f"there are no weights at {path}: make them with "
            f"`python -m neurotutor.perception.audeo.train {name}`"
        )
    with np.load(path, allow_pickle=False) as file:
        packed = {key: file[key] for key in file.files}
    notes = [key for key in packed if key.startswith("made:")]
    made = {key.removeprefix("made:"): str(packed.pop(key)) for key in notes}
    unpack_weights(net, packed)
    return net, made


def train_net(
    name: str,
    *,
    seed: int = 0,
    n_clips: int = 150,
    iterations: int | None = None,
    more: bool = False,
    folder: Path = FOLDER,
) -> tuple[Video2Roll | PlainRoll | Roll2Midi, dict[str, str]]:
    """Train one net at the tutorial's size.

    The second stage learns from Rolls of clips that the first stage has not seen.

    Args:
        name: one of `NAMES`.
        seed: of weights and draws.
        n_clips: clips of 4 s for the first stage; the second has half as many, of 8 s.
        iterations: training steps; those of the configuration by default.
        more: whether the net goes on from its weights, with other clips.
        folder: where the first stage is, for the second; and the weights to go on from.

    Returns:
        The net, and what is recorded with it.
    """
    config = AudeoConfig.tutorial()
    pieces = load_pieces()
    began = time.process_time()
    net, before = load_net(name, folder) if more else (new_net(name, seed), {})
    if name == "midi":
        first, _ = load_net("full5", folder)
        clips = make_clips(
            pieces.train, max(n_clips // 2, 1), seconds=8, seed=CLIP_SEEDS["second"][more]
        )
        rolls = [predict_roll(first, clip.video) for clip in clips]
        if iterations:
            config = AudeoConfig.tutorial(midi_iterations=iterations)
        history = train_roll2midi(
            net, rolls, [clip.pseudo for clip in clips], config, seed=seed + more
        )
        last = history.metrics["error"]
    else:
        clips = make_clips(pieces.train, n_clips, seed=CLIP_SEEDS["first"][more])
        if iterations:
            config = AudeoConfig.tutorial(iterations=iterations)
        history = train_video2roll(net, Frames(clips, net.n_frames), config, seed=seed + more)
        last = history.metrics["loss"]
    versions = runtime.environment()
    return net, {
        "music": "composed here" if pieces.simulated else "Bach",
        "clips": str(len(clips) + int(before.get("clips", 0))),
        "iterations": str(len(last) + int(before.get("iterations", 0))),
        "seed": str(seed),
        "final_loss": f"{last[-50:].mean():.4f}",
        "cpu_seconds": f"{time.process_time() - began + int(before.get('cpu_seconds', 0)):.0f}",
        "python": str(versions["python"]),
        "torch": torch.__version__,
    }


def save_net(net: Video2Roll | PlainRoll | Roll2Midi, made: dict[str, str], path: Path) -> None:
    """Write packed weights and how they were made into one small archive."""
    path.parent.mkdir(parents=True, exist_ok=True)
    about = {f"made:{key}": np.array(value) for key, value in made.items()}
    np.savez_compressed(path, **pack_weights(net), **about)


def main(arguments: list[str] | None = None) -> int:
    """Train nets of the tutorial's size and write their weights."""
    parser = argparse.ArgumentParser(
        prog="python -m neurotutor.perception.audeo.train", description=main.__doc__
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(NAMES)}")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--clips", type=int, default=150)
    parser.add_argument("--iterations", type=int)
    parser.add_argument("--more", action="store_true", help="go on from the weights that are there")
    parser.add_argument("--out", type=Path, default=FOLDER)
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    for name in options.names or NAMES:
        net, made = train_net(
            name,
            seed=options.seed,
            n_clips=options.clips,
            iterations=options.iterations,
            more=options.more,
            folder=options.out,
        )
        path = options.out / f"{name}.npz"
        save_net(net, made, path)
        print(f"{path}: {path.stat().st_size / 1000:.0f} kB, {made}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
