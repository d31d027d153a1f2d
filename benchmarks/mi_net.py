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
PROTOTYPE_S = {  # CPU seconds of a prototype on another machine, under load
    "alphabet_step": 90 / 733,
    "prior_step": 60 / 400,
    "take_one_clip": 9 / 910,
}
ALONE = {
    "alphabet_step": "A training step of the alphabet",
    "prior_step": "A training step of the prior",
    "sample_16_clips": "Sampling a batch of clips",
    "take_one_clip": "Simulating a clip",
    "take_10_s_additive": "Simulating ten seconds of a performance",
}


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


def spectral_error(sound: torch.Tensor, wanted: torch.Tensor, config: MiNetConfig) -> float:
    """Distance of the spectrum of a sound from the wanted one, relative to that."""
    found = mi_net.stft(sound, config.n_fft, config.hop).abs()
    shared = min(found.shape[-1], wanted.shape[-1])
    found, wanted = found[1:, :shared], wanted[1:, :shared]
    return float((found - wanted).norm() / wanted.norm())


def main(arguments: list[str] | None = None) -> int:
    options = common.options(__doc__, "mi_net", arguments)
    torch.set_num_threads(1)
    agreed = common.agreement(
        "largest difference of the codebooks after a step", difference(), 1e-5
    )
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
        "take_one_clip": lambda: mi_net.simulate_performance(
            "violin", seconds=config.clip_seconds, engine="additive"
        ),
        "take_10_s_additive": lambda: mi_net.simulate_performance("violin", engine="additive"),
    }
    sounds = mi_net.griffin_lim(wanted[1:], config.hop), workloads["griffin_lim_librosa"]()
    apart = [spectral_error(torch.as_tensor(sound), wanted, config) for sound in sounds]
    heard = common.agreement(
        "difference of the spectral errors of both sounds", abs(apart[0] - apart[1]), 0.1
    )
    times = common.interleave(workloads, options.repeats)
    rows = [
        common.row(
            "20 batches through the quantiser",
            times["quantiser"],
            times["quantiser_peer"],
            peer_name="vector-quantize-pytorch",
            agreement=agreed,
        ),
        common.row(
            "60 iterations of Griffin-Lim",
            times["griffin_lim"],
            times["griffin_lim_librosa"],
            peer_name="librosa",
            agreement=heard,
        ),
        *(common.row(text, times[name]) for name, text in ALONE.items()),
    ]
    targets = [
        common.target(
            f"seconds, {ALONE[name]}; a prototype on another machine",
            times[name]["median_s"],
            limit,
            sense="at most",
            source="paper brief, section 5",
            profile=lambda call=workloads[name], look=look: look(call),
        )
        for (name, limit), look in zip(
            PROTOTYPE_S.items(),
            (common.operators, common.operators, common.functions),
            strict=True,
        )
    ]
    record = common.record(
        "mi_net",
        rows,
        targets,
        repeats=options.repeats,
        seeds=[0],
        packages=["torch"],
        peers=["vector-quantize-pytorch", "librosa"],
        details={"spectral_error": dict(zip(("ours", "librosa"), apart, strict=True))},
    )
    return common.finish(record, options.out)


if __name__ == "__main__":
    sys.exit(main())
