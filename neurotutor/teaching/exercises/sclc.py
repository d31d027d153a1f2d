"""Checkers of the exercises of the chapter *SCLC: a network with glass in front*."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from neurotutor.teaching.exercise import Hint, call, call_array


def own_pooling(answer: Any) -> str:
    """Check a function (size, m) -> matrix of spectral pooling."""
    size, m = 12, 5
    found = call_array(answer, size, m, shape=(m, size))
    phase = np.arange(m)[:, None] / m - np.arange(size) / size

    def waves(lowest: int, highest: int) -> np.ndarray:
        return sum(np.cos(2 * np.pi * k * phase) for k in range(lowest, highest + 1))

    right = waves(-2, 2) / size
    if np.allclose(found, right):
        other = call_array(answer, 9, 9, shape=(9, 9))
        if not np.allclose(other, np.eye(9)):
            raise Hint("With m = H nothing is thrown away, so the matrix should be the identity.")
        return "Every row sums to 1, so a constant stays. Its rank is m: that is what is left."
    if np.allclose(found, right * size / m):
        raise Hint("You divide by m. Then a constant grows by H / m at each pooling; divide by H.")
    if np.allclose(found, right * size):
        raise Hint("The factor 1 / H is missing.")
    if np.allclose(found, waves(0, 2) / size):
        raise Hint("You sum from 0. The negative frequencies count, too: -h to h.")
    if np.allclose(found, waves(-5, 5) / size):
        raise Hint("You take h = m. It is (m - 1) / 2, so that m frequencies are kept.")
    row = int(np.argmax(np.abs(found - right).max(axis=1)))
    raise Hint(
        f"Row {row} starts with {right[row, 0]:.4f}, {right[row, 1]:.4f}; yours with "
        f"{found[row, 0]:.4f}, {found[row, 1]:.4f}."
    )


def _crossing(
    size: int,
    inputs: int,
    outputs: int,
    ratio: float,
    *,
    logarithm: Any = math.log2,
    padded: bool = True,
    channels: Any = None,
    step: int = 2,
) -> int:
    """Smallest kernel for which spectra win, in the right way or with one mistake."""
    channels = inputs + outputs if channels is None else channels
    for kernel in range(1, 400, step):
        points = (size + kernel - 1 if padded else size) ** 2
        spectra = 2.5 * channels * points * logarithm(points) + 2 * inputs * outputs * points
        if inputs * outputs * size**2 * kernel**2 > ratio * spectra:
            return kernel
    return -1


def crossing_kernel(answer: Any) -> str:
    """Check a function (size, inputs, outputs, ratio) -> smallest odd K for which spectra win."""
    cases = [(128, 8, 8, 1.0), (128, 8, 8, 8.0), (32, 3, 16, 6.0), (32, 1, 1, 3.0)]
    right = [_crossing(*case) for case in cases]
    found = []
    for case in cases:
        value = call(answer, *case)
        if not isinstance(value, int | np.integer):
            raise Hint(f"A kernel has a whole number of entries a side: {value!r} came.")
        found.append(int(value))
    if found == right:
        return "K enters the right side through n alone, so some K is always large enough."
    mistakes = {
        "You use the natural logarithm. Transforms halve, so it is the one to base 2.": {
            "logarithm": math.log
        },
        "Your n does not grow with K: padding makes it H + K - 1.": {"padded": False},
        "Your kernels are not odd: start at 1 and go up by 2.": {"step": 1},
    }
    for words, change in mistakes.items():
        if found == [_crossing(*case, **change) for case in cases]:
            raise Hint(words)
    if found == [_crossing(size, i, o, 1 / ratio) for size, i, o, ratio in cases]:
        raise Hint("You divide by the ratio. A slower transform needs a larger kernel to win.")
    if found == [_crossing(*case, channels=case[1] * case[2]) for case in cases]:
        raise Hint("You transform for every pair of channels. It is once per channel: C_i + C_o.")
    wrong = next(number for number in range(len(cases)) if found[number] != right[number])
    raise Hint(
        f"For (size, inputs, outputs, ratio) = {cases[wrong]} it is {right[wrong]}; yours is "
        f"{found[wrong]}."
    )


def spoiled_rows(answer: Any) -> str:
    """Check a function (size, kernel_size, layers, n) -> rows that wrap-around spoils."""
    cases = [(28, 3, 3, 30), (28, 3, 3, 34), (28, 3, 3, 40), (28, 5, 2, 28), (16, 4, 3, 20)]
    right = [4, 0, 0, 8, 5]
    found = [float(call(answer, *case)) for case in cases]
    if found == right:
        return "What does not fit at the end comes in again at the beginning. The rest is exact."
    if found == [h + layers * (k - 1) - n for h, k, layers, n in cases]:
        raise Hint("With room to spare nothing is spoiled: never less than 0.")
    if found == [max(h + k - 1 - n, 0) for h, k, _, n in cases]:
        raise Hint("You leave out the number of layers: each one adds K - 1 rows.")
    if found == [max(h + layers * k - n, 0) for h, k, layers, n in cases]:
        raise Hint("You add K rows per layer. A kernel of one entry adds none: it is K - 1.")
    if found == [(layers - 1) * (k - 1) for _, k, layers, _ in cases]:
        raise Hint("That holds for n = H + K - 1 only. Use n.")
    wrong = next(number for number in range(len(cases)) if found[number] != right[number])
    raise Hint(
        f"For (size, kernel_size, layers, n) = {cases[wrong]} it is {right[wrong]}; yours is "
        f"{found[wrong]:g}."
    )


def soft_gradient(answer: Any) -> str:
    """Check a function (student, teacher, temperature) -> gradient of the soft loss."""
    rng = np.random.default_rng(3)
    student, teacher = rng.normal(0, 2, (2, 3, 4))
    temperature = 5.0

    def softmax(logits: np.ndarray) -> np.ndarray:
        raised = np.exp(logits - logits.max(axis=1, keepdims=True))
        return raised / raised.sum(axis=1, keepdims=True)

    gap = softmax(student / temperature) - softmax(teacher / temperature)
    right = temperature * gap / 3
    found = call_array(answer, student, teacher, temperature, shape=(3, 4))
    if np.allclose(found, right):
        if not np.allclose(call_array(answer, student, student, temperature), 0):
            raise Hint("Where student and teacher agree, the gradient must vanish.")
        shifted = call_array(answer, student + 800.0, teacher, temperature)
        if not np.allclose(shifted, right):
            raise Hint("Shift the student's logits by a constant, and nothing should change.")
        return (
            "T times the difference of the two answers: the loss has T squared, the logits 1 / T."
        )
    if np.allclose(found, -right):
        raise Hint("Your sign is turned over: it is student minus teacher, downhill goes the step.")
    if np.allclose(found, right * temperature):
        raise Hint("A factor T too many: the logits are divided by T, which gives one T back.")
    if np.allclose(found, right / temperature) or np.allclose(found, right / temperature**2):
        raise Hint("A factor T is missing: the loss is multiplied by T squared.")
    if np.allclose(found, right * 3):
        raise Hint("The loss is a mean over the batch: divide by the number of rows.")
    plain = temperature * (softmax(student) - softmax(teacher)) / 3
    if np.allclose(found, plain):
        raise Hint("You forgot to divide the logits by T before the softmax.")
    raise Hint(
        f"The first entry is {right[0, 0]:.4f}, yours is {found[0, 0]:.4f}. Start from the softmax "
        "of logits divided by T, row by row."
    )
