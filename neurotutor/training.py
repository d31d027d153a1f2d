"""The one training loop: progress, history, early stop, and checkpoints that survive anything.

A chapter writes what one step does; `fit` repeats it. With a checkpoint, a run that was interrupted
or killed goes on from the last one, and ends with the same numbers as a run that was not.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import pickle
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import nn
from tqdm.auto import tqdm

# First line of a checkpoint; the second is the SHA-256 of the rest, which torch.save wrote: PyTorch
# alone does not notice changed bytes.
_MAGIC = b"neurotutor training checkpoint, form 1\n"


@runtime_checkable
class Stateful(Protocol):
    """What a checkpoint can keep: modules, optimisers, schedules, `RandomState`, `Batches`."""

    def state_dict(self) -> Any:
        """Everything that the object needs to go on later."""

    def load_state_dict(self, state_dict: Any) -> Any:
        """Take over what `state_dict` returned."""


class RandomState:
    """Lets a checkpoint keep a random generator, of PyTorch or of NumPy.

    Example: `state={"model": model, "random": RandomState(generator)}`.

    Args:
        generator: the generator that the steps draw from.

    Raises:
        TypeError: for anything else.
    """

    def __init__(self, generator: torch.Generator | np.random.Generator):
        if not isinstance(generator, torch.Generator | np.random.Generator):
            raise TypeError(
                "RandomState wraps a torch.Generator or a numpy.random.Generator, "
                f"got {type(generator).__name__}"
            )
        self.generator = generator

    def state_dict(self) -> dict[str, Any]:
        """The state of the generator, as a tensor (PyTorch) or as text (NumPy)."""
        if isinstance(self.generator, torch.Generator):
            return {"torch": self.generator.get_state()}
        state = self.generator.bit_generator.state
        return {"numpy": json.dumps(state, default=np.ndarray.tolist)}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Put the generator back to a state that `state_dict` returned.

        Raises:
            ValueError: for the state of a generator of another kind.
        """
        kind = "torch" if isinstance(self.generator, torch.Generator) else "numpy"
        if kind not in state_dict:
            raise ValueError(
                f"expected the state of a {kind} generator, got one of {', '.join(state_dict)}"
            )
        if kind == "torch":
            self.generator.set_state(state_dict["torch"])
        else:
            self.generator.bit_generator.state = json.loads(state_dict["numpy"])

    def seed(self) -> str:
        """What the generator was seeded with: two runs with different seeds are different runs."""
        if isinstance(self.generator, torch.Generator):
            return str(self.generator.initial_seed())
        sequence = self.generator.bit_generator.seed_seq
        return f"{getattr(sequence, 'entropy', None)} {getattr(sequence, 'spawn_key', ())}"


