"""Make the weights that the chapter loads: `python -m neurotutor.perception.mi_net`."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import torch

from neurotutor import runtime
from neurotutor.perception.mi_net import learning
from neurotutor.perception.mi_net.config import MiNetConfig
from neurotutor.perception.mi_net.performance import make_clips
from neurotutor.perception.mi_net.prior import MovementPrior
from neurotutor.perception.mi_net.vqvae import VQVAE


def main(arguments: list[str] | None = None) -> int:
    """Train the alphabet on simulated performances, then the prior, and save both."""
    parser = argparse.ArgumentParser(
        prog="python -m neurotutor.perception.mi_net", description=main.__doc__
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--vqvae-steps", type=int, default=1000)
    parser.add_argument("--prior-steps", type=int, default=1000)
    parser.add_argument("--composed", type=int, default=40, help="pieces of our own beside Bach")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--only", choices=("alphabet", "prior"), help="default: both")
    parser.add_argument("--out", type=Path, default=learning.WEIGHTS)
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    device, config = runtime.device(), MiNetConfig.tutorial()
    pieces = learning.train_pieces(options.composed)
    clips = make_clips(pieces, config, seed=options.seed)
    bach = sum(not piece.simulated for piece in pieces)
    made = {
        "seed": options.seed,
        "clips": len(clips),
        "bach": bach,
        "composed": len(pieces) - bach,
        "engine": clips.engine,
    }
    print(f"{len(clips)} clips of {bach} pieces of Bach and {len(pieces) - bach} of our own")
    alphabet = VQVAE(config, seed=options.seed).to(device)
    if options.only == "prior":
        learning.load_weights(alphabet, "alphabet", options.out)
    else:
        start = time.process_time()
        history = learning.train_vqvae(
            alphabet, clips, options.vqvae_steps, seed=options.seed, progress=True
        )
        seconds = round(time.process_time() - start)
        print(f"alphabet: error {history.metrics['error'][-50:].mean():.3f}, {seconds} CPU s")
        record = {**made, "steps": options.vqvae_steps, "cpu_seconds": seconds}
        print(learning.save_weights(alphabet, "alphabet", record, options.out))
        # What the page loads was rounded: the prior must learn those codes.
        learning.load_weights(alphabet, "alphabet", options.out)
    if options.only != "alphabet":
        start = time.process_time()
        codes = torch.cat([alphabet.encode(part.to(device)) for part in clips.spectra.split(100)])
        prior = MovementPrior(config, seed=options.seed).to(device)
        history = learning.train_prior(
            prior, codes, clips, options.prior_steps, seed=options.seed, progress=True
        )
        seconds = round(time.process_time() - start)
        print(f"prior: {history.metrics['bits'][-50:].mean():.2f} bits a code, {seconds} CPU s")
        record = {**made, "steps": options.prior_steps, "cpu_seconds": seconds}
        print(learning.save_weights(prior, "prior", record, options.out))
    return 0


if __name__ == "__main__":
    sys.exit(main())
