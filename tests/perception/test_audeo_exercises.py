"""The checkers of the Audeo chapter: right answers pass, mistakes are named."""

import numpy as np
import torch

from neurotutor.perception.audeo import BalancedKeySampler, frame_scores
from neurotutor.teaching.exercises import audeo
from tests.harness import assert_checker


def test_silent_scores():
    def share(target):
        return float((~target.any(axis=1)).mean())

    def measured(target):
        found = frame_scores(np.zeros_like(target), target)
        return found.precision, found.recall, found.f1

    assert_checker(
        audeo.silent_scores,
        accept=[lambda t: (1.0, share(t), share(t)), measured],
        reject={
            "zero precision": (lambda t: (0.0, share(t), share(t)), "denominator of precision"),
            "silent precision": (lambda t: (share(t),) * 3, "1 in every frame"),
            "no recall": (lambda t: (1.0, 0.0, 0.0), "nothing was missed"),
            "pairs": (lambda t: (1.0, (~t).mean(), (~t).mean()), "silent pairs"),
            "F1 of means": (
                lambda t: (1.0, share(t), 2 * share(t) / (1 + share(t))),
                "mean of the frames",
            ),
            "one number": (lambda t: 1.0, "three numbers"),
        },
    )


def probabilities(labels, *, silence=True, absent=True):
    classes = np.column_stack([labels, ~labels.any(axis=1)]) if silence else labels
    counts = classes.sum(axis=0)
    there = counts > 0
    p = (classes[:, there] / counts[there]).sum(axis=1)
    return p / (there.sum() if absent else classes.shape[1])


def with_division_by_zero(labels):
    with np.errstate(invalid="ignore", divide="ignore"):
        return (labels / labels.sum(axis=0)).sum(axis=1) / 6


def test_draw_probability():
    assert_checker(
        audeo.draw_probability,
        accept=[probabilities, lambda y: BalancedKeySampler(y).probabilities()],
        reject={
            "zero": (with_division_by_zero, "NaN"),
            "no silence": (lambda y: probabilities(y, silence=False), "Silent frames have no"),
            "all keys": (lambda y: probabilities(y, absent=False), "below 1"),
            "uniform": (lambda y: np.full(len(y), 1 / len(y)), "uniform sampling"),
            "unnormalised": (lambda y: 3 * probabilities(y), "sum to 1"),
            "keys": (lambda y: y.mean(axis=0), "One probability for each"),
        },
    )


def places(predicted, keys, *, reach=1, start=True, ends=False):
    padded = np.vstack([np.zeros_like(keys[:1]) if start else keys[:1], keys])
    change = padded[1:] != padded[:-1] if ends else padded[1:] & ~padded[:-1]
    onset = np.flatnonzero(change.any(axis=1))
    near = np.isin(np.arange(len(keys)), [o + s for o in onset for s in range(-reach, reach + 1)])
    wrong = (predicted != keys).mean(axis=1)
    return wrong[near].mean(), wrong[~near].mean()


def test_errors_by_place():
    assert_checker(
        audeo.errors_by_place,
        accept=[places, lambda p, k: np.array(places(p, k))],
        reject={
            "swapped": (lambda p, k: places(p, k)[::-1], "other order"),
            "onset alone": (lambda p, k: places(p, k, reach=0), "before and after"),
            "first frame": (lambda p, k: places(p, k, start=False), "first frame turns on"),
            "ends": (lambda p, k: places(p, k, ends=True), "ends as well"),
            "one number": (lambda p, k: (p != k).mean(), "two numbers"),
        },
    )


def pull(critic, made, target, weight, *, goal=1, factors=True, power=1):
    made = made.detach().requires_grad_()
    (a,) = torch.autograd.grad((critic(made) - goal).square().mean(), made)
    (b,) = torch.autograd.grad((made - target).square().mean(), made)
    ratio = float(a.norm() / b.norm())
    return (ratio * weight / (1 - weight) if factors else ratio) ** power


def analytic(critic, made, target, weight):
    made = made.detach().requires_grad_()
    (weight * (critic(made) - 1).square().mean()).backward()
    error = (1 - weight) * 2 * (made - target) / made.numel()
    return (made.grad.norm() / error.norm()).item()


def test_pull_of_the_critic():
    assert_checker(
        audeo.pull_of_the_critic,
        accept=[pull, analytic],
        reject={
            "no weights": (lambda *a: pull(*a, factors=False), "left the weights"),
            "one weight": (lambda c, m, t, w: w * pull(c, m, t, w, factors=False), "has a weight"),
            "upside down": (lambda *a: 1 / max(pull(*a), 1e-9), "Upside down"),
            "squared": (lambda *a: pull(*a, power=2), "square root"),
            "goal 0": (lambda *a: pull(*a, goal=0), "wants the score 1"),
        },
    )


def split(roll, onsets):
    out, start = [], None
    for t in range(len(roll) + 1):
        down = t < len(roll) and roll[t]
        if start is not None and (not down or onsets[t]):
            out.append((start, t))
            start = None
        if down and onsets[t]:
            start = t
    return out


def test_split_notes():
    assert_checker(
        audeo.split_notes,
        accept=[split, lambda r, o: np.array(split(r, o))],
        reject={
            "gaps": (lambda r, o: [(2, 9), (12, 15), (17, 20)], "split at gaps"),
            "overlap": (lambda r, o: [(2, 9), (5, 9), (12, 15), (17, 20)], "next one starts"),
            "until next": (lambda r, o: [(2, 5), (5, 12), (12, 17), (17, 20)], "key comes up"),
            "inclusive": (lambda r, o: [(a, b - 1) for a, b in split(r, o)], "as in a slice"),
            "end lost": (lambda r, o: split(r, o)[:-1], "ends with the roll"),
            "nothing": (lambda r, o: 3, "list of pairs"),
        },
    )
