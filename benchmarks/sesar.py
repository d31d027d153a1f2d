"""Cost of one training step of SESAR's networks: `python -m benchmarks.sesar`.

One step is forward and backward of 32 clips of 50 frames and 60 coordinates, through three layers
of 64 units a stream and one decoder layer, on one thread. Compared are our layer (whose gradient
is written out), PyTorch's own GRUs, and the way of the published code, which steps a bidirectional
GRU frame by frame. All three compute the same numbers, and no time is printed unless they do.
Then: independent runs side by side against one after another.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor, nn

from benchmarks import common
from neurotutor.perception import sesar

FEATURES, HIDDEN, LAYERS = 60, 64, 3
PUBLISHED_S = {  # of the brief, on another machine: for scale, not measured here
    "fixed zero, published code": 0.214,
    "fixed zero, two forward GRUs": 0.105,
    "fixed zero, bidirectional": 0.138,
    "fixed state, published code": 0.248,
    "fixed state, two forward GRUs": 0.159,
    "fixed state, bidirectional": 0.150,
}


class LibraryEncoder(nn.Module):
    """The encoder of ours in PyTorch's layers, with the same weights."""

    def __init__(self, encoder: sesar.Encoder):
        super().__init__()
        self.gru = nn.GRU(FEATURES, HIDDEN, LAYERS, bidirectional=True, batch_first=True)
        for i, layer in enumerate(encoder.layers):
            for net, end in enumerate(("", "_reverse")):
                for ours, theirs in (
                    ("input_weight", "weight_ih"),
                    ("weight", "weight_hh"),
                    ("input_bias", "bias_ih"),
                    ("bias", "bias_hh"),
                ):
                    value = getattr(layer, ours).data[net].clone()
                    getattr(self.gru, f"{theirs}_l{i}{end}").data = value

    def both_ways(self, x: Tensor) -> Tensor:
        """The last states of a bidirectional GRU."""
        return torch.cat([*self.gru(x)[1][-2:]], dim=1)

    def stepped(self, x: Tensor) -> Tensor:
        """Frame by frame, as the published code does: both streams run forwards."""
        state = None
        for t in range(x.shape[1]):
            out, state = self.gru(x[:, t : t + 1], state)
        return out[:, 0]


class LibraryDecoder(nn.Module):
    """The decoder FZ in PyTorch's layers, with the same weights."""

    def __init__(self, decoder: sesar.FixedZero):
        super().__init__()
        layer, self.out = decoder.recurrent, decoder.out
        self.gru = nn.GRU(1, 2 * HIDDEN, batch_first=True)
        self.gru.weight_ih_l0.data = layer.input_weight.data[0].clone()
        self.gru.weight_hh_l0.data = layer.weight.data[0].clone()
        self.gru.bias_ih_l0.data = layer.input_bias.data[0].clone()
        self.gru.bias_hh_l0.data = layer.bias.data[0].clone()

    def forward(self, z: Tensor, x: Tensor) -> Tensor:
        """All frames in one call."""
        return self.out(self.gru(x.new_zeros(len(x), x.shape[1], 1), z[None].contiguous())[0])

    def stepped(self, z: Tensor, x: Tensor) -> Tensor:
        """Frame by frame."""
        state, frames = z[None].contiguous(), []
        for _ in range(x.shape[1]):
            out, state = self.gru(x.new_zeros(len(x), 1, 1), state)
            frames.append(self.out(out[:, 0]))
        return torch.stack(frames, dim=1)


def step(draw: Callable[[Tensor], Tensor], x: Tensor) -> None:
    """Forward and backward of one batch."""
    sesar.reconstruction_loss(draw(x), x).backward()


def losses(runs: list) -> Tensor:
    """What the reconstruction cost each run, epoch by epoch."""
    return torch.stack([torch.as_tensor(lost.reconstruction) for _, lost in runs])


