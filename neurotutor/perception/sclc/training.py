"""Training of students and teachers, and a short cut that linearity gives away for nothing."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor, nn

from neurotutor.checks import as_count, as_positive
from neurotutor.data.mnist import Images
from neurotutor.perception.sclc.distillation import distillation_loss
from neurotutor.perception.sclc.networks import SCLC, SclcConfig
from neurotutor.training import Batches, History, fit

MOST_MAPS = 1000  # of a folded picture: two layers of 5 x 5 kernels stay below it


def standardise(
    images: UInt8[np.ndarray, "images height width"] | Float[np.ndarray, "images height width"],
    *,
    mean: float,
    deviation: float,
) -> Float[Tensor, "images 1 height width"]:
    """Pictures as the networks take them: one channel, mean and deviation of the training pixels.

    Args:
        images: grey levels.
        mean: of the grey levels to learn from.
        deviation: their standard deviation.
    """
    scaled = (images.astype(np.float32) - mean) / as_positive("deviation", deviation)
    return torch.from_numpy(scaled)[:, None]


@dataclass(frozen=True)
class Split:
    """Pictures for teacher and students: the teacher's training set, and a test set.

    Attributes:
        train: standardised, shape (pictures, 1, side, side).
        train_labels: their classes.
        test: pictures that neither teacher nor student learns from.
        test_labels: their classes.
        name: of the set.
        class_names: one for each class.
    """

    train: Float[Tensor, "train_images 1 side side"]
    train_labels: Int[Tensor, "train_images"]
    test: Float[Tensor, "test_images 1 side side"]
    test_labels: Int[Tensor, "test_images"]
    name: str
    class_names: tuple[str, ...]


def prepare(images: Images, *, n_train: int, n_test: int, side: int = 28) -> Split:
    """The first pictures of each part, on `side` by `side` pixels, standardised.

    Args:
        images: as `neurotutor.data.mnist` loads them.
        n_train: pictures to learn from, or all if there are fewer.
        n_test: pictures to test on, or all if there are fewer.
        side: pixels of a side; other pictures are resampled (bilinear), which adds no information.
    """
    parts = []
    train = images.train[: as_count("n_train", n_train)]
    mean, deviation = float(train.mean()), float(train.std())
    for part in (train, images.test[: as_count("n_test", n_test)]):
        x = standardise(part, mean=mean, deviation=deviation)
        if tuple(x.shape[-2:]) != (side, side):
            x = nn.functional.interpolate(x, (side, side), mode="bilinear", align_corners=False)
        parts.append(x)
    return Split(
        train=parts[0],
        train_labels=torch.from_numpy(images.train_labels[: len(parts[0])]),
        test=parts[1],
        test_labels=torch.from_numpy(images.test_labels[: len(parts[1])]),
        name=images.name,
        class_names=images.class_names,
    )


@dataclass(frozen=True)
class Folded:
    """What a linear front-end can ever need of a set of pictures; made once by `fold`.

    Attributes:
        pooled: every shifted copy of a picture, pooled and averaged, (pictures, maps, f, f).
        mean: mean of every copy before the average, (pictures, maps).
        moments: mean products of two copies, (pictures, maps, maps).
    """

    pooled: Float[Tensor, "images maps f f"]
    mean: Float[Tensor, "images maps"]
    moments: Float[Tensor, "images maps maps"]

    def __len__(self) -> int:
        return len(self.pooled)

    def __getitem__(self, rows: Tensor) -> Folded:
        return Folded(self.pooled[rows], self.mean[rows], self.moments[rows])


def fold(model: SCLC, images: Float[Tensor, "images 1 height width"]) -> Folded:
    """Take pictures through everything of a linear front-end that does not depend on its kernels.

    A convolution is a weighted sum of shifted copies, and pooling is linear. So shift and pool
    first, once; a training step then only weights the copies. The batch normalisation needs their
    means and mean products, no more.

    Args:
        model: a student with one input channel; its kernels are not used.
        images: shape (pictures, 1, height, width).

    Returns:
        K^2 maps for one layer, K^4 for two.

    Raises:
        ValueError: if the model bends, keeps borders, has complex kernels or several input
            channels, or would need more than 1000 maps.
    """
    config = model.config
    n_maps = config.kernel_size ** (2 * len(config.channels))
    bends = any(isinstance(layer, nn.ReLU) for layer in model.layers)
    if bends or config.keep_borders or config.complex_kernels or config.in_channels != 1:
        raise ValueError("only a real, linear front-end with one input channel can be folded")
    if n_maps > MOST_MAPS:
        raise ValueError(
            f"{n_maps} maps a picture are too many (at most {MOST_MAPS}): train it plainly"
        )
    k = config.kernel_size
    # Convolving with a kernel that is 1 at one place shifts: one such kernel for every place.
    shifts = torch.eye(k * k, dtype=images.dtype).reshape(k * k, 1, k, k).flip(-2, -1)
    before, after = k - 1 - (k - 1) // 2, (k - 1) // 2
    maps = images
    with torch.no_grad():
        for layer in model.layers:
            if hasattr(layer, "kernel"):
                count, size = maps.shape[1], maps.shape[-2:]
                padded = nn.functional.pad(maps, (before, after, before, after))
                copies = nn.functional.conv2d(padded.reshape(-1, 1, *padded.shape[-2:]), shifts)
                maps = copies.reshape(len(images), count * k * k, *size)
            else:
                maps = layer(maps)
        flat = maps.flatten(2)
        return Folded(
            pooled=nn.functional.adaptive_avg_pool2d(maps, config.features),
            mean=flat.mean(2),
            moments=flat @ flat.transpose(1, 2) / flat.shape[2],
        )


def folded_logits(model: SCLC, folded: Folded) -> Float[Tensor, "images classes"]:
    """Logits of folded pictures: in training mode the same as `model(images)`, and far cheaper.

    Args:
        model: the student; its kernels, scale, shift and back-end are used and get gradients.
        folded: what `fold` made of the pictures.

    Returns:
        Shape (pictures, classes). Running statistics are updated as the layer itself does.
    """
    weights = model.kernels[0].flatten(1)
    for kernel in model.kernels[1:]:
        # (outputs, inner, places) with (inner, maps): maps of the first layer vary slowest.
        weights = torch.einsum("ojp,jm->omp", kernel.flatten(2), weights).flatten(1)
    norm = model.norm
    if model.training:
        mean = weights @ folded.mean.mean(0)
        square = ((weights @ folded.moments.mean(0)) * weights).sum(1)
        variance = square - mean**2
        points = len(folded) * model.layers_out**2
        with torch.no_grad():
            norm.num_batches_tracked += 1
            norm.running_mean.lerp_(mean, norm.momentum)
            norm.running_var.lerp_(variance * points / (points - 1), norm.momentum)
    else:
        mean, variance = norm.running_mean, norm.running_var
    scale = norm.weight / torch.sqrt(variance + norm.eps)
    y = torch.einsum("om,bmhw->bohw", weights, folded.pooled)
    y = y * scale[:, None, None] + (norm.bias - mean * scale)[:, None, None]
    return model.head[1:](y)


def train(
    model: nn.Module,
    images: Float[Tensor, "images channels height width"],
    labels: Int[Tensor, "images *space"] | None = None,
    *,
    epochs: int,
    teacher_logits: Float[Tensor, "images classes *space"] | None = None,
    temperature: float | int = 4.0,
    alpha: float | int = 0.9,
    batch_size: int = 50,
    rate: float = 2e-3,
    seed: int = 0,
    folded: Folded | None = None,
    checkpoint: Path | None = None,
    progress: bool = False,
) -> History:
    """Train a classifier, with a teacher or without, by Adam with a rate that falls as a cosine.

    Args:
        model: trained in place; left in evaluation mode.
        images: pictures.
        labels: their classes, or (pictures, height, width) for every pixel; `None` if the teacher
            is all there is (then `alpha` must be 1).
        epochs: passes over the pictures.
        teacher_logits: what a frozen teacher says of the same pictures; `None`: labels alone.
        temperature: T of the distillation. The default is this book's; the published code has 10.
        alpha: weight of the teacher. The default is this book's; the published code has 0.5.
        batch_size: pictures in a step.
        rate: the first learning rate.
        seed: of the order of the pictures.
        folded: what `fold(model, images)` made: the same training, faster.
        checkpoint: file to save to, and to go on from; `None` saves nothing.
        progress: show a bar.

    Returns:
        Loss of every step.

    Raises:
        ValueError: if there are neither labels nor a teacher, or numbers of pictures disagree.
    """
    if labels is None and teacher_logits is None:
        raise ValueError("there is nothing to learn from: pass labels, teacher_logits or both")
    for name, value in (("labels", labels), ("teacher_logits", teacher_logits), ("folded", folded)):
        if value is not None and len(value) != len(images):
            raise ValueError(f"{name} are for {len(value)} pictures, {len(images)} came")
    as_positive("rate", rate)
    batch_size = min(as_count("batch_size", batch_size, smallest=2), len(images))
    n_steps = as_count("epochs", epochs) * (len(images) // batch_size)
    batches = Batches(len(images), batch_size, torch.Generator().manual_seed(seed))
    real = not any(parameter.is_complex() for parameter in model.parameters())
    optimiser = torch.optim.Adam(model.parameters(), lr=rate, fused=real)  # fused: real ones only
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, n_steps)

    def step(_: int) -> dict[str, float]:
        rows = batches.draw()
        logits = model(images[rows]) if folded is None else folded_logits(model, folded[rows])
        right = None if labels is None else labels[rows]
        if teacher_logits is None:
            loss = nn.functional.cross_entropy(logits, right)
        else:
            loss = distillation_loss(logits, teacher_logits[rows], right, temperature, alpha).total
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
        return {"loss": loss.item()}

    model.train()
    history = fit(
        step,
        n_steps,
        state={
            "model": model,
            "optimiser": optimiser,
            "schedule": schedule,
            "batches": batches,
        },
        checkpoint=checkpoint,
        progress=progress,
    )
    model.eval()
    return history


def predict(
    model: nn.Module, images: Float[Tensor, "images channels height width"], batch_size: int = 250
) -> Float[Tensor, "images classes *space"]:
    """Logits in evaluation mode, without gradients, batch by batch.

    Args:
        model: left in the mode that it was in.
        images: pictures.
        batch_size: pictures at once; it does not change the result.
    """
    training = model.training
    model.eval()
    with torch.no_grad():
        parts = [model(part) for part in images.split(as_count("batch_size", batch_size))]
    model.train(training)
    return torch.cat(parts)


def accuracy(
    model: nn.Module,
    images: Float[Tensor, "images channels height width"],
    labels: Int[Tensor, "images *space"],
    folded: Folded | None = None,
) -> float:
    """Share of right answers, in evaluation mode.

    Args:
        model: a network that is left in the mode that it was in; with `folded`, a student.
        images: pictures.
        labels: their classes, or those of every pixel.
        folded: what `fold` made of the same pictures: the same answers, faster.
    """
    if folded is None:
        logits = predict(model, images)
    else:
        training = model.training
        model.eval()
        with torch.no_grad():
            logits = folded_logits(model, folded)
        model.train(training)
    return float((logits.argmax(1) == labels).float().mean())


def student(config: SclcConfig, seed: int, *, nonlinear: bool = False) -> SCLC:
    """A fresh student whose initial numbers follow from the seed.

    Args:
        config: its sizes.
        seed: of the initial numbers.
        nonlinear: make the twin with ReLUs; it starts from the same numbers.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return SCLC(config, nonlinear=nonlinear)
