"""Every number of MYOW in one place: the authors' values, and a small setting beside them."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, replace


@dataclass(frozen=True)
class MyowConfig:
    """Hyperparameters of BYOL and MYOW on spike counts.

    Defaults are those of the authors' later neural code for reaching monkeys. Where code and paper
    differ the code's value stands, and the comment names the file.

    Raises:
        ValueError: if a value is out of range.
        TypeError: if a whole number is expected and something else comes.

    Source: Azabou et al. (2021); repository nerdslab/myow-neuro, training script and modules.
    """

    # Networks (modules of myow-neuro)
    hidden: tuple[int, ...] = (64, 64, 64)  # hidden widths of the encoder f
    representation: int = 64  # dimension of y = f(x)
    head_hidden: int = 256  # hidden width of h, q and r
    mined_projection: int = 32  # dimension of v = h(y)
    batchnorm_momentum: float = 0.99  # PyTorch's sense: running statistics are the last batch
    prelu_slope: float = 0.25  # first value of the one learned slope of a layer
    # Batch and positives (loader of myow-neuro)
    batch_size: int = 512  # anchors a step
    max_jitter: int = 2  # positives are drawn from t .. t + max_jitter, in bins
    # Views in Hz, before normalisation (transforms of myow-neuro)
    dropout_max: float = 0.2  # p ~ U(0, dropout_max), one p a sample
    dropout_probability: float = 1.0  # share of samples that dropout touches
    pepper_probability: float = 0.5  # share of samples that pepper touches
    pepper_share: float = 0.3  # share of neurons that get pepper in such a sample
    pepper_height: float = 1.5  # Hz added to them
    noise_probability: float = 0.5  # share of samples with Gaussian noise
    noise_sd: float = 1.5  # its standard deviation, Hz
    # Mining (script of myow-neuro)
    n_neighbours: int = 5  # k
    mining_weight: float = 0.5  # lambda, weight of the mined loss at the end of its ramp
    mining_ramp: int = 10  # steps of the linear ramp of lambda from 0 (10 epochs of one step)
    exclusion: int | None = None  # None: mine in other trials; n: more than n bins away in time
    # Optimisation (script of myow-neuro)
    n_steps: int = 10_000  # 10,000 epochs; one session of reaches fills one batch
    learning_rate: float = 2e-4  # AdamW, constant: the script only logs its schedule
    weight_decay: float = 2e-5
    sgd_momentum: float | None = None  # None: AdamW; a number: SGD with this momentum
    warmup_steps: int = 0  # linear warm-up of the learning rate
    cosine: bool = False  # cosine decay of the learning rate after the warm-up
    ema_decay: float = 0.98  # tau, constant as in the script

    def __post_init__(self):
        """Refuse what cannot be trained, at the place where it is written down."""
        whole = ("representation", "head_hidden", "mined_projection", "n_neighbours", "n_steps")
        counts = {name: getattr(self, name) for name in whole}
        counts |= {f"hidden[{i}]": width for i, width in enumerate(self.hidden)}
        for name, value in counts.items():
            _require_count(name, value, 1)
        _require_count("batch_size", self.batch_size, 2)
        for name in ("max_jitter", "mining_ramp", "warmup_steps"):
            _require_count(name, getattr(self, name), 0)
        if self.exclusion is not None:
            _require_count("exclusion", self.exclusion, 0)
        shares = [field.name for field in fields(self) if field.name.endswith("_probability")]
        shares += ["dropout_max", "pepper_share", "mining_weight", "ema_decay"]
        for name in shares:
            value = getattr(self, name)
            if not 0 <= value <= 1:
                raise ValueError(f"{name} must lie in [0, 1], got {value}")
        for name in ("pepper_height", "noise_sd", "weight_decay", "prelu_slope"):
            value = getattr(self, name)
            if not 0 <= value < math.inf:
                raise ValueError(f"{name} must be a finite number >= 0, got {value}")
        if not 0 < self.learning_rate < math.inf:
            raise ValueError(f"learning_rate must be finite and > 0, got {self.learning_rate}")
        if not 0 < self.batchnorm_momentum <= 1:
            raise ValueError(
                f"batchnorm_momentum must lie in (0, 1], got {self.batchnorm_momentum}"
            )
        if self.sgd_momentum is not None and not 0 <= self.sgd_momentum < 1:
            raise ValueError(f"sgd_momentum must lie in [0, 1) or be None, got {self.sgd_momentum}")
        if self.warmup_steps >= self.n_steps:
            raise ValueError(
                f"warmup_steps must be smaller than n_steps ({self.n_steps}), "
                f"got {self.warmup_steps}; lower warmup_steps"
            )

    @classmethod
    def tutorial(cls) -> MyowConfig:
        """Reaching monkeys in 320 steps of half the batch, with a scheduled rate (ours)."""
        return replace(cls(), **_SMALL)

    @classmethod
    def sleep(cls) -> MyowConfig:
        """The authors' setting for 12 hours of sleep and waking (mouse script of myow-neuro)."""
        return cls(
            representation=32,
            mined_projection=16,
            max_jitter=3,  # 12 s
            dropout_max=0.8,
            dropout_probability=0.9,
            pepper_probability=0.0,
            noise_probability=0.0,
            exclusion=150,  # 10 min
            n_steps=12_800,  # 800 epochs of 16 steps, with 80 % of 10,800 bins
            mining_ramp=160,  # 10 epochs
            learning_rate=0.002,
            sgd_momentum=0.98,
        )

    @classmethod
    def sleep_tutorial(cls) -> MyowConfig:
        """Sleep in 320 steps of AdamW with half the batch (ours)."""
        return replace(cls.sleep(), **_SMALL, sgd_momentum=None, mining_ramp=10)


_SMALL = {
    "batch_size": 256,
    "n_steps": 320,
    "learning_rate": 2e-3,
    "warmup_steps": 50,
    "cosine": True,
    "batchnorm_momentum": 0.1,
}


def _require_count(name: str, value: int, smallest: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{name} must be a whole number, got {value!r}")
    if value < smallest:
        raise ValueError(f"{name} must be at least {smallest}, got {value}")


def mining_weight(step: int, config: MyowConfig) -> float:
    """Weight lambda of the mined loss at a training step (0 first): a linear ramp, then constant.

    Source: Azabou et al. (2021), script of myow-neuro.
    """
    if config.mining_ramp == 0:
        return config.mining_weight
    return config.mining_weight * min(1.0, step / config.mining_ramp)


def learning_rate(step: int, config: MyowConfig) -> float:
    """Learning rate at a training step (0 first): optional warm-up, then constant or cosine.

    Source: the schedule that the script of myow-neuro computes and logs.
    """
    if step < config.warmup_steps:
        return config.learning_rate * (step + 1) / config.warmup_steps
    if not config.cosine:
        return config.learning_rate
    done = (step - config.warmup_steps) / (config.n_steps - config.warmup_steps)
    return config.learning_rate * (1 + math.cos(math.pi * min(1.0, done))) / 2
