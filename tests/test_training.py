"""The training room: same numbers after any interruption, and errors that say what to do."""

from __future__ import annotations

import hashlib
import io
import os
import re
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from neurotutor.training import Batches, EarlyStop, History, RandomState, fit

# A run with everything that can go astray on a resume: an optimiser with moments, BatchNorm
# buffers, dropout (PyTorch's global generator), and two generators of the run's own.
RUN = textwrap.dedent(
    """
    import numpy as np, torch
    from torch import nn
    from neurotutor.training import RandomState, fit

    def run(n_steps, checkpoint=None, seed=0, width=6, before=lambda i: None, **options):
        torch.set_num_threads(1)
        torch.manual_seed(seed)
        model = nn.Sequential(nn.Linear(4, width), nn.BatchNorm1d(width), nn.Dropout(0.5),
                              nn.Linear(width, 1))
        optimiser = torch.optim.AdamW(model.parameters(), lr=0.01)
        drawn = torch.Generator().manual_seed(seed)
        noise = np.random.default_rng(seed)

        def step(i):
            before(i)
            inputs = torch.randn(16, 4, generator=drawn)
            inputs += torch.as_tensor(noise.normal(size=inputs.shape), dtype=inputs.dtype)
            loss = (model(inputs) - inputs.sum(1, keepdim=True)).square().mean()
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            return {"loss": loss} | ({"rare": float(i)} if i % 3 == 0 else {})

        state = {"model": model, "optimiser": optimiser, "drawn": RandomState(drawn),
                 "noise": RandomState(noise)}
        options = {"checkpoint_every": 5, "progress": False} | options
        return fit(step, n_steps, state=state, checkpoint=checkpoint, **options), model
    """
)
_space: dict = {}
exec(RUN, _space)
run = _space["run"]


def assert_same(one, other):
    (history, model), (again, model_again) = one, other
    assert np.array_equal(history.steps, again.steps)
    assert history.metrics.keys() == again.metrics.keys()
    for name in history.metrics:
        assert np.array_equal(history.metrics[name], again.metrics[name], equal_nan=True)
    for key, value in model.state_dict().items():
        assert torch.equal(value, model_again.state_dict()[key]), key


def test_history_keeps_every_step_and_marks_what_was_not_reported():
    history, _ = run(7)
    assert isinstance(history, History)
    assert history.steps.tolist() == [0, 1, 2, 3, 4, 5, 6]
    assert np.isfinite(history.metrics["loss"]).all()
    rare = history.metrics["rare"]
    assert np.isnan(rare[[1, 2, 4, 5]]).all()
    assert rare[[0, 3, 6]].tolist() == [0.0, 3.0, 6.0]
    assert not history.interrupted
    assert not history.stopped_early


def test_metric_that_appears_late_is_nan_before():
    history = fit(lambda i: {"late": 1.0} if i == 3 else {}, 5, progress=False)
    assert np.array_equal(history.metrics["late"], [np.nan] * 3 + [1.0, np.nan], equal_nan=True)


@settings(deadline=None, max_examples=15)
@given(first=st.integers(1, 11), every=st.integers(1, 13))
def test_resumed_run_equals_uninterrupted_run(tmp_path_factory, first, every):
    checkpoint = tmp_path_factory.mktemp("run") / "run.ckpt"
    run(first, checkpoint, checkpoint_every=every)
    assert_same(run(12, checkpoint, checkpoint_every=every), run(12))


def generator_of(kind, seed=0):
    torch_one = kind == "torch"
    return torch.Generator().manual_seed(seed) if torch_one else np.random.default_rng(seed)


