"""Which sequences to ask about: seven criteria, from pure chance to clusters with margins."""

from __future__ import annotations

import warnings

import numpy as np
from jaxtyping import Float, Int
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning

from neurotutor.checks import as_count

from .config import CRITERIA

NEIGHBOURS = 5


def unit(x: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "n d"]:
    """Rows at length 1 (a row of zeros stays)."""
    length = np.linalg.norm(x, axis=1, keepdims=True)
    return x / np.where(length > 0, length, 1)


def clusters(
    latents: Float[np.ndarray, "n d"], k: int, *, starts: int = 10, seed: int = 0
) -> tuple[Int[np.ndarray, "n"], Float[np.ndarray, "k d"]]:
    """K-means of the latents, each scaled to length 1.

    Args:
        latents: points; only their directions count.
        k: number of clusters, which is the budget and not the number of actions.
        starts: initialisations (k-means++), the best of which is kept.
        seed: of the initialisations.

    Returns:
        The cluster of each point, and the centroids.

    Source: official code of OpenLabCluster (one initialisation there).
    """
    model = KMeans(k, n_init=starts, max_iter=500, random_state=seed)
    with warnings.catch_warnings():
        # Fewer distinct points than clusters: the empty clusters are topped up by the caller.
        warnings.simplefilter("ignore", ConvergenceWarning)
        assigned = model.fit_predict(unit(np.asarray(latents, float)))
    return assigned.astype(np.int64), model.cluster_centers_


def margin(probabilities: Float[np.ndarray, "n actions"]) -> Float[np.ndarray, "n"]:
    """Gap between the two largest probabilities: small where the classifier is in doubt."""
    top = np.sort(probabilities, axis=1)
    return top[:, -1] - top[:, -2]


def jensen_shannon(
    p: Float[np.ndarray, "n actions"], q: Float[np.ndarray, "n actions"]
) -> Float[np.ndarray, "n"]:
    """Jensen-Shannon divergence of each pair of rows, in nats: 0 if equal, at most ln 2."""
    middle = (p + q) / 2

    def divergence(one: np.ndarray) -> np.ndarray:
        ratio = np.where(one > 0, one, 1) / np.where(middle > 0, middle, 1)
        return (one * np.log(ratio)).sum(axis=1)

    return np.maximum((divergence(p) + divergence(q)) / 2, 0)


def neighbour_labels(
    latents: Float[np.ndarray, "n d"],
    known: Float[np.ndarray, "m d"],
    labels: Int[np.ndarray, "m"],
    n_actions: int,
    k: int = NEIGHBOURS,
) -> Float[np.ndarray, "n actions"]:
    """What the nearest labelled neighbours (by cosine) would say, one vote shared as a prior."""
    nearest = np.argsort(-unit(latents) @ unit(known).T, axis=1, kind="stable")[:, :k]
    counts = np.zeros((len(latents), n_actions))
    np.add.at(counts, (np.arange(len(latents))[:, None], labels[nearest]), 1)
    return (counts + 1 / n_actions) / (nearest.shape[1] + 1)


def farthest_first(
    latents: Float[np.ndarray, "n d"], labelled: Int[np.ndarray, "m"], budget: int
) -> Int[np.ndarray, "chosen"]:
    """Greedy core set: again and again the point farthest from all that are labelled or chosen.

    With nothing labelled it starts at the point nearest to the mean. Equal distances are settled
    by the smaller index.

    Source: Sener & Savarese (2018), the greedy algorithm.
    """
    latents = np.asarray(latents, float)
    free = np.ones(len(latents), bool)
    free[labelled] = False
    nearest = np.full(len(latents), np.inf)
    for index in labelled:
        nearest = np.minimum(nearest, np.linalg.norm(latents - latents[index], axis=1))
    chosen = []
    for _ in range(budget):
        if np.isinf(nearest).all():
            off = np.linalg.norm(latents - latents.mean(axis=0), axis=1)
            index = int(np.argmin(np.where(free, off, np.inf)))
        else:
            index = int(np.argmax(np.where(free, nearest, -np.inf)))
        chosen.append(index)
        free[index] = False
        nearest = np.minimum(nearest, np.linalg.norm(latents - latents[index], axis=1))
    return np.array(chosen, np.int64)


