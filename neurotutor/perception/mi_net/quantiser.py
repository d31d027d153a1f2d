"""The alphabet: a codebook that learns by running averages, and moves letters nobody uses."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from neurotutor.checks import as_count, as_positive


class Quantised(NamedTuple):
    """What the quantiser makes of a batch.

    `vectors`: the codebook's vectors in place of the encodings, shape (..., dim); gradients pass
    through to the encodings. `codes`: which ones, shape (...). `commitment`: mean squared distance
    of the encodings from them, a scalar.
    """

    vectors: Tensor
    codes: Tensor
    commitment: Tensor


def nearest_codes(
    encodings: Float[Tensor, "*batch dim"], codebook: Float[Tensor, "codes dim"]
) -> Int[Tensor, " *batch"]:
    """Number of the nearest codebook vector; of several equally near ones the lowest.

    Args:
        encodings: shape (..., dim).
        codebook: shape (codes, dim).

    Source: van den Oord, Vinyals & Kavukcuoglu (2017), equation 1.
    """
    # ||z - e||^2 without ||z||^2, which is the same for all codes.
    cost = codebook.square().sum(dim=1) - 2 * encodings @ codebook.T
    return cost.argmin(dim=-1)


def straight_through(
    encodings: Float[Tensor, "*batch dim"], vectors: Float[Tensor, "*batch dim"]
) -> Float[Tensor, "*batch dim"]:
    """The value of `vectors`, with the gradient that `encodings` would have had."""
    return encodings + (vectors - encodings).detach()


def ema_update(
    counts: Float[Tensor, " codes"],
    sums: Float[Tensor, "codes dim"],
    encodings: Float[Tensor, "points dim"],
    codes: Int[Tensor, " points"],
    decay: float,
    eps: float = 1e-5,
) -> tuple[Float[Tensor, " codes"], Float[Tensor, "codes dim"], Float[Tensor, "codes dim"]]:
    """One step of the running averages: new counts N, sums m, and codebook e.

    Args:
        counts: N, how often each code was used, averaged over past batches.
        sums: m, the sum of the encodings of each code, averaged likewise.
        encodings: of this batch, shape (points, dim).
        codes: of these encodings.
        decay: gamma, the weight of the past.
        eps: keeps the counts away from zero.

    Source: van den Oord et al. (2017), appendix A.1; with the smoothed counts of common practice.
    """
    used = torch.bincount(codes, minlength=len(counts)).to(counts.dtype)
    summed = torch.zeros_like(sums).index_add_(0, codes, encodings.to(sums.dtype))
    counts = decay * counts + (1 - decay) * used
    sums = decay * sums + (1 - decay) * summed
    total = counts.sum()
    smooth = (counts + eps) / (total + len(counts) * eps) * total
    return counts, sums, sums / smooth[:, None]


def perplexity(codes: Int[Tensor, "*shape"], n_codes: int) -> float:
    """Effective number of codes in use: exp of the entropy of their frequencies.

    Args:
        codes: any number of them; take an epoch, not a batch.
        n_codes: size of the codebook, K.

    Returns:
        Between 1 (one code for all) and K (all equally often).

    Raises:
        ValueError: if there is no code, or one outside 0..K-1.
    """
    as_count("n_codes", n_codes)
    if codes.numel() == 0 or int(codes.min()) < 0 or int(codes.max()) >= n_codes:
        raise ValueError(f"codes must lie in 0..{n_codes - 1}, and there must be at least one")
    share = torch.bincount(codes.flatten(), minlength=n_codes).double() / codes.numel()
    return math.exp(-float(torch.special.xlogy(share, share).sum()))


class VectorQuantizer(nn.Module):
    """Replace every vector by the nearest of K; learn the K by running averages.

    Args:
        n_codes: K.
        dim: length of a vector, D.
        decay: gamma of the running averages.
        eps: of the smoothed counts.
        revive_below: a code whose count N_j falls below this after a step moves to a random
            encoding of the batch, with N_j = 1; None: never. The mean count tends to the number of
            encodings in a batch over K; keep that above twice this value.
        seed: of the first codebook and of revivals.

    Attributes:
        codebook: the vectors e, shape (codes, dim).
        counts: N, shape (codes,).
        sums: m, shape (codes, dim).
        started: whether the first batch has set the codebook.

    Raises:
        ValueError: for sizes below 1, or a decay outside [0, 1).
        TypeError: if a whole number is expected and something else comes.

    Source: van den Oord et al. (2017); revival: Dhariwal et al. (2020).
    """

    codebook: Tensor
    counts: Tensor
    sums: Tensor
    started: Tensor

    def __init__(
        self,
        n_codes: int,
        dim: int,
        *,
        decay: float = 0.99,
        eps: float = 1e-5,
        revive_below: float | None = 1.0,
        seed: int = 0,
    ):
        super().__init__()
        self.n_codes, self.dim = as_count("n_codes", n_codes), as_count("dim", dim)
        if not 0 <= decay < 1:
            raise ValueError(f"decay must lie in [0, 1), got {decay}")
        if revive_below is not None:
            as_positive("revive_below", revive_below)
        self.decay, self.eps, self.revive_below = decay, as_positive("eps", eps), revive_below
        self.generator = torch.Generator().manual_seed(seed)
        vectors = torch.randn(n_codes, dim, generator=self.generator)
        self.register_buffer("codebook", vectors)
        self.register_buffer("sums", vectors.clone())
        self.register_buffer("counts", torch.ones(n_codes))
        self.register_buffer("started", torch.tensor(False))

    def forward(self, encodings: Float[Tensor, "*batch dim"]) -> Quantised:
        """Quantise; in training mode, then move the codebook.

        Args:
            encodings: z_e, shape (..., dim).

        Raises:
            ValueError: for vectors of another length, or NaN.
        """
        if encodings.shape[-1] != self.dim:
            raise ValueError(f"encodings must end in {self.dim} numbers, got {encodings.shape}")
        if not torch.isfinite(encodings).all():
            raise ValueError("encodings must be finite, got NaN or infinity; lower the step size")
        points = encodings.detach().reshape(-1, self.dim)
        if self.training and not self.started:
            self.start_from(points)
        codes = nearest_codes(points, self.codebook)
        vectors = self.codebook[codes].reshape(encodings.shape)
        if self.training:
            self._learn(points, codes)
        return Quantised(
            straight_through(encodings, vectors),
            codes.reshape(encodings.shape[:-1]),
            (encodings - vectors).square().mean(),
        )

    @torch.no_grad()
    def start_from(self, points: Float[Tensor, "points dim"]) -> None:
        """Set the codebook to random encodings; too few are repeated with a little noise."""
        rows = self._draw(len(points), self.n_codes)
        vectors = points[rows.to(points.device)].to(self.codebook.dtype)
        if len(points) < self.n_codes:
            noise = torch.randn(vectors.shape, generator=self.generator).to(vectors)
            vectors = vectors + 0.01 / math.sqrt(self.dim) * noise
        self.codebook.copy_(vectors)
        self.sums.copy_(vectors)
        self.counts.fill_(1.0)
        self.started.fill_(True)

    def _draw(self, n: int, k: int) -> Tensor:
        """Numbers of k of n rows, without repetition as long as there are enough."""
        rounds = max(1, math.ceil(k / n))
        return torch.cat([torch.randperm(n, generator=self.generator) for _ in range(rounds)])[:k]

    @torch.no_grad()
    def _learn(self, points: Tensor, codes: Tensor) -> None:
        counts, sums, codebook = ema_update(
            self.counts, self.sums, points, codes, self.decay, self.eps
        )
        if self.revive_below is not None:
            dead = (counts < self.revive_below).nonzero().flatten()
            rows = self._draw(len(points), len(dead)).to(points.device)
            codebook[dead] = sums[dead] = points[rows].to(sums.dtype)
            counts[dead] = 1.0
        self.counts.copy_(counts)
        self.sums.copy_(sums)
        self.codebook.copy_(codebook)

    def lookup(self, codes: Int[Tensor, "*batch"]) -> Float[Tensor, "*batch {self.dim}"]:
        """Vectors of these codes.

        Raises:
            ValueError: for a code outside 0..K-1.
        """
        if codes.numel() and not 0 <= int(codes.min()) <= int(codes.max()) < self.n_codes:
            raise ValueError(f"codes must lie in 0..{self.n_codes - 1}")
        return self.codebook[codes]