@pytest.mark.parametrize("kind", ["torch", "numpy"])
@settings(deadline=None, max_examples=20)
@given(n=st.integers(1, 12), size=st.integers(1, 12), drawn=st.integers(0, 9))
def test_batches_see_every_row_once_before_any_twice(kind, n, size, drawn):
    size = min(size, n)
    batches = Batches(n, size, generator_of(kind))
    for _ in range(3):
        rows = np.concatenate([np.asarray(batches.draw()) for _ in range(n // size)])
        assert len(set(rows.tolist())) == len(rows) <= n
    for _ in range(drawn):
        batches.draw()
    other = Batches(n, size, generator_of(kind))
    other.load_state_dict(batches.state_dict())
    for _ in range(2 * n):
        rows = batches.draw()
        assert isinstance(rows, torch.Tensor if kind == "torch" else np.ndarray)
        assert rows.tolist() == other.draw().tolist()


def test_batches_of_other_rows_are_another_run(tmp_path, unchecked):
    def draw(n, seed=0):
        batches = Batches(n, 2, generator_of("torch", seed))
        fit(
            lambda i: {"row": float(batches.draw()[0])},
            2,
            state={"batches": batches},
            checkpoint=tmp_path / "run.pt",
            progress=False,
        )

    draw(6)
    for other in ((7,), (6, 1)):
        with pytest.raises(ValueError, match="different run: seed of 'batches'"):
            draw(*other)
    for size in (0, 7):
        with pytest.raises(ValueError, match="a batch of 6 rows holds 1 to 6"):
            Batches(6, size, generator_of("torch"))
    with pytest.raises(TypeError, match="wraps a torch.Generator"):
        Batches(6, 2, np.random.RandomState(0))


def test_finished_run_is_loaded_without_a_step(tmp_path):
    first = run(6, tmp_path / "run.ckpt")

    def never(i):
        raise AssertionError("a step was done again")

    assert_same(first, run(6, tmp_path / "run.ckpt", before=never))


def test_killed_run_goes_on_to_the_same_numbers(tmp_path):
    """SIGKILL, again and again, at whatever moment it falls, also while a checkpoint is written."""
    checkpoint = tmp_path / "deep" / "run.ckpt"
    code = RUN + textwrap.dedent(
        """
        import sys, time
        def before(i):
            print(i, flush=True)
            time.sleep(0.002)
        run(120, sys.argv[1], checkpoint_every=1, before=before)
        """
    )
    killed = 0
    started = []
    for lines in (3, 20, 41):
        child = subprocess.Popen(
            [sys.executable, "-c", code, str(checkpoint)], stdout=subprocess.PIPE, text=True
        )
        started.append(int(child.stdout.readline()))
        for _ in range(lines - 1):
            child.stdout.readline()
        time.sleep(0.001 * killed)
        child.kill()
        killed += child.wait() == -signal.SIGKILL
        child.stdout.close()
    assert killed == 3
    assert started[0] == 0
    assert started == sorted(set(started)), "each run goes on where the one before was"
    assert_same(run(120, checkpoint), run(120))
    assert [path.name for path in checkpoint.parent.iterdir() if path.suffix != ".tmp"] == [
        "run.ckpt"
    ]


def test_half_written_checkpoint_is_never_taken_for_one(tmp_path, monkeypatch):
    checkpoint = tmp_path / "run.ckpt"
    run(5, checkpoint)
    before = checkpoint.read_bytes()

    def dies(source, target):
        raise OSError("the machine stops here")

    monkeypatch.setattr(os, "replace", dies)
    with pytest.raises(OSError, match="the machine stops"):
        run(10, checkpoint)
    monkeypatch.undo()
    assert checkpoint.read_bytes() == before
    assert_same(run(10, checkpoint), run(10))


def test_ctrl_c_finishes_the_step_saves_and_returns(tmp_path, capfd):
    checkpoint = tmp_path / "run.ckpt"

    def interrupt(i):
        if i == 7:
            os.kill(os.getpid(), signal.SIGINT)

    handler = signal.getsignal(signal.SIGINT)
    history, _ = run(12, checkpoint, before=interrupt)
    assert signal.getsignal(signal.SIGINT) is handler
    assert history.interrupted
    assert len(history.steps) == 8, "the step that was running is finished"
    assert "interrupt again" in capfd.readouterr().err
    resumed = run(12, checkpoint)
    assert not resumed[0].interrupted
    assert_same(resumed, run(12))


def test_ctrl_c_in_the_last_step_is_a_finished_run():
    history, _ = run(3, before=lambda i: i == 2 and os.kill(os.getpid(), signal.SIGINT))
    assert len(history.steps) == 3
    assert not history.interrupted


def test_second_ctrl_c_stops_at_once_and_keeps_the_last_checkpoint(tmp_path):
    checkpoint = tmp_path / "run.ckpt"

    def impatient(i):
        if i == 7:
            os.kill(os.getpid(), signal.SIGINT)
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        run(12, checkpoint, before=impatient)
    seen = []
    assert_same(run(12, checkpoint, before=seen.append), run(12))
    assert seen[0] == 5


def test_interrupt_that_the_step_raises_itself(tmp_path):
    checkpoint = tmp_path / "run.ckpt"

    def stop(i):
        if i == 7:
            raise KeyboardInterrupt

    history, _ = run(12, checkpoint, before=stop)
    assert history.interrupted
    assert len(history.steps) == 7
    assert_same(run(12, checkpoint), run(12))


def test_runs_outside_the_main_thread():
    found = []
    thread = threading.Thread(target=lambda: found.append(run(3)))
    thread.start()
    thread.join()
    assert len(found[0][0].steps) == 3


def test_error_in_a_step_comes_through_and_the_last_checkpoint_stays(tmp_path):
    checkpoint = tmp_path / "run.ckpt"

    def fails(i):
        if i == 8:
            raise ZeroDivisionError("of the step")

    with pytest.raises(ZeroDivisionError, match="of the step"):
        run(12, checkpoint, before=fails)
    assert_same(run(12, checkpoint), run(12))


def values_of(values):
    return lambda i: {"score": values[i]}


def test_early_stop():
    values = [5.0, 4.0, 3.0, 3.0, 3.5, 3.2, 1.0]
    stopped = fit(values_of(values), 7, early_stop=EarlyStop("score", 3), progress=False)
    assert stopped.stopped_early
    assert len(stopped.steps) == 6
    rising = fit(
        values_of([-v for v in values]),
        7,
        progress=False,
        early_stop=EarlyStop("score", 3, minimise=False),
    )
    assert len(rising.steps) == 6
    patient = fit(values_of(values), 7, early_stop=EarlyStop("score", 4), progress=False)
    assert not patient.stopped_early
    assert len(patient.steps) == 7


@settings(deadline=None, max_examples=50)
@given(
    values=st.lists(st.floats(-5, 5) | st.just(float("nan")), min_size=2, max_size=20),
    patience=st.integers(1, 6),
    cut=st.integers(1, 19),
)
def test_early_stop_is_the_same_after_a_resume(tmp_path_factory, values, patience, cut):
    values[0] = 1.0
    rule = EarlyStop("score", patience)
    whole = fit(values_of(values), len(values), early_stop=rule, progress=False)
    best = [np.nanmin(values[: i + 1]) for i in range(len(values))]
    expected = next(
        (i + 1 for i in range(len(values)) if i - best.index(best[i]) >= patience), len(values)
    )
    assert len(whole.steps) == expected
    checkpoint = tmp_path_factory.mktemp("run") / "run.ckpt"
    fit(
        values_of(values),
        min(cut, len(values)),
        early_stop=rule,
        progress=False,
        checkpoint=checkpoint,
    )
    again = fit(
        values_of(values), len(values), early_stop=rule, progress=False, checkpoint=checkpoint
    )
    assert np.array_equal(whole.metrics["score"], again.metrics["score"], equal_nan=True)
    assert whole.stopped_early == again.stopped_early


def test_early_stop_says_that_its_metric_is_never_reported():
    with pytest.raises(ValueError, match=r"waits for the metric 'lss'.*reports 'loss'.*correct"):
        run(9, early_stop=EarlyStop("lss", 4))


@pytest.mark.parametrize(
    "make",
    [
        lambda s: torch.Generator().manual_seed(s),
        np.random.default_rng,
        lambda s: np.random.Generator(np.random.MT19937(s)),
    ],
)
def test_random_state_round_trip(make):
    def draw(generator):
        if isinstance(generator, torch.Generator):
            return torch.rand(5, generator=generator).tolist()
        return generator.normal(size=5).tolist()

    generator = make(3)
    draw(generator)
    kept = RandomState(generator).state_dict()
    expected = draw(generator)
    assert expected != draw(generator)
    other = make(4)
    RandomState(other).load_state_dict(kept)
    assert draw(other) == expected


def test_random_state_refuses_other_kinds(unchecked):
    with pytest.raises(TypeError, match=r"torch.Generator or a numpy.random.Generator, got int"):
        RandomState(3)
    kept = RandomState(np.random.default_rng(0)).state_dict()
    with pytest.raises(ValueError, match="state of a torch generator"):
        RandomState(torch.Generator()).load_state_dict(kept)


@settings(deadline=None)
@given(data=st.data())
def test_damaged_checkpoint_is_refused(tmp_path_factory, data):
    checkpoint = tmp_path_factory.mktemp("run") / "run.ckpt"
    fit(lambda i: {"loss": 1.0}, 2, checkpoint=checkpoint, progress=False)
    whole = checkpoint.read_bytes()
    at = data.draw(st.integers(0, len(whole) - 1))
    if data.draw(st.booleans()):
        damaged = whole[:at]
    else:
        damaged = whole[:at] + bytes([whole[at] ^ data.draw(st.integers(1, 255))]) + whole[at + 1 :]
    checkpoint.write_bytes(damaged)
    with pytest.raises(ValueError, match=r"(damaged|not a checkpoint).*delete it") as caught:
        fit(lambda i: {"loss": 1.0}, 3, checkpoint=checkpoint, progress=False)
    assert "\n" not in str(caught.value)


def test_checkpoint_never_runs_code(tmp_path):
    """A checkpoint made by someone else, checksum and all, may not execute anything."""

    class Bomb:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "exploded"),)

    buffer = io.BytesIO()
    torch.save({"done": Bomb()}, buffer)
    payload = buffer.getvalue()
    head = b"neurotutor training checkpoint, form 1\n"
    (tmp_path / "run.ckpt").write_bytes(
        head + hashlib.sha256(payload).hexdigest().encode() + b"\n" + payload
    )
    with pytest.raises(ValueError, match="refused"):
        run(3, tmp_path / "run.ckpt")
    assert not (tmp_path / "exploded").exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"width": 7}, r"0.bias of 'model' is \(6,\) there and \(7,\) here"),
        ({"seed": 1}, r"seed of 'drawn' is 0 there and 1 here"),
        ({"n_steps": 5}, r"10 steps into its run, beyond n_steps=5: raise n_steps"),
    ],
)
def test_checkpoint_of_a_different_run(tmp_path, change, message):
    run(10, tmp_path / "run.ckpt")
    with pytest.raises(ValueError, match=message) as caught:
        run(**({"n_steps": 20, "checkpoint": tmp_path / "run.ckpt"} | change))
    assert "\n" not in str(caught.value)
    assert "delete it or pass another path" in str(caught.value)


