"""Checkers of the Swap-VAE exercises: right answers pass, each mistake gets its own hint."""

from __future__ import annotations

import numpy as np

from neurotutor.teaching.exercises import swap_vae
from tests.harness import assert_checker


def swap(a, b, n):
    return np.hstack([b[:, :n], a[:, n:]]), np.hstack([a[:, :n], b[:, n:]])


def swap_by_copy(a, b, n):
    a, b = a.copy(), b.copy()
    a[:, :n], b[:, :n] = b[:, :n].copy(), a[:, :n].copy()
    return a, b


def swap_in_place(a, b, n):
    held = a[:, :n].copy()
    a[:, :n] = b[:, :n]
    b[:, :n] = held
    return a, b


def test_swap_blocks():
    assert_checker(
        swap_vae.swap_blocks,
        accept=[swap, swap_by_copy],
        reject={
            "styles swapped": (lambda a, b, n: swap(a, b, n)[::-1], "order is reversed"),
            "nothing": (lambda a, b, n: (a, b), "nothing is exchanged"),
            "everything": (lambda a, b, n: (b, a), "whole vectors"),
            "one array": (lambda a, b, n: swap(a, b, n)[0], "two arrays"),
            "in place": (swap_in_place, "work on a copy"),
            "wrong place": (lambda a, b, n: swap(a, b, n - 1), "n_content"),
            "halves": (lambda a, b, n: (a[:, :n], b[:, :n]), "shape"),
        },
    )


def unit(x):
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def test_alignment():
    assert_checker(
        swap_vae.alignment,
        accept=[
            lambda a, b: ((unit(a) - unit(b)) ** 2).sum(axis=1).mean(),
            lambda a, b: 2 - 2 * (unit(a) * unit(b)).sum(axis=1).mean(),
        ],
        reject={
            "lengths": (lambda a, b: ((a - b) ** 2).sum(axis=1).mean(), "length 1"),
            "not averaged": (lambda a, b: ((unit(a) - unit(b)) ** 2).sum(axis=1), "average them"),
            "mean of dims": (lambda a, b: ((unit(a) - unit(b)) ** 2).mean(), "sum over them"),
            "not squared": (
                lambda a, b: np.linalg.norm(unit(a) - unit(b), axis=1).mean(),
                "squared",
            ),
            "cosine": (lambda a, b: (unit(a) * unit(b)).sum(axis=1).mean(), "length 1"),
        },
    )


def test_chance():
    assert_checker(
        swap_vae.chance,
        accept=[
            lambda n, width: min(1.0, width / n),
            lambda n, width: min(2 * width * np.pi / n, 2 * np.pi) / (2 * np.pi),
        ],
        reject={
            "one side": (lambda n, width: width / (2 * n), "one side"),
            "no width": (lambda n, width: 1 / n, "width"),
            "eight typed": (lambda n, width: width / 8, "n_directions"),
            "above one": (lambda n, width: width / n, "at most 1"),
            "wrong": (lambda n, width: 0.9, "sector"),
        },
    )


def test_weight_for_counts():
    assert_checker(
        swap_vae.weight_for_counts,
        accept=[lambda w, b: w * b, lambda w, b: w / (1 / b)],
        reject={
            "divided": (lambda w, b: w / b, "wrong way round"),
            "unchanged": (lambda w, b: w, "unit matters"),
            "typed": (lambda w, b: 0.1 * w, "both arguments"),
            "something": (lambda w, b: w + b, "width of a bin"),
        },
    )


def test_swap_gap():
    assert_checker(
        swap_vae.swap_gap,
        accept=[{0: 0.0, 1: 12.0, 5: 30.0}, {0: 1e-6, 1: 8, 3: 9, 5: 11}],
        reject={
            "no dictionary": (12.0, "dictionary"),
            "missing K": ({0: 0.0, 5: 3.0}, "0, 1 and 5"),
            "all the same": ({0: 3.0, 1: 3.0, 5: 3.0}, "max_jitter"),
            "sign": ({0: 0.0, 1: -3.0, 5: -5.0}, "Swap minus reconstruction"),
            "K = 0 not 0": ({0: 4.0, 1: 6.0, 5: 9.0}, "own partner"),
            "one step": ({0: 0.0, 1: -1.0, 5: 9.0}, "last steps"),
            "not finite": ({0: 0.0, 1: float("nan"), 5: 9.0}, "finite"),
        },
    )
