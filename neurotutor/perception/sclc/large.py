"""The published sizes: five layers on pictures of 224 pixels, with and without a teacher."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import nn

from neurotutor.data.mnist import Images
from neurotutor.perception.sclc.networks import SclcConfig, Teacher, TeacherConfig
from neurotutor.perception.sclc.training import accuracy, predict, prepare, student, train
from neurotutor.training import History

LARGE_TEACHER = TeacherConfig(
    in_channels=1,
    channels=(32, 64, 128, 256, 256),
    padded=True,
    normalise_each=True,
    max_pool=True,
)


def five_layers(
    images: Images,
    *,
    seeds: Sequence[int],
    device: torch.device | str = "cpu",
    n_train: int = 10_000,
    n_test: int = 2_000,
    n_student: int = 1_000,
    epochs: tuple[int, int] = (10, 40),
    config: SclcConfig | None = None,
    teacher_config: TeacherConfig = LARGE_TEACHER,
    folder: Path | None = None,
) -> dict[str, float]:
    """Compare the published student alone, the same with a teacher, and that teacher.

    The pictures are enlarged, which adds no information: the paper's own pictures are not to be
    had. The teacher's layers are ours, since the paper's are not known.

    Args:
        images: grey pictures of ten classes.
        seeds: of the students.
        device: where to train.
        n_train: pictures of the teacher.
        n_test: pictures to test on.
        n_student: labelled pictures of the students, the first of the teacher's.
        epochs: of the teacher, and of the students.
        config: of the student; default: published sizes, one channel, sliding, no dropout.
        teacher_config: of the teacher.
        folder: for checkpoints; a comparison that was stopped goes on. `None` saves nothing.

    Returns:
        Accuracies in per cent: `alone`, `taught`, `teacher`; `gain` and `below_teacher` in points.

    Raises:
        KeyboardInterrupt: if Ctrl-C stopped a training; half-trained networks are not compared.
    """
    config = config or replace(SclcConfig(), in_channels=1, spatial=True, dropout=0.0)
    split = prepare(images, n_train=n_train, n_test=n_test, side=config.size)
    x, test = split.train.to(device), split.test.to(device)
    labels, test_labels = split.train_labels.to(device), split.test_labels.to(device)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        teacher: nn.Module = Teacher(teacher_config).to(device)
    checkpoint = None if folder is None else folder / "teacher.pt"
    _whole(train(teacher, x, labels, epochs=epochs[0], rate=1e-3, checkpoint=checkpoint))
    advice = predict(teacher, x[:n_student])
    scores: dict[str, list[float]] = {"alone": [], "taught": []}
    for seed in seeds:
        for name, guide in (("alone", None), ("taught", advice)):
            model = student(config, seed).to(device)
            history = train(
                model,
                x[:n_student],
                labels[:n_student],
                epochs=epochs[1],
                teacher_logits=guide,
                rate=1e-3,
                seed=seed,
                checkpoint=None if folder is None else folder / f"{name} {seed}.pt",
            )
            _whole(history)
            scores[name].append(100 * accuracy(model, test, test_labels))
    result = {name: sum(values) / len(values) for name, values in scores.items()}
    result["teacher"] = 100 * accuracy(teacher, test, test_labels)
    result["gain"] = result["taught"] - result["alone"]
    result["below_teacher"] = result["teacher"] - result["taught"]
    return result


def _whole(history: History) -> None:
    if history.interrupted:
        raise KeyboardInterrupt(f"stopped after {len(history.steps)} steps")
