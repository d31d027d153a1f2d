"""The checkers of the SCLC exercises: right answers pass, typical mistakes are named."""

import math

import numpy as np
import torch

from neurotutor.perception import sclc as system
from neurotutor.teaching.exercises import sclc
from tests.harness import assert_checker


def pooling(size, m, *, lowest=None, highest=None, divide=None):
    h = (m - 1) // 2
    phase = np.arange(m)[:, None] / m - np.arange(size) / size
    waves = range(-h if lowest is None else lowest, (h if highest is None else highest) + 1)
    return sum(np.cos(2 * np.pi * k * phase) for k in waves) / (size if divide is None else divide)


def test_own_pooling():
    assert_checker(
        sclc.own_pooling,
        accept=[pooling, lambda size, m: system.pooling_matrix(size, m).numpy()],
        reject={
            "divides by m": (lambda n, m: pooling(n, m, divide=m), "divide by H"),
            "no factor": (lambda n, m: pooling(n, m, divide=1), "1 / H is missing"),
            "from zero": (lambda n, m: pooling(n, m, lowest=0), "negative frequencies"),
            "h is m": (lambda n, m: pooling(n, m, lowest=-m, highest=m), "h = m"),
            "transposed": (lambda n, m: pooling(n, m).T, "shape"),
            "nonsense": (lambda n, m: np.zeros((m, n)), "Row 0 starts"),
        },
    )


def crossing(
    size, inputs, outputs, ratio, *, log=math.log2, pad=True, pairs=False, step=2, flip=False
):
    kernel = 1
    while True:
        points = (size + (kernel - 1 if pad else 0)) ** 2
        transforms = inputs * outputs if pairs else inputs + outputs
        spectra = 2.5 * transforms * points * log(points) + 2 * inputs * outputs * points
        if inputs * outputs * (size * kernel) ** 2 > spectra * (1 / ratio if flip else ratio):
            return kernel
        kernel += step


def test_crossing_kernel():
    assert_checker(
        sclc.crossing_kernel,
        accept=[
            crossing,
            lambda size, i, o, ratio: next(
                k
                for k in range(1, 999, 2)
                if system.spatial_operations(size, k, i, o)
                > ratio * system.spectral_operations(size, k, i, o)
            ),
        ],
        reject={
            "natural logarithm": (lambda *a: crossing(*a, log=math.log), "base 2"),
            "no padding": (lambda *a: crossing(*a, pad=False), "H \\+ K - 1"),
            "pairs": (lambda *a: crossing(*a, pairs=True), "once per channel"),
            "even kernels": (lambda *a: crossing(*a, step=1), "not odd"),
            "ratio": (lambda *a: crossing(*a, flip=True), "divide by the ratio"),
            "no number": (lambda *a: 5.5, "whole number"),
            "nonsense": (lambda *a: 1, "yours is 1"),
        },
    )


def test_spoiled_rows():
    assert_checker(
        sclc.spoiled_rows,
        accept=[
            lambda h, k, layers, n: max(h + layers * (k - 1) - n, 0),
            lambda h, k, layers, n: len(range(n, h + layers * (k - 1))),
        ],
        reject={
            "negative": (lambda h, k, layers, n: h + layers * (k - 1) - n, "less than 0"),
            "one layer": (lambda h, k, layers, n: max(h + k - 1 - n, 0), "number of layers"),
            "K for K - 1": (lambda h, k, layers, n: max(h + layers * k - n, 0), "K - 1"),
            "formula by heart": (lambda h, k, layers, n: (layers - 1) * (k - 1), "Use n"),
            "nonsense": (lambda h, k, layers, n: 1, "it is 4; yours is 1"),
        },
    )


def softmax(x):
    raised = np.exp(x - x.max(axis=1, keepdims=True))
    return raised / raised.sum(axis=1, keepdims=True)


def gradient(student, teacher, heat):
    return heat * (softmax(student / heat) - softmax(teacher / heat)) / len(student)


def by_autograd(student, teacher, heat):
    z = torch.from_numpy(student).requires_grad_()
    system.distillation_loss(z, torch.from_numpy(teacher), None, heat, 1.0).total.backward()
    return z.grad.numpy()


def overflowing(student, teacher, heat):
    raised = [np.exp(np.clip(x / heat, None, 100)) for x in (student, teacher)]
    soft = [each / each.sum(axis=1, keepdims=True) for each in raised]
    return heat * (soft[0] - soft[1]) / len(student)


def test_soft_gradient():
    assert_checker(
        sclc.soft_gradient,
        accept=[gradient, by_autograd],
        reject={
            "sign": (lambda s, t, heat: -gradient(s, t, heat), "sign"),
            "T squared": (lambda s, t, heat: heat * gradient(s, t, heat), "T too many"),
            "no T": (lambda s, t, heat: gradient(s, t, heat) / heat, "T is missing"),
            "sum over the batch": (lambda s, t, heat: len(s) * gradient(s, t, heat), "mean over"),
            "cold": (lambda s, t, heat: heat * (softmax(s) - softmax(t)) / len(s), "forgot"),
            "overflow": (overflowing, "Shift"),
            "nonsense": (lambda s, t, heat: np.ones_like(s), "first entry"),
        },
    )
