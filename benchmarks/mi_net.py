"""Cost of MI Net's parts: `python -m benchmarks.mi_net`.

The quantiser takes turns with vector-quantize-pytorch on the same encodings; no time is printed
unless both codebooks agree after a step (later, a near tie may fall either way). Then a training
step of the alphabet and of the prior, at tutorial scale, and Griffin-Lim against librosa's.
"""

from __future__ import annotations

import sys

import librosa
import torch
from torch import nn
from vector_quantize_pytorch import VectorQuantize

from benchmarks import common
from neurotutor.perception import mi_net
from neurotutor.perception.mi_net import VQVAE, MiNetConfig, MovementPrior, VectorQuantizer

CODES, DIM = 256, 64


def pair() -> tuple[VectorQuantizer, VectorQuantize]:
    """Our quantiser and the peer's, with one codebook."""
    book = torch.randn(CODES, DIM, generator=torch.Generator().manual_seed(0))
    ours = VectorQuantizer(CODES, DIM, revive_below=None)
    peer = VectorQuantize(
        DIM, CODES, decay=0.99, eps=1e-5, threshold_ema_dead_code=0, kmeans_init=False
    )
    for mine, theirs in (
        (ours.codebook, peer._codebook.embed),
        (ours.sums, peer._codebook.embed_avg),
    ):
        mine.copy_(book)
        theirs.data.copy_(book[None])
    peer._codebook.cluster_size.data.fill_(1.0)
    ours.started.fill_(True)
    return ours, peer


def difference(n_steps: int = 1) -> float:
    """Largest difference of the two codebooks after some steps on random encodings."""
    ours, peer = pair()
    for seed in range(n_steps):
        batch = torch.randn(16, 64, DIM, generator=torch.Generator().manual_seed(seed))
        ours(batch)
        peer(batch)
    return float((ours.codebook - peer._codebook.embed[0]).abs().max())


def main(arguments: list[str] | None = None) -> int:
    options = common.options(__doc__, "mi_net", arguments)
    torch.set_num_threads(1)
    gap = difference()
    if gap > 1e-5:
        raise SystemExit(f"the codebooks differ by {gap:.1e}, so no time is quoted")
    ours, peer = pair()
    config = MiNetConfig.tutorial()
    batch = torch.randn(config.batch_size, config.frames, DIM)
    spectra = torch.randn(config.batch_size, config.bins, 2 * config.frames)
    codes = torch.randint(0, CODES, (config.batch_size, config.frames))
    take = mi_net.simulate_performance("violin", seconds=config.clip_seconds, engine="additive")
    keypoints = torch.from_numpy(take.keypoints).float().expand(config.batch_size, -1, -1, -1)
    wanted = mi_net.stft(torch.from_numpy(take.audio), config.n_fft, config.hop).abs()
    full = wanted.numpy()
    alphabet, prior = VQVAE(config), MovementPrior(config)

    def vqvae_step(model: nn.Module) -> None:
        model.zero_grad()
        model(spectra).loss.backward()

    def prior_step() -> None:
        prior.zero_grad()
        prior.loss(codes, keypoints).backward()

    workloads = {
        "quantiser": lambda: [ours(batch) for _ in range(20)],
        "quantiser_peer": lambda: [peer(batch) for _ in range(20)],
        "alphabet_step": lambda: vqvae_step(alphabet),
        "prior_step": prior_step,
        "sample_16_clips": lambda: prior.sample(config.batch_size, config.frames, keypoints),
        "griffin_lim": lambda: mi_net.griffin_lim(wanted[1:], config.hop),
        "griffin_lim_librosa": lambda: librosa.griffinlim(
            full, n_iter=60, hop_length=config.hop, n_fft=config.n_fft
        ),
        "take_10_s_additive": lambda: mi_net.simulate_performance("violin", engine="additive"),
    }
    workloads["griffin_lim_librosa"]()  # the first call compiles
    record = {
        "machine": common.machine(),
        "codebook_difference": gap,
        "seeds": [0],
        **common.interleave(workloads, options.repeats),
    }
    print(f"codebooks agree to {gap:.1e} after a step")
    for name in workloads:
        print(common.line(name, record[name]))
    common.save(record, options.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
