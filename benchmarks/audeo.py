"""Cost of Audeo's nets, renderer and scores: `python -m benchmarks.audeo`.

Nets at their published sizes, one thread: Video2Roll on 4 stacks of 5 x 100 x 900, Roll2Midi on 2
windows of 51 x 100. The times of the released nets were taken on a shared two-core machine; they
are given for scale, not measured here. Peers: pretty_midi (notes to a roll) and scikit-learn (frame
scores); no time is printed unless our scores equal theirs.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

import numpy as np
import pretty_midi
import torch
from sklearn.metrics import f1_score

from benchmarks import common
from neurotutor.data import scores
from neurotutor.perception import audeo

RELEASED_S = {  # CPU seconds of the released nets
    "video2roll_forward": 0.46,
    "video2roll_step": 1.58,
    "roll2midi_forward": 4.2,
    "roll2midi_step": 15.0,
}
ALONE = {
    "video2roll_forward": "Video2Roll forwards, 4 stacks",
    "video2roll_step": "A training step of Video2Roll",
    "roll2midi_forward": "Roll2Midi forwards, 2 windows",
    "roll2midi_step": "A training step of Roll2Midi",
    "render_tutorial_100_frames": "Drawing 100 frames, small",
    "render_paper_25_frames": "Drawing 25 frames, the paper's size",
}


def nets(width: int) -> dict:
    """Forward passes and training steps of both stages."""
    first, second = audeo.Video2Roll(width=width), audeo.Roll2Midi(width)
    critic = audeo.PatchDiscriminator(width)
    frames, roll = torch.rand(4, 5, 100, 900), torch.rand(2, 1, 51, 100)
    labels, target = (torch.rand(4, 51) > 0.9).float(), (roll > 0.9).float()
    see = torch.optim.Adam(first.parameters())
    make = torch.optim.Adam(second.parameters())
    judge = torch.optim.Adam(critic.parameters())

    def forward(net, x):
        net.eval()
        with torch.no_grad():
            net(x)

    def see_step():
        first.train()
        see.zero_grad()
        loss = torch.nn.functional.binary_cross_entropy_with_logits(first(frames), labels)
        loss.backward()
        see.step()

    def repair_step():
        second.train()
        made = second(roll)
        make.zero_grad()
        audeo.generator_loss(critic(made), made, target).backward()
        make.step()
        judge.zero_grad()
        audeo.discriminator_loss(critic(target), critic(made.detach())).backward()
        judge.step()

    return {
        "video2roll_forward": lambda: forward(first, frames),
        "video2roll_step": see_step,
        "roll2midi_forward": lambda: forward(second, roll),
        "roll2midi_step": repair_step,
    }


def shares(
    net: torch.nn.Module, parts: dict[str, torch.nn.Module], x: torch.Tensor, repeats: int
) -> dict[str, float]:
    """Share of the forward time of a net that each of its parts takes."""
    net.eval()
    spent: dict[str, float] = defaultdict(float)
    began: dict[str, float] = {}

    def start(name):
        return lambda *_: began.__setitem__(name, time.process_time())

    def stop(name):
        def add(*_):
            spent[name] += time.process_time() - began[name]

        return add

    for name, part in parts.items():
        part.register_forward_pre_hook(start(name))
        part.register_forward_hook(stop(name))
    total = time.process_time()
    with torch.no_grad():
        for _ in range(repeats):
            net(x)
    total = time.process_time() - total
    return {name: spent[name] / total for name in parts}


def shares_of_both(width: int, repeats: int) -> dict[str, dict[str, float]]:
    """Where the forward time of the two nets goes."""
    first, second = audeo.Video2Roll(width=width), audeo.Roll2Midi(width)
    seen = {
        "stem conv": first.backbone.stem[0],
        "stem pool": first.backbone.stem[3],
        **{f"L{i + 1}": stage for i, stage in enumerate(first.backbone.stages)},
        "first FTB": first.transform2[0],
    }
    repaired = {
        **{f"down {i + 1}": layer for i, layer in enumerate(second.down)},
        **{f"up {i + 1}": layer for i, layer in enumerate(second.up)},
    }
    return {
        "video2roll": shares(first, seen, torch.rand(4, 5, 100, 900), repeats),
        "roll2midi": shares(second, repaired, torch.rand(2, 1, 51, 100), repeats),
    }


def own_roll(notes: scores.Notes) -> np.ndarray:
    """Our roll, all 128 pitches."""
    return audeo.notes_to_roll(notes, lowest=0, n_keys=128)


def main(arguments: list[str] | None = None) -> int:
    def extend(parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--width", type=int, default=64, help="of the nets")

    options = common.options(__doc__, "audeo", arguments, repeats=3, extend=extend)
    torch.set_num_threads(1)
    score = scores.compose(60, seed=0)
    with tempfile.TemporaryDirectory() as folder:
        path = audeo.notes_to_midi(score.notes, Path(folder) / "piece.mid")
        theirs = pretty_midi.PrettyMIDI(str(path))
    ours = own_roll(score.notes)
    grid = audeo.roll_to_notes(ours, lowest=0)
    with tempfile.TemporaryDirectory() as folder:
        path = audeo.notes_to_midi(grid, Path(folder) / "grid.mid")
        back = pretty_midi.PrettyMIDI(str(path)).get_piano_roll(fs=audeo.FRAME_RATE).T > 0
    rows = min(len(back), len(ours))
    lost = float((back[:rows] != ours[:rows]).sum() / ours.sum())
    said, true = np.random.default_rng(0).random((2, 20_000, 51)) < 0.05
    peer = f1_score(true, said, average="samples", zero_division=1)
    scored = common.agreement(
        "difference of the F1 scores", abs(audeo.frame_scores(said, true).f1 - peer), 1e-12
    )
    rolls = np.asarray(theirs.get_piano_roll(fs=audeo.FRAME_RATE).T > 0)
    shared = min(len(rolls), len(ours))
    lines = common.agreement(
        "share of the active cells that differ by pretty_midi's cut frames",
        float((rolls[:shared] != ours[:shared]).sum() / ours.sum()),
        0.15,
    )
    workloads = nets(options.width) | {
        "render_tutorial_100_frames": lambda: audeo.render_clip(score, 1, seconds=4),
        "render_paper_25_frames": lambda: audeo.render_clip(score, 1, "paper", seconds=1),
        "notes_to_roll": lambda: own_roll(score.notes),
        "notes_to_roll_pretty_midi": lambda: theirs.get_piano_roll(fs=audeo.FRAME_RATE),
        "frame_scores": lambda: audeo.frame_scores(said, true),
        "frame_scores_scikit_learn": lambda: f1_score(
            true, said, average="samples", zero_division=1
        ),
    }
    times = common.interleave(workloads, options.repeats)
    parts = shares_of_both(options.width, options.repeats)
    rows = [
        common.row(
            "Notes to a roll",
            times["notes_to_roll"],
            times["notes_to_roll_pretty_midi"],
            peer_name="pretty_midi",
            agreement=lines,
        ),
        common.row(
            "Frame scores",
            times["frame_scores"],
            times["frame_scores_scikit_learn"],
            peer_name="scikit-learn",
            agreement=scored,
        ),
        *(common.row(text, times[name]) for name, text in ALONE.items()),
    ]
    targets = [
        common.target(
            f"seconds, {ALONE[name]}; the released nets on another machine",
            times[name]["median_s"],
            limit,
            sense="at most",
            profile=lambda run=workloads[name]: common.operators(run),
            why="of the forward pass, " + common.spent(parts[name.partition("_")[0]]),
        )
        for name, limit in RELEASED_S.items()
        if options.width == 64
    ]
    record = common.record(
        "audeo",
        rows,
        targets,
        repeats=options.repeats,
        seeds=[0, 1],
        packages=["torch"],
        peers=["pretty-midi", "scikit-learn"],
        details={
            "width": options.width,
            "share_of_active_cells_changed_by_a_way_through_pretty_midi": lost,
            "shares_of_the_forward_pass": parts,
        },
    )
    return common.finish(record, options.out)


if __name__ == "__main__":
    sys.exit(main())
