"""BYOL and MYOW: losses, networks, slow target and mined views."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from .config import MyowConfig
from .views import require_finite, require_share

# --- losses ---------------------------------------------------------------------------------


def cosine_distance(
    a: Float[Tensor, "samples features"], b: Float[Tensor, "samples features"]
) -> Float[Tensor, " samples"]:
    """1 - cos of the angle between paired rows: 0 parallel, 1 orthogonal, 2 opposite.

    Lengths do not matter. Twice this number is the squared distance of the unit vectors, the form
    that the image version uses.

    Raises:
        ValueError: if shapes differ or a value is not finite.

    Source: Azabou et al. (2021), neural code.
    """
    require_finite("a", a)
    require_finite("b", b)
    if a.shape != b.shape:
        raise ValueError(f"a and b must have one shape, got {tuple(a.shape)} and {tuple(b.shape)}")
    return 1 - (F.normalize(a, dim=1) * F.normalize(b, dim=1)).sum(dim=1)


def byol_loss(
    prediction: Float[Tensor, "samples features"],
    target: Float[Tensor, "samples features"],
    other_prediction: Float[Tensor, "samples features"] | None = None,
    other_target: Float[Tensor, "samples features"] | None = None,
) -> Float[Tensor, ""]:
    """How far the predictions lie from what the slow network says of the other view.

    Args:
        prediction: q(z_1), predicted from view 1, shape (samples, features).
        target: z'_2, the target network's embedding of view 2, same shape. Whether gradients stop
            here is the caller's choice: `BYOL` passes tensors that carry none.
        other_prediction: q(z_2), predicted from view 2.
        other_target: z'_1, the target network's embedding of view 1.

    Returns:
        Mean cosine distance of the first pair; with both pairs, the mean of the two directions.

    Raises:
        ValueError: if shapes differ, a value is not finite, or half of a pair is missing.

    Source: Azabou et al. (2021), augmented loss; Grill et al. (2020), eq. 2.
    """
    if (other_prediction is None) != (other_target is None):
        raise ValueError("other_prediction and other_target belong together; pass both or none")
    loss = cosine_distance(prediction, target).mean()
    if other_prediction is None:
        return loss
    return (loss + cosine_distance(other_prediction, other_target).mean()) / 2


def mined_loss(
    prediction: Float[Tensor, "samples features"], mined: Float[Tensor, "samples features"]
) -> Float[Tensor, ""]:
    """How far r(v_1) lies from v'_m, the target's embedding of the mined sample (one direction).

    Raises:
        ValueError: if shapes differ or a value is not finite.

    Source: Azabou et al. (2021), mined loss.
    """
    return cosine_distance(prediction, mined).mean()


def total_loss(
    augmented: Float[Tensor, ""], mined: Float[Tensor, ""], weight: float
) -> Float[Tensor, ""]:
    """(1 - lambda) L_aug + lambda L_mined.

    Raises:
        ValueError: if the weight lambda lies outside [0, 1].

    Source: Azabou et al. (2021), total loss of the neural code.
    """
    require_share("weight", weight)
    return (1 - weight) * augmented + weight * mined


# --- mining ---------------------------------------------------------------------------------


def eligible_by_trial(
    anchor_trial: Int[Tensor, " anchors"], candidate_trial: Int[Tensor, " candidates"]
) -> Bool[Tensor, "anchors candidates"]:
    """True where a candidate belongs to another trial than the anchor.

    A neighbour from the same trial is a neighbour in time: that is jitter again, not news.
    """
    return anchor_trial[:, None] != candidate_trial[None, :]


def eligible_by_time(
    anchor_time: Int[Tensor, " anchors"],
    candidate_time: Int[Tensor, " candidates"],
    exclusion: int,
) -> Bool[Tensor, "anchors candidates"]:
    """True where a candidate lies more than `exclusion` bins before or after the anchor.

    Raises:
        ValueError: if `exclusion` is negative.
    """
    if exclusion < 0:
        raise ValueError(f"exclusion must be at least 0 bins, got {exclusion}")
    return (anchor_time[:, None] - candidate_time[None, :]).abs() > exclusion


def nearest_neighbours(
    anchors: Float[Tensor, "anchors features"],
    candidates: Float[Tensor, "candidates features"],
    k: int,
    *,
    eligible: Bool[Tensor, "anchors candidates"] | None = None,
) -> Int[Tensor, "anchors k"]:
    """Indices of the k eligible candidates of largest cosine for each anchor, nearest first.

    Args:
        anchors: online representations y, shape (anchors, features).
        candidates: target representations y', shape (candidates, features).
        k: number of neighbours, >= 1.
        eligible: mask of allowed pairs; `None` allows all.

    Returns:
        Indices into the candidates.

    Raises:
        TypeError: if k is no whole number, or `eligible` holds no booleans.
        ValueError: if widths or shapes disagree, a value is not finite, k < 1, or an anchor has
            fewer than k eligible candidates.

    Source: Azabou et al. (2021), mining step.
    """
    require_finite("anchors", anchors)
    require_finite("candidates", candidates)
    if anchors.shape[1] != candidates.shape[1]:
        raise ValueError(
            "anchors and candidates must have the same features, got "
            f"{anchors.shape[1]} and {candidates.shape[1]}"
        )
    if isinstance(k, bool) or not isinstance(k, int):
        raise TypeError(f"k must be a whole number of neighbours, got {k!r}")
    if k < 1:
        raise ValueError(f"k must be at least 1 neighbour, got {k}")
    cosine = F.normalize(anchors, dim=1) @ F.normalize(candidates, dim=1).T
    if eligible is not None:
        if eligible.dtype != torch.bool:
            raise TypeError(f"eligible must hold booleans, got {eligible.dtype}; use .bool()")
        if eligible.shape != cosine.shape:
            raise ValueError(
                f"eligible must have shape {tuple(cosine.shape)} (anchors, candidates), "
                f"got {tuple(eligible.shape)}"
            )
        cosine = torch.where(eligible, cosine, -torch.inf)
    values, nearest = cosine.topk(min(k, len(candidates)), dim=1)
    if k > len(candidates) or torch.isneginf(values[:, -1]).any():
        fewest = len(candidates) if eligible is None else int(eligible.sum(dim=1).min())
        raise ValueError(
            f"an anchor has only {fewest} eligible candidates, k = {k} needed; "
            "lower k, enlarge the pool or narrow the exclusion"
        )
    return nearest


def mine_views(
    anchors: Float[Tensor, "anchors features"],
    candidates: Float[Tensor, "candidates features"],
    k: int,
    *,
    eligible: Bool[Tensor, "anchors candidates"] | None = None,
    generator: torch.Generator | None = None,
) -> Int[Tensor, " anchors"]:
    """Mine one view for each anchor: one of its k nearest eligible candidates, drawn uniformly.

    Args:
        anchors: online representations y, shape (anchors, features).
        candidates: target representations y', shape (candidates, features).
        k: number of neighbours to choose among, >= 1; k = 1 leaves no chance.
        eligible: mask of allowed pairs, see `eligible_by_trial` and `eligible_by_time`.
        generator: source of randomness, on the device of the anchors.

    Returns:
        Index of one candidate for each anchor. Indices carry no gradient.

    Raises:
        TypeError: if k is no whole number, or `eligible` holds no booleans.
        ValueError: if shapes disagree, a value is not finite, k < 1, or an anchor has fewer than
            k eligible candidates.

    Source: Azabou et al. (2021), mining step.
    """
    nearest = nearest_neighbours(anchors, candidates, k, eligible=eligible)
    pick = torch.randint(k, (len(nearest), 1), generator=generator, device=nearest.device)
    return nearest.gather(1, pick).squeeze(1)


# --- networks -------------------------------------------------------------------------------


def make_encoder(n_inputs: int, config: MyowConfig) -> nn.Sequential:
    """The encoder f: hidden layers Linear, BatchNorm, PReLU; last layer Linear; no biases.

    Source: Azabou et al. (2021), modules of myow-neuro.
    """
    layers: list[nn.Module] = []
    width = n_inputs
    for hidden in config.hidden:
        layers += [
            nn.Linear(width, hidden, bias=False),
            nn.BatchNorm1d(hidden, momentum=config.batchnorm_momentum),
            nn.PReLU(init=config.prelu_slope),
        ]
        width = hidden
    return nn.Sequential(*layers, nn.Linear(width, config.representation, bias=False))


def make_head(n_inputs: int, n_outputs: int, config: MyowConfig) -> nn.Sequential:
    """The form of h, q and r: Linear without bias, BatchNorm, ReLU, Linear.

    Source: Azabou et al. (2021), modules of myow-neuro.
    """
    return nn.Sequential(
        nn.Linear(n_inputs, config.head_hidden, bias=False),
        nn.BatchNorm1d(config.head_hidden, momentum=config.batchnorm_momentum),
        nn.ReLU(),
        nn.Linear(config.head_hidden, n_outputs),
    )


@torch.no_grad()
def ema_update(target: nn.Module, online: nn.Module, decay: float) -> None:
    """Move every parameter of the target a little towards its online twin, in place.

    xi <- tau xi + (1 - tau) theta. Buffers (BatchNorm's running statistics) are left alone.

    Args:
        target: module with parameters xi.
        online: module of the same form with parameters theta.
        decay: tau in [0, 1]; 1 freezes the target, 0 copies the online network.

    Raises:
        ValueError: if tau lies outside [0, 1], or the two modules differ in form.

    Source: Azabou et al. (2021); Grill et al. (2020), eq. 1.
    """
    require_share("decay", decay)
    xi, theta = dict(target.named_parameters()), dict(online.named_parameters())
    shapes = [{name: p.shape for name, p in parameters.items()} for parameters in (xi, theta)]
    if shapes[0] != shapes[1]:
        raise ValueError("target and online must have the same parameters; copy one from the other")
    for name, slow in xi.items():
        slow.lerp_(theta[name], 1 - decay)


@contextmanager
def evaluating(module: nn.Module) -> Iterator[None]:
    """Put a module into eval mode and hand back every submodule in the mode it was in."""
    modes = [(part, part.training) for part in module.modules()]
    module.eval()
    try:
        yield
    finally:
        for part, mode in modes:
            part.training = mode


# --- the two methods ------------------------------------------------------------------------


class Losses(NamedTuple):
    """Total loss and its two parts; `mined` is None in a step without mining."""

    total: Tensor
    augmented: Tensor
    mined: Tensor | None


class BYOL(nn.Module):
    """Predict a slow copy's embedding of one view from another view; no negatives, no labels.

    Args:
        n_inputs: number of input features (kept neurons).
        config: sizes and rates.
        seed: of the initial weights. The target's linear layers are drawn anew, as the authors do:
            it does not start as a copy.
        predictor: switch for the ablation; without it q is the identity.
        stop_gradient: switch for the ablation; without it the online network is its own target.

    Raises:
        ValueError: if `n_inputs` is smaller than 1.

    Source: Grill et al. (2020); Azabou et al. (2021), modules of myow-neuro.
    """

    def __init__(
        self,
        n_inputs: int,
        config: MyowConfig | None = None,
        *,
        seed: int = 0,
        predictor: bool = True,
        stop_gradient: bool = True,
    ):
        super().__init__()
        if n_inputs < 1:
            raise ValueError(f"n_inputs must be at least 1 feature, got {n_inputs}")
        self.config = config = MyowConfig() if config is None else config
        self.n_inputs = n_inputs
        self.stop_gradient = stop_gradient
        # Layers draw from PyTorch's global generator; fork it so that the caller's is untouched.
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.encoder = make_encoder(n_inputs, config)
            self.predictor = (
                make_head(config.representation, config.representation, config)
                if predictor
                else nn.Identity()
            )
            self.target_encoder = deepcopy(self.encoder)
            for layer in self.target_encoder.modules():
                if isinstance(layer, nn.Linear):
                    layer.reset_parameters()
        self.target_encoder.requires_grad_(False)

    def forward(
        self, view_1: Float[Tensor, "samples inputs"], view_2: Float[Tensor, "samples inputs"]
    ) -> Losses:
        """Loss of one batch of paired views, shape (samples, inputs) each.

        Raises:
            ValueError: if shapes do not fit or a value is not finite.
        """
        augmented, _ = self.augmented_loss(view_1, view_2)
        return Losses(augmented, augmented, None)

    def augmented_loss(self, view_1: Tensor, view_2: Tensor) -> tuple[Tensor, Tensor]:
        """The augmented loss of paired views, and the representations y of the first ones."""
        self._require_inputs(view_1=view_1, view_2=view_2)
        if len(view_1) != len(view_2):
            raise ValueError(f"views must be paired, got {len(view_1)} and {len(view_2)} samples")
        z_1, z_2 = self.encoder(view_1), self.encoder(view_2)
        if self.stop_gradient:
            with torch.no_grad():
                slow_1, slow_2 = self.target_encoder(view_1), self.target_encoder(view_2)
        else:
            slow_1, slow_2 = z_1, z_2
        return byol_loss(self.predictor(z_1), slow_2, self.predictor(z_2), slow_1), z_1

    def _require_inputs(self, **views: Tensor) -> None:
        for name, view in views.items():
            require_finite(name, view)
            if view.shape[1] != self.n_inputs:
                raise ValueError(f"{name} must have {self.n_inputs} inputs, got {view.shape[1]}")
            if self.training and len(view) < 2:
                raise ValueError(f"{name} has 1 sample; BatchNorm needs at least 2 in training")

    def update_target(self) -> None:
        """One EMA step of the target network with the configured tau; call after the optimiser."""
        ema_update(self.target_encoder, self.encoder, self.config.ema_decay)

    @torch.no_grad()
    def represent(
        self, inputs: Float[Tensor, "samples inputs"]
    ) -> Float[Tensor, "samples representation"]:
        """Representations y = f(x) in eval mode; the network's mode is given back unchanged.

        Args:
            inputs: normalised, not augmented, shape (samples, inputs).

        Raises:
            ValueError: if the width is wrong or a value is not finite.
        """
        with evaluating(self):
            self._require_inputs(inputs=inputs)
            return self.encoder(inputs)


class MYOW(BYOL):
    """BYOL that also predicts mined views: look-alike samples from other trials or other times.

    A second projector h and predictor r hang on the first (the cascaded layout), so that samples
    that are merely alike need not coincide in the space of y.

    Args:
        n_inputs: number of input features (kept neurons).
        config: sizes and rates.
        seed: of the initial weights; those that BYOL has too are the same for the same seed.

    Source: Azabou et al. (2021).
    """

    def __init__(self, n_inputs: int, config: MyowConfig | None = None, *, seed: int = 0):
        super().__init__(n_inputs, config, seed=seed)
        config = self.config
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed + 1)
            self.mined_projector = make_head(config.representation, config.mined_projection, config)
            self.mined_predictor = make_head(
                config.mined_projection, config.mined_projection, config
            )
        self.target_mined_projector = deepcopy(self.mined_projector).requires_grad_(False)

    def forward(
        self,
        view_1: Float[Tensor, "samples inputs"],
        view_2: Float[Tensor, "samples inputs"],
        candidates: Float[Tensor, "candidates inputs"] | None = None,
        eligible: Bool[Tensor, "samples candidates"] | None = None,
        *,
        weight: float | None = None,
        generator: torch.Generator | None = None,
    ) -> Losses:
        """Loss of one batch: paired views, and one mined view for each anchor in `view_1`.

        Args:
            view_1: views of the anchors, shape (samples, inputs).
            view_2: views of their positives, same shape.
            candidates: views of the pool to mine in, shape (candidates, inputs); may be left out
                where `weight` is 0.
            eligible: which candidates each anchor may take, shape (samples, candidates).
            weight: lambda of this step; the configured one if left out.
            generator: draws one of the k neighbours.

        Raises:
            ValueError: if shapes do not fit, a value is not finite, the weight lies outside
                [0, 1], or an anchor has fewer than k eligible candidates.
        """
        weight = self.config.mining_weight if weight is None else weight
        require_share("weight", weight)
        augmented, y = self.augmented_loss(view_1, view_2)
        if weight == 0:  # nothing to mine: this step is BYOL, to the last bit
            return Losses(augmented, augmented, None)
        if candidates is None:
            raise ValueError(f"candidates are needed to mine with weight {weight}; pass a pool")
        self._require_inputs(candidates=candidates)
        with torch.no_grad():
            slow_y = self.target_encoder(candidates)
            found = mine_views(
                y, slow_y, self.config.n_neighbours, eligible=eligible, generator=generator
            )
            slow_v = self.target_mined_projector(slow_y[found])
        mined = mined_loss(self.mined_predictor(self.mined_projector(y)), slow_v)
        return Losses(total_loss(augmented, mined, weight), augmented, mined)

    def update_target(self) -> None:
        """One EMA step of encoder and second projector; call after the optimiser."""
        super().update_target()
        ema_update(self.target_mined_projector, self.mined_projector, self.config.ema_decay)


# --- signs of collapse ----------------------------------------------------------------------


class Spread(NamedTuple):
    """How much room embeddings use: mean sd of unit vectors, and effective rank."""

    sd: float
    rank: float


def embedding_spread(embeddings: Float[Tensor, "samples features"]) -> Spread:
    """Tell a living embedding from a collapsed one.

    Args:
        embeddings: shape (samples, features), any length of rows.

    Returns:
        `sd`: mean over features of the standard deviation of the unit-length rows (0 if all
        samples agree, 1/sqrt(features) at most); `rank`: exponential of the entropy of the squared
        singular values of the unit rows as shares of their sum, not centred, between 1 (all rows
        on one line) and the number of features.

    Raises:
        ValueError: if there are fewer than 2 samples or a value is not finite.
    """
    require_finite("embeddings", embeddings)
    if len(embeddings) < 2:
        raise ValueError("embeddings must hold at least 2 samples, got 1")
    unit = F.normalize(embeddings.double(), dim=1)
    energy = torch.linalg.svdvals(unit).square()
    share = energy / energy.sum().clamp(min=torch.finfo(energy.dtype).tiny)
    rank = float(torch.special.entr(share).sum().exp())
    return Spread(float(unit.std(dim=0, unbiased=False).mean()), rank)