def select(
    criterion: str,
    latents: Float[np.ndarray, "n d"],
    probabilities: Float[np.ndarray, "n actions"] | None,
    labelled: Int[np.ndarray, "m"],
    budget: int,
    *,
    labels: Int[np.ndarray, "known"] | None = None,
    starts: int = 10,
    seed: int = 0,
) -> Int[np.ndarray, "chosen"]:
    """Choose the sequences whose labels to ask for.

    `"uniform"` draws from all. `"ktop"`, `"krandom"`, `"kmi"` and `"kjs"` cluster the unlabelled
    latents into as many clusters as questions, and take from each the nearest to the centroid, any
    one, the smallest margin, or the largest disagreement of classifier and neighbours. `"margin"`
    takes the smallest margins of all. `"coreset"` takes the farthest point, again and again.

    Args:
        criterion: one of these names.
        latents: of the whole pool.
        probabilities: what the classifier says; `None` before it exists. Then margins and
            disagreement fall back to `"ktop"`.
        labelled: indices of the sequences that have a label; they are never chosen.
        budget: how many to choose; all that are left, if there are fewer.
        labels: actions of the labelled ones, in their order, or of the whole pool (the others are
            not looked at); `"kjs"` needs them.
        starts: initialisations of the clustering.
        seed: of the clustering and of random choices.

    Returns:
        Indices into the pool, each at most once. Ties are settled by the smaller index.

    Raises:
        ValueError: for an unknown criterion, shapes that disagree, values that are not finite,
            probabilities that are none, indices outside the pool or twice, a budget below 1.

    Source: official code of OpenLabCluster; `"kjs"` and `"margin"` are ours.
    """
    latents = np.asarray(latents, float)
    labelled = np.asarray(labelled, np.int64).reshape(-1)
    budget = as_count("budget", budget)
    if criterion not in CRITERIA:
        raise ValueError(f"criterion must be one of {', '.join(CRITERIA)}; got {criterion!r}")
    if latents.ndim != 2 or not np.isfinite(latents).all():
        raise ValueError(f"latents must be finite numbers, (n, d), got shape {latents.shape}")
    n = len(latents)
    if len(labelled) and not 0 <= labelled.min() <= labelled.max() < n:
        raise ValueError(f"labelled must hold indices 0..{n - 1}")
    if len(np.unique(labelled)) != len(labelled):
        raise ValueError("labelled names a sequence twice")
    probabilities = _checked(probabilities, n)
    free = np.setdiff1d(np.arange(n), labelled)
    budget = min(budget, len(free))
    if budget == 0:
        return np.zeros(0, np.int64)
    rng = np.random.default_rng(seed)
    undecided = probabilities is None and criterion in ("kmi", "margin", "kjs")
    if undecided or (criterion == "kjs" and len(labelled) == 0):
        criterion = "ktop"
    if criterion == "uniform":
        return rng.choice(free, budget, replace=False)
    if criterion == "coreset":
        return farthest_first(latents, labelled, budget)
    doubt = None if probabilities is None else margin(probabilities[free])
    if criterion == "margin":
        return free[np.argsort(doubt, kind="stable")[:budget]]
    assigned, centroids = clusters(latents[free], budget, starts=starts, seed=seed)
    off = np.linalg.norm(unit(latents[free]) - centroids[assigned], axis=1)
    if criterion == "ktop":
        score = off
    elif criterion == "krandom":
        score = rng.random(len(free))
    elif criterion == "kmi":
        score = doubt
    else:
        known = _labels(labels, labelled, n, probabilities.shape[1])
        votes = neighbour_labels(latents[free], latents[labelled], known, probabilities.shape[1])
        score = -jensen_shannon(probabilities[free], votes)
    return free[_best_of_each(assigned, score, off if doubt is None else doubt, budget)]


def _best_of_each(
    assigned: np.ndarray, score: np.ndarray, spare: np.ndarray, budget: int
) -> np.ndarray:
    """The smallest score of each cluster; clusters that came out empty are topped up."""
    order = np.lexsort((np.arange(len(score)), score))
    _, first = np.unique(assigned[order], return_index=True)
    chosen = order[first]
    rest = np.setdiff1d(np.arange(len(score)), chosen)
    rest = rest[np.argsort(spare[rest], kind="stable")]
    return np.r_[chosen, rest[: budget - len(chosen)]]


def _checked(probabilities: np.ndarray | None, n: int) -> np.ndarray | None:
    if probabilities is None:
        return None
    values = np.asarray(probabilities, float)
    if values.ndim != 2 or len(values) != n or values.shape[1] < 2:
        raise ValueError(f"probabilities must be ({n}, actions >= 2), got {values.shape}")
    if not (values >= 0).all() or not np.allclose(values.sum(axis=1), 1, atol=1e-3):
        raise ValueError("probabilities must be >= 0 and each row must sum to 1")
    return values


def _labels(labels: np.ndarray | None, labelled: np.ndarray, n: int, n_actions: int) -> np.ndarray:
    if labels is None:
        raise ValueError("kjs needs `labels`, the action of each labelled sequence")
    known = np.asarray(labels)
    if known.shape == (n,) and n != len(labelled):
        known = known[labelled]
    if known.shape != labelled.shape or known.dtype.kind not in "iu":
        raise ValueError(
            f"labels must hold {len(labelled)} whole numbers, one for each labelled sequence, "
            f"got {known.shape} of {known.dtype}"
        )
    if not 0 <= known.min() <= known.max() < n_actions:
        raise ValueError(f"labels must lie in 0..{n_actions - 1}")
    return known