def main(arguments: list[str] | None = None) -> int:
    options = common.options(
        __doc__,
        "sesar",
        arguments,
        extend=lambda parser: parser.add_argument("--frames", type=int, default=50),
    )
    torch.set_num_threads(1)
    config = sesar.SesarConfig(hidden=HIDDEN, layers=LAYERS, time=options.frames)
    x = torch.randn(32, options.frames, FEATURES, generator=torch.Generator().manual_seed(0))
    versions: dict[str, Callable[[], object]] = {}
    forward = sesar.SESAR(FEATURES, 10, config)
    both = sesar.SESAR(FEATURES, 10, replace(config, mode="bi"))
    state = sesar.SESAR(FEATURES, 10, replace(config, decoder="FS"))
    state_both = sesar.SESAR(FEATURES, 10, replace(config, mode="bi", decoder="FS"))
    library, decoder = LibraryEncoder(forward.encoder), LibraryDecoder(forward.decoder)
    library_both, decoder_both = LibraryEncoder(both.encoder), LibraryDecoder(both.decoder)
    draws = {
        "fz_ours_two_forward": lambda y: forward.run(y).reconstruction,
        "fz_published_way": lambda y: decoder.stepped(library.stepped(y), y),
        "fz_ours_bi": lambda y: both.run(y).reconstruction,
        "fz_library_bi": lambda y: decoder_both(library_both.both_ways(y), y),
        "fs_ours_two_forward": lambda y: state.run(y).reconstruction,
        "fs_ours_bi": lambda y: state_both.run(y).reconstruction,
    }
    agreed = {}
    with torch.no_grad():
        for one, two in (
            ("fz_ours_two_forward", "fz_published_way"),
            ("fz_ours_bi", "fz_library_bi"),
        ):
            off = float((draws[one](x) - draws[two](x)).abs().max())
            agreed[one] = common.agreement("largest difference of the reconstructions", off, 1e-4)
    versions = {name: lambda draw=draw: step(draw, x) for name, draw in draws.items()}
    small = replace(sesar.SesarConfig.tutorial(), unsupervised_epochs=1, time=options.frames)
    pool = torch.randn(128, options.frames, 48, generator=torch.Generator().manual_seed(1))

    def side_by_side() -> Tensor:
        return losses(sesar.pretrain([pool] * 4, 10, small, range(4)))

    def in_turn() -> Tensor:
        return torch.cat([losses(sesar.pretrain([pool], 10, small, [seed])) for seed in range(4)])

    agreed["runs"] = common.agreement(
        "largest relative difference of the losses",
        float((side_by_side() / in_turn() - 1).abs().max()),
        1e-3,
    )
    versions |= {"side_by_side": side_by_side, "in_turn": in_turn}
    times = common.interleave(versions, options.repeats + 1)
    rows = [
        common.row(
            "A step, decoder FZ, two forward GRUs",
            times["fz_ours_two_forward"],
            times["fz_published_way"],
            peer_name="PyTorch's GRU frame by frame, as published",
            agreement=agreed["fz_ours_two_forward"],
        ),
        common.row(
            "A step, decoder FZ, bidirectional GRU",
            times["fz_ours_bi"],
            times["fz_library_bi"],
            peer_name="torch.nn.GRU",
            agreement=agreed["fz_ours_bi"],
        ),
        common.row("A step, decoder FS, two forward GRUs", times["fs_ours_two_forward"]),
        common.row("A step, decoder FS, bidirectional GRU", times["fs_ours_bi"]),
        common.row(
            "Four runs side by side",
            times["side_by_side"],
            times["in_turn"],
            peer_name="the same, one after another",
            agreement=agreed["runs"],
        ),
    ]
    targets = [
        common.target(
            f"seconds a step, {text}, on another machine",
            times[key]["median_s"],
            PUBLISHED_S[text],
            sense="at most",
            profile=lambda key=key: common.operators(versions[key]),
            why="the frames of a GRU follow each other, and their backward pass is written in "
            "Python",
        )
        for key, text in (
            ("fz_ours_two_forward", "fixed zero, published code"),
            ("fz_ours_two_forward", "fixed zero, two forward GRUs"),
            ("fz_ours_bi", "fixed zero, bidirectional"),
            ("fs_ours_two_forward", "fixed state, published code"),
            ("fs_ours_two_forward", "fixed state, two forward GRUs"),
            ("fs_ours_bi", "fixed state, bidirectional"),
        )
        if options.frames == 50
    ]
    record = common.record(
        "sesar",
        rows,
        targets,
        repeats=options.repeats,
        seeds=[0, 1],
        packages=["torch"],
        details={"frames": options.frames},
    )
    return common.finish(record, options.out)


if __name__ == "__main__":
    sys.exit(main())
