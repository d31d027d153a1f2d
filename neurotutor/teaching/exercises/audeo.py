"""Checkers of the exercises of the chapter *Audeo: hearing a silent piano*."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from neurotutor.perception.audeo import BalancedKeySampler, PatchDiscriminator
from neurotutor.teaching.exercise import Hint, call, call_array


def silent_scores(answer: Any) -> str:
    """Check a function (target) -> precision, recall, F1 of a predictor that reports nothing."""
    target = np.random.default_rng(0).random((40, 6)) < 0.15
    silence = float((~target.any(axis=1)).mean())
    found = call_array(answer, target)
    if found.shape != (3,):
        raise Hint(f"Return three numbers: precision, recall and F1. Shape {found.shape} came.")
    if np.allclose(found, [1, silence, silence]):
        return (
            "Precision is perfect and worth nothing. Recall and F1 are the share of silent frames."
        )
    if np.isclose(found[0], 0):
        raise Hint("Nothing is reported, so the denominator of precision is 0, and it counts as 1.")
    if np.isclose(found[0], silence):
        raise Hint("Precision is 1 in every frame, also in those where a key sounds.")
    if np.allclose(found[1:], 0):
        raise Hint("In a silent frame nothing was missed: recall and F1 are 1 there, not 0.")
    if np.isclose(found[1], float((~target).mean())):
        raise Hint("You count silent pairs of frame and key. Count frames in which nothing sounds.")
    if np.isclose(found[2], 2 * silence / (1 + silence)):
        raise Hint(
            "You took F1 of mean precision and mean recall. Take the mean of the frames' F1."
        )
    raise Hint(f"With silence in a share {silence:.3f} of the frames, recall is {silence:.3f}.")


def draw_probability(answer: Any) -> str:
    """Check a function (labels) -> probability of each frame under balanced sampling."""
    labels = np.random.default_rng(1).random((50, 5)) < 0.15
    labels[:, 3] = False
    right = BalancedKeySampler(labels).probabilities()
    found = call_array(answer, labels.copy())
    if found.shape != right.shape:
        raise Hint(f"One probability for each of {len(labels)} frames: shape {found.shape} came.")
    silent = ~labels.any(axis=1)
    if np.allclose(found, right):
        every = BalancedKeySampler(np.ones((4, 3), bool)).probabilities()
        if not np.allclose(call_array(answer, np.ones((4, 3), bool)), every):
            raise Hint("When there is no silent frame, silence is a class that does not occur.")
        return (
            "A frame with a rare key is drawn often, and one with two keys gets a share from each."
        )
    if np.allclose(found[silent], 0):
        raise Hint("Silent frames have no chance. Silence is a class of its own.")
    if np.isclose(found.sum(), 5 / 6):
        raise Hint(
            "The sum is below 1: you divide by the number of all keys and one, though one key "
            "never occurs."
        )
    if np.allclose(found, 1 / len(labels)):
        raise Hint("That is uniform sampling. Draw a class first, then a frame of that class.")
    if not np.isclose(found.sum(), 1):
        raise Hint(f"Probabilities sum to 1; yours to {found.sum():.3f}.")
    wrong = int(np.abs(found - right).argmax())
    raise Hint(f"Frame {wrong} has probability {right[wrong]:.4f}; yours is {found[wrong]:.4f}.")


def errors_by_place(answer: Any) -> str:
    """Check a function (predicted, keys) -> share of errors near onsets and elsewhere."""
    rng = np.random.default_rng(2)
    keys = np.zeros((40, 5), bool)
    keys[5:15, 1] = keys[20:24, 3] = keys[0:3, 0] = True
    predicted = keys ^ (rng.random(keys.shape) < 0.2)
    wrong = (predicted != keys).mean(axis=1)

    def split(frames: list[int]) -> np.ndarray:
        near = np.isin(np.arange(40), frames)
        return np.array([wrong[near].mean(), wrong[~near].mean()])

    right = split([0, 1, 4, 5, 6, 19, 20, 21])
    found = call_array(answer, predicted.copy(), keys.copy())
    if found.shape != (2,):
        raise Hint(f"Return two numbers, near onsets and elsewhere. Shape {found.shape} came.")
    if np.allclose(found, right):
        return "The share is taken over pairs of frame and key, in two groups of frames."
    if np.allclose(found, right[::-1]):
        raise Hint("You return the two numbers in the other order: near onsets comes first.")
    if np.allclose(found, split([0, 5, 20])):
        raise Hint("You count the frames of the onsets alone. Add the frame before and after each.")
    if np.allclose(found, split([4, 5, 6, 19, 20, 21])):
        raise Hint("A key that is down in the first frame turns on there: you left that onset out.")
    around = [0, 1, 2, 3, 4, 4, 5, 6, 14, 15, 16, 19, 20, 21, 23, 24, 25]
    if any(np.allclose(found, split(each)) for each in (around, [*around, 39])):
        raise Hint("You count ends as well. Only frames in which a key turns on are onsets.")
    raise Hint(f"The two shares are {right[0]:.4f} and {right[1]:.4f}; yours {found.round(4)}.")


def pull_of_the_critic(answer: Any) -> str:
    """Check a function (critic, made, target, weight) -> ratio of two lengths of gradients."""
    generator = torch.Generator().manual_seed(3)
    made = torch.rand(2, 1, 13, 20, generator=generator)
    target = (torch.rand(2, 1, 13, 20, generator=generator) > 0.8).float()
    critic = PatchDiscriminator(4, seed=0)
    free = made.clone().requires_grad_()
    (please,) = torch.autograd.grad((critic(free) - 1).square().mean(), free)
    agree = 2 * (made - target) / made.numel()
    plain = float(please.norm() / agree.norm())
    weights = (0.0, 0.3)
    right = [weight * plain / (1 - weight) for weight in weights]
    found = [float(call(answer, critic, made.clone(), target.clone(), w)) for w in weights]
    if np.allclose(found, right, rtol=1e-3, atol=1e-9):
        return (
            "Nothing in the loss but the weight decides who pulls harder, and it says: the target."
        )
    if np.allclose(found, [plain, plain], rtol=1e-3):
        raise Hint("You left the weights of the two parts out.")
    if np.allclose(found, [weight * plain for weight in weights], rtol=1e-3, atol=1e-9):
        raise Hint("The squared error has a weight, too: one minus that of the critic.")
    if np.allclose(found[1], 1 / right[1], rtol=1e-3):
        raise Hint("Upside down: the critic's pull belongs above the line.")
    if np.allclose(found, [value**2 for value in right], rtol=1e-3, atol=1e-9):
        raise Hint("You compare squared lengths. Take the square root.")
    (zero,) = torch.autograd.grad(critic(free).square().mean(), free)
    if np.isclose(found[1], 0.3 / 0.7 * float(zero.norm() / agree.norm()), rtol=1e-3):
        raise Hint("The generator wants the score 1, not 0: take (D - 1) squared.")
    raise Hint(f"At weight {weights[1]} the ratio is {right[1]:.4g}; yours is {found[1]:.4g}.")


def split_notes(answer: Any) -> str:
    """Check a function (roll, onsets) -> pairs (first frame, frame after the last one)."""
    roll = np.zeros(20, bool)
    roll[2:9] = roll[12:15] = roll[17:20] = True
    onsets = np.zeros(20, bool)
    onsets[[2, 5, 12, 17]] = True
    right = [(2, 5), (5, 9), (12, 15), (17, 20)]
    found = call(answer, roll.copy(), onsets.copy())
    try:
        pairs = [(int(start), int(stop)) for start, stop in found]
    except (TypeError, ValueError) as error:
        raise Hint("Return a list of pairs (first frame, frame after the last one).") from error
    if pairs == right:
        return "What was struck twice is two notes again, and the roll still says when they end."
    if pairs == [(2, 9), (12, 15), (17, 20)]:
        raise Hint("You split at gaps alone. The onset in frame 5 starts a new note.")
    if pairs == [(2, 9), (5, 9), (12, 15), (17, 20)]:
        raise Hint("A note ends at the latest where the next one starts.")
    if pairs == [(2, 5), (5, 12), (12, 17), (17, 20)]:
        raise Hint("You let each note last until the next onset. It ends when the key comes up.")
    if pairs == [(2, 4), (5, 8), (12, 14), (17, 19)]:
        raise Hint("The second number is the frame after the last one, as in a slice.")
    if pairs == right[:3]:
        raise Hint("The last note is still on in the last frame. It ends with the roll.")
    raise Hint(f"Expected {right}, got {pairs}.")
