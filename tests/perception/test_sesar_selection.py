"""Which sequences to ask about: every criterion by brute force, the oracle, the loop."""

import math
import signal
from dataclasses import replace

import numpy as np
import pytest
import torch

from neurotutor.data import skeletons
from neurotutor.perception import sesar
from neurotutor.perception.sesar import selection
from neurotutor.perception.sesar import training as training_module
from tests.harness import oracle, planted, recording, relative_error

NONE = np.zeros(0, np.int64)
CLUSTERED = ("ktop", "krandom", "kmi", "kjs")


def blobs(per_blob=20, k=6, seed=0):
    """Blobs in clearly different directions, and which blob a point is of."""
    rng = np.random.default_rng(seed)
    points = np.repeat(10 * np.eye(k), per_blob, axis=0) + 0.3 * rng.standard_normal(
        (k * per_blob, k)
    )
    return points, np.repeat(np.arange(k), per_blob)


def chances(n, actions=4, seed=1):
    return np.random.default_rng(seed).dirichlet(np.ones(actions), n)


# --- equations ----------------------------------------------------------------------------------


@oracle("eq-sesar-margin")
def test_equation_margin():
    p = chances(20)
    slow = [sorted(row)[-1] - sorted(row)[-2] for row in p]
    assert relative_error(sesar.margin(p), slow) < 1e-12


@oracle("eq-sesar-core-set")
def test_equation_core_set():
    z, labelled = np.random.default_rng(2).standard_normal((25, 3)), np.array([4, 9])
    fast = sesar.farthest_first(z, labelled, 6)
    known, slow = list(labelled), []
    for _ in range(6):
        best, far = None, -1.0
        for i in range(25):
            if i in known:
                continue
            near = min(math.dist(z[i], z[j]) for j in known)
            if near > far:
                best, far = i, near
        known.append(best)
        slow.append(best)
    assert fast.tolist() == slow
    first = sesar.farthest_first(z, NONE, 1)[0]
    assert first == np.argmin(np.linalg.norm(z - z.mean(axis=0), axis=1))


@oracle("eq-sesar-disagreement")
def test_equation_disagreement():
    p, q = chances(15), chances(15, seed=7)
    p[0] = q[0] = [1, 0, 0, 0]
    p[1], q[1] = [1, 0, 0, 0], [0, 1, 0, 0]
    slow = []
    for a, b in zip(p, q, strict=True):
        value = 0.0
        for one in (a, b):
            for x, m in zip(one, (a + b) / 2, strict=True):
                value += 0.5 * x * math.log(x / m) if x > 0 else 0.0
        slow.append(value)
    fast = sesar.jensen_shannon(p, q)
    assert relative_error(fast, slow) < 1e-12
    assert fast[0] == 0
    assert fast[1] == pytest.approx(math.log(2))
    assert fast.max() <= math.log(2) + 1e-12


def test_neighbours_vote_with_a_prior():
    z, known = np.eye(3), np.array([[1.0, 0.1, 0], [1, 0, 0.1], [0, 1, 0], [0, 1, 0.1]])
    votes = sesar.neighbour_labels(z, known, np.array([2, 2, 0, 1]), 3, k=2)
    assert np.allclose(votes[0], (np.array([0, 0, 2]) + 1 / 3) / 3)
    assert np.allclose(votes[1], (np.array([1, 1, 0]) + 1 / 3) / 3)
    assert np.allclose(votes.sum(axis=1), 1)


def test_a_bug_in_the_disagreement_is_seen():
    p, q = chances(15), chances(15, seed=7)
    with planted(selection, "(divergence(p) + divergence(q)) / 2", "divergence(p)") as wrong:
        assert relative_error(wrong.jensen_shannon(p, q), sesar.jensen_shannon(p, q)) > 0.01


# --- all criteria -------------------------------------------------------------------------------


@pytest.mark.parametrize("criterion", sesar.CRITERIA)
@pytest.mark.parametrize("budget", [1, 7, 500])
def test_never_labelled_never_twice_exactly_as_many(criterion, budget):
    z, of = blobs(8)
    labelled = np.array([0, 3, 17, 40])
    rows = sesar.select(
        criterion, z, chances(48), labelled, budget, labels=of[labelled] % 4, seed=1
    )
    assert len(rows) == min(budget, 44)
    assert len(np.unique(rows)) == len(rows)
    assert not np.isin(rows, labelled).any()
    again = sesar.select(
        criterion, z, chances(48), labelled, budget, labels=of[labelled] % 4, seed=1
    )
    assert np.array_equal(rows, again)


@pytest.mark.parametrize("criterion", CLUSTERED)
def test_one_of_each_blob(criterion):
    z, of = blobs()
    labelled = np.array([0])
    rows = sesar.select(criterion, z, chances(120), labelled, 6, labels=np.array([0]), seed=3)
    assert sorted(of[rows]) == list(range(6))


