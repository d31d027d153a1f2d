"""The loop: look at the pool, ask for some labels, train on both, look again."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from .config import SesarConfig
from .losses import UNLABELLED
from .model import SESAR
from .preprocessing import Task
from .selection import select
from .training import Losses, supervise, train_side_by_side


class Oracle:
    """Somebody who knows the labels, and is asked about each sequence once at most.

    Args:
        labels: the true actions.
        wrong: share of the answers that are wrong, at random.
        n_actions: number of actions; default: those that occur.
        seed: of the wrong answers.

    Raises:
        ValueError: if `wrong` is outside 0..1.
    """

    def __init__(
        self,
        labels: Int[np.ndarray, "pool"],
        *,
        wrong: float = 0.0,
        n_actions: int | None = None,
        seed: int = 0,
    ):
        if not 0 <= wrong <= 1:
            raise ValueError(f"wrong is a share, got {wrong}")
        rng = np.random.default_rng(seed)
        n_actions = int(labels.max()) + 1 if n_actions is None else n_actions
        errs = rng.random(len(labels)) < wrong
        other = (labels + rng.integers(1, max(n_actions, 2), len(labels))) % max(n_actions, 1)
        self._answers = np.where(errs, other, labels)
        self.asked: set[int] = set()

    def ask(self, rows: Int[np.ndarray, "chosen"]) -> Int[np.ndarray, "chosen"]:
        """The actions of these sequences.

        Raises:
            ValueError: if one was asked before, stands twice, or does not exist.
        """
        wanted = [int(row) for row in rows]
        if wanted and not 0 <= min(wanted) <= max(wanted) < len(self._answers):
            raise ValueError(f"there are sequences 0..{len(self._answers) - 1}, got {wanted}")
        if len(set(wanted)) < len(wanted) or self.asked & set(wanted):
            raise ValueError("a sequence is asked about once at most; select from the unlabelled")
        self.asked |= set(wanted)
        return self._answers[wanted]


@dataclass(frozen=True)
class Job:
    """One run of the loop: a task, a network that was trained without labels, a criterion."""

    task: Task
    start: SESAR
    criterion: str
    seed: int = 0
    wrong: float = 0.0


@dataclass(frozen=True)
class Run:
    """What one run of the loop did, round by round.

    Attributes:
        criterion: how sequences were chosen.
        seed: of the choices and the batches.
        chosen: indices of each round.
        answers: the oracle's labels of each round.
        predicted: action of each test sequence after each round.
        accuracy: share of the test sequences named rightly after each round.
        latents: of the pool, before the first round and after each.
        losses: of the training in each round.
        model: the network at the end.
    """

    criterion: str
    seed: int
    chosen: list[Int[np.ndarray, "_"]]
    answers: list[Int[np.ndarray, "_"]]
    predicted: list[Int[np.ndarray, "test"]]
    accuracy: Float[np.ndarray, "rounds"]
    latents: list[Float[np.ndarray, "pool latent"]]
    losses: list[Losses]
    model: SESAR

    @property
    def labelled(self) -> Int[np.ndarray, "asked"]:
        """All sequences that were asked about, in order."""
        return np.concatenate(self.chosen)

    @property
    def known(self) -> Int[np.ndarray, "asked"]:
        """The answers, in the same order."""
        return np.concatenate(self.answers)


def learn_actively(
    jobs: Sequence[Job], config: SesarConfig, folder: Path | None = None
) -> list[Run]:
    """Run the loop for several jobs side by side; none of them knows of the others.

    In every round each run looks at the latents of its pool, chooses, asks, and goes on training
    from where it stands, with a new optimiser.

    Args:
        jobs: tasks of one shape with networks of one shape; the networks are copied.
        config: rounds, questions in a round, epochs, weight of classification.
        folder: for a checkpoint of each round, from which an interrupted loop goes on; `None`
            keeps none.

    Returns:
        A run for each job.

    Raises:
        ValueError: if the jobs do not fit together.

    Source: Li & Shlizerman (2020); the schedule is ours.
    """
    if not jobs:
        raise ValueError("there is no job to do")
    models = [copy.deepcopy(job.start) for job in jobs]
    oracles = [
        Oracle(job.task.pool_labels, wrong=job.wrong, n_actions=job.task.n_actions, seed=job.seed)
        for job in jobs
    ]
    pools = [job.task.pool for job in jobs]
    known = [torch.full((len(pool),), UNLABELLED, device=pool.device) for pool in pools]
    runs = [
        Run(job.criterion, job.seed, [], [], [], np.zeros(config.rounds), [], [], model)
        for job, model in zip(jobs, models, strict=True)
    ]
    for run, pool in zip(runs, pools, strict=True):
        run.latents.append(_numbers(run.model.encode(pool)))
    for round_ in range(config.rounds):
        for job, run, oracle, labels in zip(jobs, runs, oracles, known, strict=True):
            rows = _choose(job, run, config, round_)
            answers = oracle.ask(rows)
            labels[torch.as_tensor(rows)] = torch.as_tensor(answers, device=labels.device)
            run.chosen.append(rows)
            run.answers.append(answers)
        losses = train_side_by_side(
            models,
            pools,
            known,
            alpha=config.alpha,
            epochs=config.joint_epochs,
            config=config,
            seeds=[1000 * job.seed + round_ for job in jobs],
            repeats=config.repeats,
            checkpoint=None if folder is None else folder / f"round {round_}.pt",
        )
        for job, run, loss in zip(jobs, runs, losses, strict=True):
            run.losses.append(loss)
            run.latents.append(_numbers(run.model.encode(job.task.pool)))
            guess = predict(run.model, job.task.test)
            run.predicted.append(guess)
            run.accuracy[round_] = (guess == job.task.test_labels).mean()
    return runs


def active_learning(
    task: Task, start: SESAR, criterion: str, config: SesarConfig, *, seed: int = 0
) -> Run:
    """The loop for one criterion; see `learn_actively`."""
    return learn_actively([Job(task, start, criterion, seed)], config)[0]


def supervised_accuracy(
    jobs: Sequence[Job], runs: Sequence[Run], config: SesarConfig
) -> Float[np.ndarray, "runs"]:
    """Accuracy of fresh networks that see what each run has labelled, and nothing else.

    Args:
        jobs: the jobs of the runs.
        runs: what they chose; as many labels in each.
        config: of the networks.

    Returns:
        Share of the test sequences named rightly, for each run.
    """
    models = supervise(
        [job.task.pool[torch.as_tensor(run.labelled)] for job, run in zip(jobs, runs, strict=True)],
        [run.known for run in runs],
        jobs[0].task.n_actions,
        config,
        [job.seed for job in jobs],
    )
    return np.array(
        [
            (predict(model, job.task.test) == job.task.test_labels).mean()
            for model, job in zip(models, jobs, strict=True)
        ]
    )


def predict(model: SESAR, x: Float[Tensor, "n time features"]) -> Int[np.ndarray, "n"]:
    """The most probable action of each sequence."""
    return model.probabilities(model.encode(x)).argmax(dim=1).cpu().numpy()


def _choose(job: Job, run: Run, config: SesarConfig, round_: int) -> Int[np.ndarray, "chosen"]:
    latents = run.latents[-1]
    probabilities = None
    if round_:
        now = torch.as_tensor(latents, device=job.task.pool.device)
        probabilities = _numbers(run.model.probabilities(now))
    return select(
        job.criterion,
        latents,
        probabilities,
        run.labelled if round_ else np.zeros(0, np.int64),
        config.per_round,
        labels=run.known if round_ else None,
        starts=config.kmeans_starts,
        seed=1000 * job.seed + round_,
    )


def _numbers(x: Tensor) -> np.ndarray:
    return x.detach().cpu().numpy()