class Batches:
    """Rows of one batch after another; every row once before any twice; a checkpoint keeps it.

    What is left of a pass when no whole batch fits is not drawn.

    Args:
        n: number of rows.
        size: of a batch.
        generator: of the orders, of PyTorch or of NumPy; the rows come as its library's arrays.

    Raises:
        ValueError: for sizes below 1, or a batch of more than n.
        TypeError: for another generator.
    """

    def __init__(self, n: int, size: int, generator: torch.Generator | np.random.Generator):
        if not 1 <= size <= n:
            raise ValueError(f"a batch of {n} rows holds 1 to {n}, got {size}: lower the size")
        self.n, self.size = n, size
        self.random = RandomState(generator)
        self.order, self.start = torch.empty(0, dtype=torch.long), n

    def draw(self) -> Int[torch.Tensor, " size"] | Int[np.ndarray, " size"]:
        """The rows of the next batch."""
        generator = self.random.generator
        in_torch = isinstance(generator, torch.Generator)
        if self.start + self.size > len(self.order):
            if in_torch:
                self.order = torch.randperm(self.n, generator=generator)
            else:
                self.order = torch.from_numpy(generator.permutation(self.n))
            self.start = 0
        self.start += self.size
        rows = self.order[self.start - self.size : self.start]
        return rows if in_torch else rows.numpy()

    def state_dict(self) -> dict[str, Any]:
        """The running order, the place in it, and the generator."""
        return {"random": self.random.state_dict(), "order": self.order, "start": self.start}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on in the middle of the order that `state_dict` returned."""
        self.random.load_state_dict(state["random"])
        self.order, self.start = state["order"], state["start"]

    def seed(self) -> str:
        """What the orders come from: batches of other rows or another seed are another run."""
        return f"{self.random.seed()}, {self.n} rows, batches of {self.size}"


@dataclass(frozen=True)
class EarlyStop:
    """Stop when a metric has not improved for a number of steps.

    Attributes:
        metric: name of one of the metrics that the step reports.
        patience: steps without a new best value after which the run stops. A step that does not
            report the metric counts as one without.
        minimise: whether smaller is better.
    """

    metric: str
    patience: int
    minimise: bool = True

    def __post_init__(self):
        if not isinstance(self.patience, int) or isinstance(self.patience, bool):
            raise TypeError(f"patience must be a whole number, got {self.patience!r}")
        if self.patience < 1:
            raise ValueError(f"patience must be 1 or greater, got {self.patience}")


@dataclass(frozen=True)
class History:
    """What happened in a run.

    Attributes:
        steps: indices of the steps that were done, 0, 1, ...
        metrics: for each metric its value at each of these steps; NaN where a step did not report
            it.
        interrupted: whether Ctrl-C ended the run.
        stopped_early: whether `EarlyStop` ended it.
    """

    steps: Int[np.ndarray, " steps"]
    metrics: dict[str, Float[np.ndarray, " steps"]]
    interrupted: bool
    stopped_early: bool


def fit(
    step: Callable[[int], Mapping[str, Any]],
    n_steps: int,
    *,
    state: Mapping[str, Any] | None = None,
    checkpoint: str | os.PathLike | None = None,
    checkpoint_every: int = 100,
    early_stop: EarlyStop | None = None,
    description: str = "",
    progress: bool = True,
) -> History:
    """Repeat a training step, keep its metrics, and save the run as it goes.

    Ctrl-C lets the running step finish, saves, and returns what was done; a second Ctrl-C stops at
    once, and the run can go on from its last checkpoint. A checkpoint is replaced in one move, so
    a run that is killed leaves the previous or the new one, never a part. It holds `state`, the
    metrics so far, and the state of PyTorch's global generators; a run that draws random numbers
    from another source must list that in `state`.

    Args:
        step: does step `i` and returns its metrics, name -> number. A step need not report all.
        n_steps: number of steps of the whole run, those of earlier calls included.
        state: name -> object with `state_dict` and `load_state_dict`; all that the steps change.
        checkpoint: file to save to. If it exists, the run goes on from it: `state` is overwritten
            with what it holds. None saves nothing.
        checkpoint_every: steps between checkpoints; the end of the run is always saved.
        early_stop: when to stop before `n_steps`.
        description: label of the progress bar.
        progress: whether to show one. None is shown while the book is built.

    Returns:
        The history of the whole run, with the steps before a resume.

    Raises:
        ValueError: for a checkpoint that is damaged, of a different run, or beyond `n_steps`; for
            sizes below 1; if `early_stop` waits for a metric that is not reported.
        TypeError: for a state that cannot be saved, or a step that does not return numbers.
        PermissionError: if the checkpoint cannot be written.
    """
    for value, label in ((n_steps, "n_steps"), (checkpoint_every, "checkpoint_every")):
        if not isinstance(value, int) or isinstance(value, bool):
            raise TypeError(f"{label} must be a whole number, got {value!r}")
        if value < 1:
            raise ValueError(f"{label} must be 1 or greater, got {value}")
    state = dict(state or {})
    for name, each in state.items():
        if not isinstance(each, Stateful):
            raise TypeError(
                f"state[{name!r}] must have state_dict and load_state_dict, got "
                f"{type(each).__name__}; wrap a generator in RandomState"
            )
    path = None if checkpoint is None else Path(checkpoint)
    done, metrics = 0, {}
    if path is not None:
        _make_room(path)
        if path.exists():
            done, metrics = _restore(path, state, n_steps)
    watch = None if early_stop is None else _Watch(early_stop)
    stopped = watch is not None and any(
        [
            watch.stops(i, {early_stop.metric: value})
            for i, value in enumerate(metrics.get(early_stop.metric, [np.nan] * done))
        ]
    )
    saved = resumed = done
    interrupted = False
    silent = not progress or "NEUROTUTOR_RECORDS" in os.environ
    bar = tqdm(total=n_steps, initial=done, desc=description or None, disable=silent, unit="step")
    with bar, _ctrl_c() as asked:
        try:
            while done < n_steps and not stopped and not interrupted:
                report = _numbers(step(done), done)
                if done == resumed > 0 and metrics and report and not set(report) & set(metrics):
                    raise ValueError(
                        f"{path} was written by a different run: it holds the metrics "
                        f"{_list(metrics)}, this step reports {_list(report)}; delete it or pass "
                        "another path"
                    )
                for name in report:
                    metrics.setdefault(name, [np.nan] * done)
                for name, values in metrics.items():
                    values.append(report.get(name, np.nan))
                stopped = watch is not None and watch.stops(done, report)
                done += 1
                bar.update()
                bar.set_postfix({k: f"{v:.4g}" for k, v in report.items()}, refresh=False)
                interrupted = asked.times > 0 and done < n_steps
                if path is not None and done % checkpoint_every == 0:
                    _save(path, state, done, metrics)
                    saved = done
        except KeyboardInterrupt:
            if asked.times > 1:
                raise
            # Raised by the step itself, before it changed anything: a signal would have waited.
            interrupted = True
        if path is not None and saved < done:
            _save(path, state, done, metrics)
    return History(
        steps=np.arange(done),
        metrics={name: np.array(values, float) for name, values in metrics.items()},
        interrupted=interrupted,
        stopped_early=stopped,
    )


class _Watch:
    """Follows the metric of an `EarlyStop`, step by step."""

    def __init__(self, rule: EarlyStop):
        self.rule = rule
        self.best = np.inf
        self.best_at: int | None = None

    def stops(self, index: int, report: Mapping[str, float]) -> bool:
        value = report.get(self.rule.metric, np.nan)
        value = value if self.rule.minimise else -value
        if value < self.best:
            self.best, self.best_at = value, index
        if self.best_at is None and index >= self.rule.patience:
            raise ValueError(
                f"early_stop waits for the metric {self.rule.metric!r}, but no step up to {index} "
                f"reported a number for it (this one reports {_list(report)}): correct the name "
                "or raise patience"
            )
        return self.best_at is not None and index - self.best_at >= self.rule.patience


@dataclass
class _Asked:
    times: int = 0


@contextmanager
def _ctrl_c() -> Iterator[_Asked]:
    """Count Ctrl-C instead of breaking a step in two; the second one breaks it all the same."""
    asked = _Asked()
    previous = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or previous is None:
        yield asked
        return

    def note(signum: int, frame: Any) -> None:
        asked.times += 1
        if asked.times > 1:
            raise KeyboardInterrupt
        sys.stderr.write("\nfinishing this step; interrupt again to stop at once\n")

    signal.signal(signal.SIGINT, note)
    try:
        yield asked
    finally:
        signal.signal(signal.SIGINT, previous)


def _list(names: Iterable[str]) -> str:
    return ", ".join(map(repr, sorted(names))) or "nothing"


def _numbers(report: Any, index: int) -> dict[str, float]:
    if not isinstance(report, Mapping):
        raise TypeError(
            f"step must return a dict of metrics, got {type(report).__name__} at step {index}"
        )
    numbers = {}
    for name, value in report.items():
        try:
            numbers[name] = float(value.detach() if isinstance(value, torch.Tensor) else value)
        except (TypeError, ValueError, RuntimeError) as error:
            raise TypeError(
                f"metric {name!r} must be one number, got {type(value).__name__} at step {index}"
            ) from error
    return numbers


def _make_room(path: Path) -> None:
    if path.is_dir():
        raise ValueError(f"checkpoint must be a file, got the folder {path}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise PermissionError(
            f"cannot make the folder {path.parent} for checkpoints ({error.strerror}): "
            "choose another path"
        ) from error


def _identity(each: Any) -> dict[str, Any]:
    """What must agree between a checkpoint and the object that goes on from it."""
    about: dict[str, Any] = {"kind": type(each).__name__}
    if isinstance(each, nn.Module):
        about |= {
            key: str(tuple(value.shape))
            for key, value in each.state_dict().items()
            if isinstance(value, torch.Tensor)
        }
    elif isinstance(each, torch.optim.Optimizer):
        about["number of parameters"] = str([len(group["params"]) for group in each.param_groups])
    elif isinstance(each, RandomState | Batches):
        about["seed"] = each.seed()
    return about


def _save(path: Path, state: Mapping[str, Any], done: int, metrics: Mapping[str, list]) -> None:
    """Write a checkpoint beside the old one, then put it in its place in one move."""
    content = {
        "done": done,
        "metrics": {k: torch.tensor(v, dtype=torch.float64) for k, v in metrics.items()},
        "identity": {name: _identity(each) for name, each in state.items()},
        "state": {name: each.state_dict() for name, each in state.items()},
        "random": torch.get_rng_state(),
        "random_cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else [],
    }
    payload = _packed(content)
    if payload is None:
        culprits = [name for name, each in content["state"].items() if _packed(each) is None]
        raise TypeError(
            f"the state of {_list(culprits)} cannot be saved safely: a state_dict must hold only "
            "tensors, numbers, text, lists and dicts"
        )
    temporary = path.with_name(path.name + ".tmp")
    try:
        with open(temporary, "wb") as file:
            file.write(_MAGIC + hashlib.sha256(payload).hexdigest().encode() + b"\n" + payload)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except PermissionError as error:
        raise PermissionError(
            f"no permission to write the checkpoint {path}: choose another path"
        ) from error


def _packed(content: Any) -> bytes | None:
    """The content as torch.save writes it; None if it holds what a safe load would refuse."""
    buffer = io.BytesIO()
    try:
        torch.save(content, buffer)
        buffer.seek(0)
        torch.load(buffer, weights_only=True, map_location="cpu")
    except (pickle.PickleError, AttributeError, TypeError):
        return None
    return buffer.getvalue()


def _restore(
    path: Path, state: Mapping[str, Any], n_steps: int
) -> tuple[int, dict[str, list[float]]]:
    """Load a checkpoint into `state`, after making sure that it is one of the same run."""
    remedy = "delete it or pass another path"
    try:
        magic, _, rest = path.read_bytes().partition(b"\n")
    except PermissionError as error:
        raise PermissionError(f"no permission to read the checkpoint {path}") from error
    digest, _, payload = rest.partition(b"\n")
    if magic + b"\n" != _MAGIC:
        raise ValueError(f"{path} is not a checkpoint of a training run; {remedy}")
    if digest != hashlib.sha256(payload).hexdigest().encode():
        raise ValueError(f"the checkpoint {path} is damaged: delete it to start again")
    try:
        content = torch.load(io.BytesIO(payload), weights_only=True, map_location="cpu")
    except pickle.UnpicklingError as error:
        raise ValueError(
            f"the checkpoint {path} is refused: it holds more than tensors, numbers and text, and "
            f"could run code; {remedy}"
        ) from error
    there, here = content["identity"], {name: _identity(each) for name, each in state.items()}
    if set(there) != set(here):
        raise ValueError(
            f"{path} was written by a different run: it holds the state of {_list(there)}, "
            f"this run has {_list(here)}; {remedy}"
        )
    for name in here:
        for key in sorted(there[name].keys() | here[name].keys()):
            old, new = there[name].get(key, "missing"), here[name].get(key, "missing")
            if old != new:
                raise ValueError(
                    f"{path} was written by a different run: {key} of {name!r} is {old} there "
                    f"and {new} here; {remedy}"
                )
    done = content["done"]
    if done > n_steps:
        raise ValueError(
            f"{path} is {done} steps into its run, beyond n_steps={n_steps}: raise n_steps, or "
            f"{remedy}"
        )
    for name, each in state.items():
        try:
            each.load_state_dict(content["state"][name])
        except (RuntimeError, ValueError, KeyError, TypeError) as error:
            reason = str(error).partition("\n")[0]
            raise ValueError(
                f"{path} was written by a different run: {name!r} does not take its state "
                f"({reason}); {remedy}"
            ) from error
    torch.set_rng_state(content["random"])
    if content["random_cuda"] and torch.cuda.device_count() == len(content["random_cuda"]):
        torch.cuda.set_rng_state_all(content["random_cuda"])
    return done, {name: values.tolist() for name, values in content["metrics"].items()}