def test_best_of_each_cluster_by_hand():
    z, of = blobs()
    p = chances(120)
    gaps = sesar.margin(p)
    rows = sesar.select("kmi", z, p, NONE, 6)
    assert sorted(rows) == sorted(
        min(np.flatnonzero(of == k), key=lambda i: gaps[i]) for k in range(6)
    )
    unit = sesar.unit(z)
    central = [
        min(
            np.flatnonzero(of == k),
            key=lambda i: np.linalg.norm(unit[i] - unit[of == k].mean(axis=0)),
        )
        for k in range(6)
    ]
    assert sorted(sesar.select("ktop", z, p, NONE, 6)) == sorted(central)
    assert sesar.select("margin", z, p, NONE, 3).tolist() == np.argsort(gaps)[:3].tolist()
    labelled, labels = np.array([0, 25, 50, 75, 100]), np.array([0, 1, 2, 3, 0])
    q = sesar.neighbour_labels(z, z[labelled], labels, 4)
    apart = sesar.jensen_shannon(p, q)
    free = np.setdiff1d(np.arange(120), labelled)
    doubted = [max(free[of[free] == k], key=lambda i: apart[i]) for k in range(6)]
    whole = np.zeros(120, int)
    whole[labelled] = labels
    for given in (labels, whole):
        rows = sesar.select("kjs", z, p, labelled, 6, labels=given)
        assert sorted(rows) == sorted(doubted)


@pytest.mark.parametrize("criterion", ["kmi", "margin", "kjs"])
def test_without_a_classifier_the_centres_are_taken(criterion):
    z, _ = blobs()
    assert np.array_equal(
        sesar.select(criterion, z, None, NONE, 6), sesar.select("ktop", z, None, NONE, 6)
    )


def test_equal_margins_go_by_index():
    z, _ = blobs(2)
    assert sesar.select("margin", z, np.full((12, 4), 0.25), NONE, 5).tolist() == [0, 1, 2, 3, 4]


def test_empty_clusters_are_topped_up_by_margin():
    z = np.repeat(np.eye(2), 5, axis=0)  # two distinct points, four questions
    p = chances(10)
    rows = sesar.select("kmi", z, p, NONE, 4)
    gaps = sesar.margin(p)
    best = {min(range(5), key=lambda i: gaps[i]), min(range(5, 10), key=lambda i: gaps[i])}
    rest = [i for i in np.argsort(gaps) if i not in best][:2]
    assert set(rows) == best | set(rest)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"criterion": "best"}, "one of uniform"),
        ({"latents": np.full((4, 2), np.nan)}, "finite"),
        ({"labelled": np.array([4])}, r"0\.\.3"),
        ({"labelled": np.array([1, 1])}, "twice"),
        ({"probabilities": np.full((4, 2), 0.7)}, "sum to 1"),
        ({"probabilities": np.full((3, 2), 0.5)}, "actions >= 2"),
        ({"budget": 0}, "budget"),
        ({"criterion": "kjs", "labelled": np.array([0])}, "needs `labels`"),
        ({"criterion": "kjs", "labelled": np.array([0]), "labels": np.array([2])}, r"0\.\.1"),
        ({"criterion": "kjs", "labelled": np.array([0]), "labels": np.array([1, 0])}, "1 whole"),
    ],
)
def test_bad_input_of_selection(unchecked, changes, message):
    arguments = {
        "criterion": "kmi",
        "latents": np.arange(8.0).reshape(4, 2),
        "probabilities": np.full((4, 2), 0.5),
        "labelled": NONE,
        "budget": 2,
    } | changes
    with pytest.raises(ValueError, match=message):
        sesar.select(**arguments)


# --- the loop -----------------------------------------------------------------------------------

TINY = replace(
    sesar.SesarConfig.tutorial(),
    hidden=6,
    layers=1,
    unsupervised_epochs=1,
    joint_epochs=1,
    supervised_epochs=2,
    rounds=2,
    per_round=5,
)


@pytest.fixture(scope="module")
def task():
    return sesar.simulated_task(skeletons.simulate(30, seed=0), skeletons.simulate(12, seed=1))


@pytest.fixture(scope="module")
def start(task):
    return sesar.pretrain([task.pool], 10, TINY, [0])[0][0]


def test_the_oracle_is_asked_once():
    labels = np.arange(10) % 3
    oracle_ = sesar.Oracle(labels)
    assert oracle_.ask(np.array([2, 5])).tolist() == [2, 2]
    for rows in ([5], [1, 1], [10]):
        with pytest.raises(ValueError, match="once|0..9"):
            oracle_.ask(np.array(rows))
    assert oracle_.asked == {2, 5}
    many = np.arange(3000) % 3
    wrong = sesar.Oracle(many, wrong=0.2, seed=1).ask(np.arange(3000)) != many
    assert 0.17 < wrong.mean() < 0.23
    with pytest.raises(ValueError, match="share"):
        sesar.Oracle(labels, wrong=1.2)