def test_checkpoint_of_a_run_with_other_state_or_metrics(tmp_path):
    checkpoint = tmp_path / "run.ckpt"
    fit(
        lambda i: {"loss": 1.0},
        2,
        state={"net": torch.nn.Linear(2, 2)},
        checkpoint=checkpoint,
        progress=False,
    )
    with pytest.raises(ValueError, match=r"holds the state of 'net', this run has 'model'"):
        fit(
            lambda i: {"loss": 1.0},
            3,
            state={"model": torch.nn.Linear(2, 2)},
            checkpoint=checkpoint,
            progress=False,
        )
    with pytest.raises(ValueError, match=r"holds the metrics 'loss', this step reports 'accuracy'"):
        fit(
            lambda i: {"accuracy": 1.0},
            3,
            state={"net": torch.nn.Linear(2, 2)},
            checkpoint=checkpoint,
            progress=False,
        )


def test_optimiser_of_a_different_run(tmp_path):
    def optimiser(n):
        return torch.optim.SGD([torch.nn.Parameter(torch.zeros(2)) for _ in range(n)], lr=0.1)

    checkpoint = tmp_path / "run.ckpt"
    fit(lambda i: {}, 1, state={"optimiser": optimiser(1)}, checkpoint=checkpoint, progress=False)
    with pytest.raises(ValueError, match=r"number of parameters of 'optimiser' is \[1\] there"):
        fit(
            lambda i: {},
            2,
            state={"optimiser": optimiser(2)},
            checkpoint=checkpoint,
            progress=False,
        )


