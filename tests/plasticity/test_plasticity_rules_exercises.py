"""The checkers of the chapter's exercises accept what is right and name what is wrong."""

import numpy as np

from neurotutor.teaching.exercises import plasticity_rules as exercises
from tests.harness import assert_checker


def test_firing_pattern():
    def reference(fired):
        pattern = np.zeros(fired.shape[1], dtype=int)
        for each in fired:
            pattern = 2 * pattern + each
        return pattern

    assert_checker(
        exercises.firing_pattern,
        accept=[reference, lambda f: 2 ** np.arange(len(f))[::-1] @ f],
        reject={
            "first round last": (lambda f: 2 ** np.arange(len(f)) @ f, "backwards"),
            "counts": (lambda f: f.sum(0), "count"),
            "decimal": (lambda f: 10 ** np.arange(len(f))[::-1] @ f, "decimal"),
            "shifted": (lambda f: 2 * reference(f), "too often"),
            "three rounds only": (lambda f: np.array([4, 2, 1]) @ f[:3], "five"),
            "nothing": (lambda f: None, "return"),
        },
    )


def change(rule, patterns, label, predicted, n_classes, step):
    result = np.zeros((n_classes, len(patterns)))
    if label != predicted:
        result[label] = step * rule[patterns, 0]
        result[predicted] = step * rule[patterns, 1]
    return result


def test_output_change():
    def by_loop(rule, patterns, label, predicted, n_classes, step):
        result = np.zeros((n_classes, len(patterns)))
        for column, c in enumerate((label, predicted)):
            for i, pattern in enumerate(patterns):
                result[c, i] += step * rule[pattern, column] * (label != predicted)
        return result

    def always(rule, patterns, label, predicted, n_classes, step):
        result = np.zeros((n_classes, len(patterns)))
        result[label] += step * rule[patterns, 0]
        result[predicted] += step * rule[patterns, 1]
        return result

    def subtracts(rule, *rest):
        return change(rule * [1, -1], *rest)

    assert_checker(
        exercises.output_change,
        accept=[change, by_loop],
        reject={
            "swapped": (lambda rule, *rest: change(rule[:, ::-1], *rest), "swapped"),
            "no step": (lambda *given: change(*given[:5], 1.0), "step size"),
            "transposed": (lambda *given: change(*given).T, "transposed"),
            "one row": (lambda rule, *rest: change(rule * [1, 0], *rest), "column as well"),
            "subtracts": (subtracts, "subtract"),
            "always": (always, "nothing may change"),
        },
    )


def test_balanced_rule():
    def reference(share, a):
        b = a * (1 - share) / share
        return np.array([[-a, a], [b, -b]])

    assert_checker(
        exercises.balanced_rule,
        accept=[reference, lambda share, a: a * np.outer([-1, 1 / share - 1], [1, -1])],
        reject={
            "upside down": (lambda s, a: reference(1 - s, a), "upside down"),
            "perceptron": (lambda s, a: reference(0.5, a), "perceptron"),
            "inverse share": (
                lambda s, a: np.array([[-a, a], [a / s, -a / s]]),
                "silent share",
            ),
            "signs": (lambda s, a: -reference(s, a), "flipped"),
            "transposed": (lambda s, a: reference(s, a).T, "transpose"),
        },
    )


def test_project():
    def reference(x, origin, radius):
        away = x - origin
        length = np.linalg.norm(away)
        if length > radius:
            away = away * radius / length
        return np.clip(origin + away, 0, 1)

    def rewritten(x, origin, radius):
        shrink = min(1.0, radius / (np.sqrt(((x - origin) ** 2).sum()) + 1e-15))
        return np.minimum(1, np.maximum(0, (1 - shrink) * origin + shrink * x))

    def stretches(x, origin, radius):
        away = x - origin
        return np.clip(origin + away * radius / np.linalg.norm(away), 0, 1)

    def no_box(x, origin, radius):
        away = x - origin
        return origin + away * min(1.0, radius / np.linalg.norm(away))

    assert_checker(
        exercises.project,
        accept=[reference, rewritten],
        reject={
            "cube": (
                lambda x, o, r: np.clip(o + np.clip(x - o, -r, r), 0, 1),
                "cube",
            ),
            "stretches": (stretches, "inside"),
            "around black": (lambda x, o, r: reference(x, 0 * o, r), "black"),
            "no box": (no_box, "brighter"),
        },
    )


def test_winnow_update():
    def reference(weights, x, label, predicted, factor):
        new = weights.copy()
        new[label] *= factor**x
        new[predicted] /= factor**x
        return new

    def rewritten(weights, x, label, predicted, factor):
        sign = np.zeros((len(weights), 1))
        sign[label], sign[predicted] = 1, -1
        return weights * np.exp(np.log(factor) * sign * x)

    def adds(weights, x, label, predicted, factor):
        new = weights.copy()
        new[label] += factor * x
        new[predicted] -= factor * x
        return new

    def rewards_only(weights, x, label, predicted, factor):
        new = weights.copy()
        new[label] *= factor**x
        return new

    assert_checker(
        exercises.winnow_update,
        accept=[reference, rewritten],
        reject={
            "silent ones too": (lambda w, x, *rest: reference(w, 0 * x + 1, *rest), "silent"),
            "wrong way": (lambda w, x, y, g, f: reference(w, x, g, y, f), "wrong way"),
            "adds": (adds, "multiply"),
            "no blame": (rewards_only, "blamed"),
        },
    )
