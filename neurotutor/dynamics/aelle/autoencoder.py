"""An autoencoder of spectra whose latent code must also predict how well a network does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.func import stack_module_state

from neurotutor.dynamics.aelle.checks import as_real, as_spectra, as_targets
from neurotutor.dynamics.aelle.config import AelleConfig

SMALLEST = 10  # networks; fewer fix neither a scale nor a direction


class SpectrumNet(nn.Module):
    """Encoder, decoder, and one linear unit that reads the latent code.

    The deep form is D, D/8, D/16, L and back, the shallow one D, D/4, L and back, with tanh and
    dropout after each hidden layer. Latent code, output and prediction are linear.

    Args:
        config: sizes and form.

    Source: Vogt et al. (2024), released code, its two network classes.
    """

    def __init__(self, config: AelleConfig):
        super().__init__()
        shares = (8, 16) if config.form == "deep" else (4,)
        widths = [config.length, *(config.length // share for share in shares)]
        encoder: list[nn.Module] = []
        for before, after in zip(widths, widths[1:], strict=False):
            encoder += [nn.Linear(before, after), nn.Tanh(), nn.Dropout(config.dropout)]
        decoder: list[nn.Module] = []
        for before, after in zip([config.latent, *widths[:0:-1]], widths[:0:-1], strict=False):
            decoder += [nn.Linear(before, after), nn.Tanh(), nn.Dropout(config.dropout)]
        self.encoder = nn.Sequential(*encoder, nn.Linear(widths[-1], config.latent))
        self.decoder = nn.Sequential(*decoder, nn.Linear(widths[1], config.length))
        if config.output_dropout:
            self.decoder.append(nn.Dropout(config.dropout))
        self.head = nn.Linear(config.latent, 1)
        self.squash = nn.Sigmoid() if config.sigmoid else nn.Identity()

    def forward(
        self, spectra: Float[Tensor, "*networks exponents"]
    ) -> tuple[
        Float[Tensor, "*networks exponents"],
        Float[Tensor, "*networks latents"],
        Float[Tensor, "*networks"],
    ]:
        """Return reconstruction, latent code and prediction."""
        latent = self.encoder(spectra)
        return self.decoder(latent), latent, self.squash(self.head(latent)).squeeze(-1)


def aelle_loss(
    spectra: Float[Tensor, "*models networks exponents"],
    reconstruction: Float[Tensor, "*models networks exponents"],
    target: Float[Tensor, "*models networks"],
    prediction: Float[Tensor, "*models networks"],
    alpha: float | int,
) -> Float[Tensor, "*models"]:
    """Mean absolute error of the spectrum plus alpha times the squared error of the prediction.

    Args:
        spectra: what went in.
        reconstruction: what came out.
        target: what the latent code should tell.
        prediction: what it tells.
        alpha: weight of the prediction, >= 0.

    Returns:
        One number for each model; a scalar if there is no leading axis.

    Raises:
        ValueError: if `alpha` is negative or not finite.

    Source: Vogt et al. (2024), released code.
    """
    as_real("alpha", alpha, 0, strict=False)
    spectrum_loss = (spectra - reconstruction).abs().mean(dim=(-2, -1))
    return spectrum_loss + alpha * (prediction - target).square().mean(dim=-1)


def stacked_forward(
    net: SpectrumNet,
    weights: Mapping[str, Tensor],
    spectra: Float[Tensor, "models networks exponents"],
) -> tuple[
    Float[Tensor, "models networks exponents"],
    Float[Tensor, "models networks latents"],
    Float[Tensor, "models networks"],
]:
    """Run many networks of one form at once: one batched product a layer.

    Args:
        net: gives the layers and whether dropout is on; its own weights are not used.
        weights: of every network, stacked along a first axis, by the names of `net`.
        spectra: of every network.

    Returns:
        Reconstructions, codes and predictions.
    """

    def through(part: str, x: Tensor) -> Tensor:
        for name, layer in getattr(net, part).named_children():
            if isinstance(layer, nn.Linear):
                bias = weights[f"{part}.{name}.bias"][:, None]
                x = torch.baddbmm(bias, x, weights[f"{part}.{name}.weight"].mT)
            else:
                x = layer(x)
        return x

    latent = through("encoder", spectra)
    told = torch.baddbmm(weights["head.bias"][:, None], latent, weights["head.weight"].mT)
    return through("decoder", latent), latent, net.squash(told).squeeze(-1)


class SpectrumAutoencoder:
    """AeLLE: spectra in, a code out that reconstructs them and predicts performance linearly.

    Spectra are standardised exponent by exponent, and targets too, by the training networks alone.

    Args:
        config: sizes, stages and schedule.
        seed: initial weights, order of the networks, dropout.

    Attributes:
        net_: the network with the weights that did best on the validation networks.
        history_: validation losses after each epoch, "prediction" and "reconstruction".
        best_epoch_: whose weights were kept.

    Source: Vogt et al. (2024).
    """

    def __init__(self, config: AelleConfig | None = None, *, seed: int = 0):
        self.config = AelleConfig() if config is None else config
        self.seed = seed

    def fit(
        self,
        spectra: Float[np.ndarray, "networks exponents"],
        target: Float[np.ndarray, "networks"],
        *,
        validation: tuple[Float[np.ndarray, "held exponents"], Float[np.ndarray, "held"]],
    ) -> SpectrumAutoencoder:
        """Train in stages of growing alpha; Adam goes on from stage to stage.

        Args:
            spectra: of the training networks, resampled to `config.length` exponents.
            target: what to predict, usually the logarithm of the final loss.
            validation: the same of other networks; they choose the epoch whose weights are kept.

        Returns:
            Itself.

        Raises:
            ValueError: for fewer than ten training networks, an empty validation split, lengths
                that disagree, values that are not finite, or targets outside (0, 1) if the
                prediction is squashed.
        """
        return fit_many([self], [spectra], [target], [validation])[0]

    def _set_scales(self, spectra: np.ndarray, target: np.ndarray) -> None:
        self.spectrum_mean_ = spectra.mean(axis=0)
        self.spectrum_scale_ = np.where(spectra.std(axis=0) > 0, spectra.std(axis=0), 1.0)
        if self.config.sigmoid:
            if not ((target > 0) & (target < 1)).all():
                raise ValueError(
                    "a squashed prediction needs targets in (0, 1): "
                    "rescale them, or set sigmoid=False"
                )
            self.target_mean_, self.target_scale_ = 0.0, 1.0
        else:
            self.target_mean_ = float(target.mean())
            self.target_scale_ = float(target.std()) or 1.0

    def _scaled(self, spectra: np.ndarray) -> Tensor:
        rows = as_spectra(spectra, self.config.length)
        return torch.as_tensor(
            (rows - self.spectrum_mean_) / self.spectrum_scale_, dtype=torch.float32
        )

    def _scaled_target(self, target: np.ndarray, n: int) -> Tensor:
        rows = (as_targets(target, n) - self.target_mean_) / self.target_scale_
        return torch.as_tensor(rows, dtype=torch.float32)

    def _fitted(self) -> SpectrumNet:
        if not hasattr(self, "net_"):
            raise ValueError("this autoencoder has not been trained: call fit first")
        return self.net_

    @torch.no_grad()
    def transform(
        self, spectra: Float[np.ndarray, "networks exponents"]
    ) -> Float[np.ndarray, "networks latents"]:
        """Latent codes of spectra.

        Raises:
            ValueError: before `fit`, or for spectra of another length or not finite.
        """
        return self._fitted()(self._scaled(spectra))[1].double().numpy()

    @torch.no_grad()
    def predict(
        self, spectra: Float[np.ndarray, "networks exponents"]
    ) -> Float[np.ndarray, "networks"]:
        """Predicted targets, in the unit of the targets.

        Raises:
            ValueError: before `fit`, or for spectra of another length or not finite.
        """
        found = self._fitted()(self._scaled(spectra))[2].double().numpy()
        return found * self.target_scale_ + self.target_mean_

    @torch.no_grad()
    def decode(
        self, latents: Float[np.ndarray, "networks latents"]
    ) -> Float[np.ndarray, "networks exponents"]:
        """Spectra of latent codes, in the unit of the exponents."""
        codes = torch.as_tensor(latents, dtype=torch.float32)
        found = self._fitted().decoder(codes).double().numpy()
        return found * self.spectrum_scale_ + self.spectrum_mean_

    def reconstruct(
        self, spectra: Float[np.ndarray, "networks exponents"]
    ) -> Float[np.ndarray, "networks exponents"]:
        """Spectra that went through the code and came back."""
        return self.decode(self.transform(spectra))

    @torch.no_grad()
    def predict_latent(
        self, latents: Float[np.ndarray, "networks latents"]
    ) -> Float[np.ndarray, "networks"]:
        """What the read-out says of latent codes, in the unit of the targets."""
        net = self._fitted()
        found = net.squash(net.head(torch.as_tensor(latents, dtype=torch.float32))).squeeze(-1)
        return found.double().numpy() * self.target_scale_ + self.target_mean_

    def step_latent(
        self, latents: Float[np.ndarray, "networks latents"], amount: float | int
    ) -> Float[np.ndarray, "networks latents"]:
        """Take the shortest step in the code that lowers the prediction by `amount`.

        Args:
            latents: codes to start from.
            amount: Delta, in the unit of the targets.

        Returns:
            Codes from which the read-out predicts exactly `amount` less.

        Raises:
            ValueError: before `fit`, or if the prediction is squashed and so not linear.

        Source: Vogt et al. (2024), latent perturbation.
        """
        if self.config.sigmoid:
            raise ValueError("a squashed prediction is not linear in the code: set sigmoid=False")
        weight = self._fitted().head.weight[0].detach().double().numpy()
        return latents - (amount / self.target_scale_) * weight / (weight @ weight)


def fit_many(
    models: Sequence[SpectrumAutoencoder],
    spectra: Sequence[Float[np.ndarray, "networks exponents"]],
    targets: Sequence[Float[np.ndarray, "networks"]],
    validations: Sequence[tuple[Float[np.ndarray, "held exponents"], Float[np.ndarray, "held"]]],
) -> list[SpectrumAutoencoder]:
    """Train several autoencoders side by side, with stacked weights.

    Small networks keep a processor busy with overhead. Twenty of them in one batched product take
    hardly longer than one. Each sees its own networks and its own batches, and keeps its own best
    weights. Dropout of a stack comes from one stream, so a model trained in another company is
    another draw.

    Args:
        models: one configuration for all, seeds of their own.
        spectra: training spectra of each, equally many for all.
        targets: their targets.
        validations: (spectra, targets) of each, equally many for all.

    Returns:
        The models, trained.

    Raises:
        ValueError: as `SpectrumAutoencoder.fit`, or if the models cannot be stacked.
    """
    if not models or len({len(spectra), len(targets), len(validations), len(models)}) != 1:
        raise ValueError("pass one set of spectra, targets and validation for each model")
    config = models[0].config
    if any(model.config != config for model in models):
        raise ValueError("models of one stack need one configuration: call fit_many for each")
    rows = [as_spectra(each, config.length) for each in spectra]
    if len({len(each) for each in rows}) != 1 or len({len(v[0]) for v in validations}) != 1:
        raise ValueError("models of one stack need equally many networks: call fit for each")
    if len(rows[0]) < SMALLEST:
        raise ValueError(f"training needs {SMALLEST} networks or more, got {len(rows[0])}")
    if len(validations[0][0]) == 0:
        raise ValueError("the validation split is empty: it chooses the weights that are kept")
    data = []
    for model, x, y, (x_held, y_held) in zip(models, rows, targets, validations, strict=True):
        model._set_scales(x, as_targets(y, len(x)))
        held = model._scaled(x_held)
        data.append(
            (
                model._scaled(x),
                model._scaled_target(y, len(x)),
                held,
                model._scaled_target(y_held, len(held)),
            )
        )
    _train(
        [model.seed for model in models],
        models,
        [torch.stack(part) for part in zip(*data, strict=True)],
    )
    return list(models)


def _train(seeds: list[int], models: Sequence[SpectrumAutoencoder], data: list[Tensor]) -> None:
    config = models[0].config
    x, y, x_held, y_held = data
    with torch.random.fork_rng(devices=[]):
        nets = []
        for seed in seeds:
            torch.manual_seed(seed)
            nets.append(SpectrumNet(config))
        weights, _ = stack_module_state(nets)
        net = nets[0]
        optimiser = torch.optim.Adam(list(weights.values()), lr=config.learning_rate, fused=True)
        every = torch.arange(len(models))[:, None]
        best = {name: value.detach().clone() for name, value in weights.items()}
        lowest = torch.full((len(models),), torch.inf)
        best_epoch = torch.zeros(len(models), dtype=torch.long)
        history: dict[str, list[Tensor]] = {"reconstruction": [], "prediction": []}
        streams = [torch.Generator().manual_seed(seed) for seed in seeds]
        for alpha in (alpha for alpha in config.alphas for _ in range(config.stage_epochs)):
            order = torch.stack([torch.randperm(x.shape[1], generator=each) for each in streams])
            for chosen in order.split(config.batch_size, dim=1):
                batch = x[every, chosen]
                out, _, predicted = stacked_forward(net.train(), weights, batch)
                loss = aelle_loss(batch, out, y[every, chosen], predicted, alpha).sum()
                optimiser.zero_grad()
                loss.backward()
                optimiser.step()
            with torch.no_grad():
                out, _, predicted = stacked_forward(net.eval(), weights, x_held)
                spectrum_loss = (out - x_held).abs().mean(dim=(1, 2))
                prediction_loss = (predicted - y_held).square().mean(dim=1)
                history["reconstruction"].append(spectrum_loss)
                history["prediction"].append(prediction_loss)
                now = history[config.select][-1]
                # The best weights are copied: references would follow the optimiser to the end.
                better = now < lowest
                lowest = torch.where(better, now, lowest)
                best_epoch[better] = len(history["prediction"])
                for name, value in weights.items():
                    best[name][better] = value[better]
    for number, (model, net) in enumerate(zip(models, nets, strict=True)):
        net.load_state_dict({name: value[number] for name, value in best.items()})
        model.net_ = net.eval().requires_grad_(False)
        model.best_epoch_ = int(best_epoch[number])
        model.history_ = {
            name: torch.stack(rows)[:, number].double().numpy() for name, rows in history.items()
        }
