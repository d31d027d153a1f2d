"""Every number of the method in one place, and the tutorial's beside them."""

from __future__ import annotations

from dataclasses import dataclass, replace

from neurotutor.checks import as_count
from neurotutor.dynamics.aelle.checks import as_real


@dataclass(frozen=True)
class AelleConfig:
    """The autoencoder with prediction head. Defaults: values found in the authors' code.

    Raises:
        ValueError: if a value is out of range.
        TypeError: if a whole number is expected and something else comes.

    Source: Vogt et al. (2024); the released code, its README and its scripts disagree with one
    another, and each field says which of them it follows.
    """

    length: int = 1024  # D, exponents of a resampled spectrum (tasks A and B; 512 for C)
    latent: int = 32  # L, default of the code (FORCE script: 64)
    form: str = "deep"  # "deep": D, D/8, D/16, L;  "shallow": D, D/4, L
    dropout: float | int = 0.1  # after each hidden activation
    output_dropout: bool = False  # the code drops outputs, too; we do not
    sigmoid: bool = False  # on the prediction; the shallow form of the code has it
    alphas: tuple[float | int, ...] = (5, 5, 10, 20)  # alpha, stage by stage (README)
    stage_epochs: int = 1000  # passes over the training networks in one stage
    learning_rate: float | int = 1e-4  # Adam (code)
    batch_size: int = 128  # networks
    select: str = "prediction"  # best weights by which validation loss: or "reconstruction"

    def __post_init__(self):
        """Refuse what cannot run, at the place where it is written down."""
        for name in ("length", "latent", "stage_epochs", "batch_size"):
            as_count(name, getattr(self, name))
        narrowest = 16 if self.form == "deep" else 4
        if self.length < narrowest:
            raise ValueError(f"length must be at least {narrowest} in this form, got {self.length}")
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout must lie in [0, 1), got {self.dropout}")
        if not self.alphas:
            raise ValueError("alphas must name one stage or more, got none")
        for alpha in self.alphas:
            as_real("alpha", alpha, 0, strict=False)
        as_real("learning_rate", self.learning_rate, 0)
        for name, allowed in (
            ("form", ("deep", "shallow")),
            ("select", ("prediction", "reconstruction")),
        ):
            if getattr(self, name) not in allowed:
                raise ValueError(
                    f"{name} must be one of {', '.join(allowed)}, got {getattr(self, name)!r}"
                )

    @classmethod
    def tutorial(cls, **changes: object) -> AelleConfig:
        """Return the small one: 128 exponents, 6 latents, 4 stages of 150 epochs."""
        small = {"length": 128, "latent": 6, "stage_epochs": 150, "learning_rate": 1e-3}
        return replace(cls(), **{**small, **changes})


@dataclass(frozen=True)
class PopulationConfig:
    """Hundreds of networks that read digits row by row. Defaults: the tutorial's population.

    Raises:
        ValueError: if a value is out of range.
        TypeError: if a whole number is expected and something else comes.

    Source: Vogt et al. (2024), task B, made small: 8x8 digits instead of 28x28, sizes 16 and 32
    instead of 64 to 512, 100 networks of a kind instead of 200.
    """

    cells: tuple[str, ...] = ("vanilla", "gru", "lstm")
    sizes: tuple[int, ...] = (16, 32)  # n
    networks: int = 100  # of each cell and size
    scale_low: float | int = 0.05  # p, smallest; all recurrent-layer weights are U(-p, p)
    scale_high: float | int = 3.0  # p, largest; log p is uniform
    learning_rate: float | int = 0.01  # Adam
    batch_size: int = 100  # pictures
    epochs: int = 10
    spectrum_epochs: tuple[int, ...] = (0, 1, 2, 5, 10)
    streams: int = 3  # sequences over which exponents are averaged
    stream_digits: int = 20  # pictures of a stream, read one after the other
    warmup: int = 32  # steps that align the axes and are not counted

    def __post_init__(self):
        """Refuse what cannot run, at the place where it is written down."""
        for name in ("networks", "batch_size", "epochs", "streams", "stream_digits"):
            as_count(name, getattr(self, name))
        as_count("warmup", self.warmup, 0)
        for size in self.sizes:
            as_count("size", size, 2)
        if not 0 < self.scale_low <= self.scale_high < float("inf"):
            raise ValueError(
                "0 < scale_low <= scale_high is expected, "
                f"got {self.scale_low} and {self.scale_high}"
            )
        as_real("learning_rate", self.learning_rate, 0)
        unknown = set(self.cells) - {"vanilla", "gru", "lstm"}
        if unknown or not self.cells:
            raise ValueError(f"cells must be vanilla, gru, lstm, or some of them, got {self.cells}")
        if not set(self.spectrum_epochs) <= set(range(self.epochs + 1)):
            raise ValueError(
                f"spectrum_epochs must lie in 0..{self.epochs}, got {self.spectrum_epochs}"
            )

    @classmethod
    def paper(cls) -> PopulationConfig:
        """Return the sizes of the paper's task B: 64 to 512, p up to 30, 28 steps a picture."""
        return cls(
            sizes=(64, 128, 256, 512), networks=200, scale_low=0.1, scale_high=30.0, batch_size=128
        )


@dataclass(frozen=True)
class ForceConfig:
    """Target learning by recursive least squares. Defaults: the paper's values.

    Raises:
        ValueError: if a value is out of range.
        TypeError: if a whole number is expected and something else comes.

    Source: Vogt et al. (2024), task C.
    """

    n_neurons: int = 512  # N
    step: float | int = 0.1  # dt
    density: float | int = 0.1  # share of non-zero entries of M
    penalty: float | int = 1.0  # alpha of the inverse correlation matrix P_0 = I / alpha
    period: int = 1200  # steps of one training epoch: 120 time units
    train_epochs: int = 15
    test_epochs: int = 15  # free running
    update_every: int = 2  # steps between two updates of the read-out

    def __post_init__(self):
        """Refuse what cannot run, at the place where it is written down."""
        for name in ("n_neurons", "period", "train_epochs", "test_epochs", "update_every"):
            as_count(name, getattr(self, name))
        for name in ("step", "density", "penalty"):
            as_real(name, getattr(self, name), 0)
        if self.step > 1 or self.density > 1:
            raise ValueError(
                f"step and density must lie in (0, 1], got {self.step} and {self.density}"
            )

    @classmethod
    def tutorial(cls, **changes: object) -> ForceConfig:
        """Return the small one: 200 neurons, a period of 30 time units, 20 epochs."""
        small = {"n_neurons": 200, "period": 300, "train_epochs": 20, "test_epochs": 5}
        return replace(cls(), **{**small, **changes})