class Odd:
    def state_dict(self):
        return {"object": Odd()}

    def load_state_dict(self, state):
        raise AssertionError("never reached")


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"n_steps": 0}, ValueError, "n_steps must be 1 or greater, got 0"),
        ({"n_steps": 2.5}, TypeError, "n_steps must be a whole number, got 2.5"),
        ({"checkpoint_every": -1}, ValueError, "checkpoint_every must be 1 or greater"),
        ({"state": {"generator": torch.Generator()}}, TypeError, "wrap a generator in RandomState"),
        ({"step": lambda i: 0.5}, TypeError, "must return a dict of metrics, got float at step 0"),
        ({"step": lambda i: {"loss": "low"}}, TypeError, "metric 'loss' must be one number"),
        ({"step": lambda i: {"loss": torch.zeros(2)}}, TypeError, "'loss' must be one number"),
        (
            {"state": {"good": torch.nn.Linear(1, 1), "odd": Odd()}, "checkpoint": "run.ckpt"},
            TypeError,
            "the state of 'odd' cannot be saved safely",
        ),
        ({"checkpoint": "."}, ValueError, "must be a file, got the folder"),
        ({"checkpoint": "file/run.ckpt"}, PermissionError, "cannot make the folder file"),
    ],
)
def test_bad_arguments(arguments, error, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("file").touch()
    with pytest.raises(error, match=re.escape(message)) as caught:
        fit(**({"step": lambda i: {"loss": 1.0}, "n_steps": 3, "progress": False} | arguments))
    assert "\n" not in str(caught.value)


@pytest.mark.usefixtures("unchecked")
def test_bad_patience():
    with pytest.raises(ValueError, match="patience must be 1 or greater, got 0"):
        EarlyStop("loss", 0)
    with pytest.raises(TypeError, match="patience must be a whole number"):
        EarlyStop("loss", 1.5)


def test_progress_bar_is_shown_and_silent_while_the_book_is_built(capfd, monkeypatch):
    fit(lambda i: {"loss": 0.25}, 3, description="a named run")
    shown = capfd.readouterr().err
    assert "a named run" in shown
    assert "3/3" in shown
    assert "loss=0.25" in shown
    fit(lambda i: {"loss": 0.25}, 3, progress=False)
    monkeypatch.setenv("NEUROTUTOR_RECORDS", "anywhere")
    fit(lambda i: {"loss": 0.25}, 3)
    assert capfd.readouterr().err == ""