def test_the_loop_asks_for_its_budget(task, start):
    jobs = [sesar.Job(task, start, criterion) for criterion in sesar.CRITERIA]
    before = start.encode(task.pool)
    runs = sesar.learn_actively(jobs, TINY)
    for run in runs:
        assert [len(rows) for rows in run.chosen] == [5, 5]
        assert len(np.unique(run.labelled)) == 10
        assert np.array_equal(run.known, task.pool_labels[run.labelled])
        assert len(run.latents) == 3
        assert np.allclose(run.latents[0], before.numpy())
        assert run.accuracy[-1] == (run.predicted[-1] == task.test_labels).mean()
    assert torch.equal(start.encode(task.pool), before)  # the start is left as it was
    again = sesar.active_learning(task, start, "kmi", TINY)
    mine = runs[sesar.CRITERIA.index("kmi")]
    assert np.array_equal(again.labelled, mine.labelled)
    assert sesar.supervised_accuracy(jobs[:2], runs[:2], TINY).shape == (2,)
    with pytest.raises(ValueError, match="no job"):
        sesar.learn_actively([], TINY)


@pytest.mark.parametrize("stop_at", [1, 3, 5])
def test_a_stopped_loop_goes_on_to_the_same_numbers(task, tmp_path, monkeypatch, stop_at):
    """Stopped before the first question (3 epochs), or in one of two rounds (2 epochs each)."""

    config = replace(TINY, unsupervised_epochs=3, joint_epochs=2, rounds=2)

    def learn(folder=None):
        kept = folder and folder / "start.pt"
        ((start, losses),) = sesar.pretrain(
            [task.pool], task.n_actions, config, [0], checkpoint=kept
        )
        jobs = [sesar.Job(task, start, name) for name in ("kmi", "uniform")]
        return losses, sesar.learn_actively(jobs, config, folder)

    epochs, step = [], training_module.fit

    def stops(one_epoch, *args, **more):
        def epoch(i):
            if len(epochs) == stop_at:
                signal.raise_signal(signal.SIGINT)
            epochs.append(i)
            return one_epoch(i)

        return step(epoch, *args, **more)

    before, whole = learn()
    monkeypatch.setattr(training_module, "fit", stops)
    with pytest.raises(KeyboardInterrupt, match="stopped after"):
        learn(tmp_path)
    losses, runs = learn(tmp_path)
    assert epochs == [0, 1, 2, 0, 1, 0, 1]
    assert np.array_equal(losses.reconstruction, before.reconstruction)
    for run, other in zip(runs, whole, strict=True):
        assert np.array_equal(run.labelled, other.labelled)
        assert np.array_equal(run.latents, other.latents)
        assert np.array_equal(run.losses[-1].classification, other.losses[-1].classification)


def test_reached_confusion_and_neighbours():
    labels = np.array([0, 0, 1, 2, 2])
    reached = sesar.actions_reached(labels, [np.array([0, 1]), np.array([3]), np.array([2])])
    assert reached.tolist() == [1, 2, 3]
    table = sesar.confusion(np.array([0, 0, 1]), np.array([0, 1, 1]), 3)
    assert table.tolist() == [[0.5, 0.5, 0], [0, 1, 0], [0, 0, 0]]
    known, queries = np.array([[1.0, 0], [0, 5.0], [0, 4.0]]), np.array([[9.0, 1], [0.1, 0.2]])
    named = sesar.nearest_neighbours(known, np.array([3, 7, 7]), queries)
    assert named.tolist() == [3, 7]
    assert sesar.nearest_neighbours(known, np.array([3, 7, 7]), queries, k=3).tolist() == [7, 7]
    z, of = blobs()
    assert sesar.few_label_accuracy(z, of, z, of, n_labels=60, draws=2) == 1.0
    with pytest.raises(ValueError, match="4 neighbours"):
        sesar.nearest_neighbours(known, np.array([3, 7, 7]), queries, k=4)


def test_recorded_tasks():
    made = skeletons.load(recording(skeletons.BANDAI))
    task = sesar.recorded_task(made, 60, 40, split="cross", seed=1)
    assert task.pool.shape == (60, 20, 60)
    assert task.bodies(task.test).shape == (40, 20, 21, 3)
    assert np.allclose(task.bodies(task.test), task.test_bodies, atol=1e-3)
    hips = [made.joint_names.index(f"UpperLeg_{side}") for side in "LR"]
    across = task.pool_bodies[:, 0, hips[0]] - task.pool_bodies[:, 0, hips[1]]
    assert (across[:, 0] > 0).all()
    assert np.abs(across[:, 2]).max() < 1e-4
    for changes, message in (
        ({"split": "other"}, "split"),
        ({"n_pool": 5000}, "n_pool"),
        ({"hips": ("a", "b")}, "joint is named"),
        ({"split": "cross", "unseen": ("proud",)}, "group is named"),
    ):
        with pytest.raises(ValueError, match=message):
            sesar.recorded_task(made, **changes)
