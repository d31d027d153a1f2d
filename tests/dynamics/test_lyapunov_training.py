"""Training of stacked networks, gradients, random networks, flossing: oracles and acceptance."""

import math
import signal
from dataclasses import replace

import numpy as np
import pytest
import torch

from neurotutor.data import mnist, text
from neurotutor.dynamics import lyapunov_rnn as lyap
from neurotutor.dynamics.lyapunov_rnn import experiments, flossing, lyapunov_spectrum, population
from tests.harness import oracle, planted, relative_error

F64 = torch.float64


def rand(*shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=F64)


# --- gradients, random networks -----------------------------------------------------------------


@oracle("eq-lyap-gradient")
@pytest.mark.parametrize("kind", ["tanh", "gru", "lstm"])
def test_equation_gradient(kind):
    """Literal products of transposed Jacobians, one lag after the other."""
    cell = lyap.uniform(kind, 2, 4, 0.9, seed=0)
    x = rand(1, 8, 2)
    states = [torch.zeros(1, cell.state_size, dtype=F64)]
    for t in range(8):
        states.append(cell.step(states[-1], x[:, t]))
    gradient = torch.randn(
        cell.state_size, generator=torch.Generator().manual_seed(5), dtype=F64
    ).tolist()
    slow = [0.5 * math.log(sum(v * v for v in gradient))]
    for t in reversed(range(8)):
        step = lyap.jacobian(cell, states[t], x[:, t])[0].tolist()
        gradient = [
            sum(step[i][j] * gradient[i] for i in range(cell.state_size))
            for j in range(cell.state_size)
        ]
        slow.append(0.5 * math.log(sum(v * v for v in gradient)))
    fast = lyap.gradient_log_norms(cell, states[0], x, seed=5)[0]
    assert relative_error(fast, slow) < 1e-10


def test_gradients_fall_at_the_rate_of_the_largest_exponent():
    net = lyap.gaussian(32, 0.8, noise=0.5, seed=0)
    x = rand(6, 260, 32)
    largest = lyapunov_spectrum(net, inputs=x, k=1, warmup=60).largest.item()
    norms = lyap.gradient_log_norms(net, torch.zeros(6, 32, dtype=F64), x)[:, :200]
    assert lyap.slope(norms, start=20).mean().item() == pytest.approx(largest, abs=0.02)
    assert lyap.slope(torch.arange(9.0) * 3 + 1).item() == pytest.approx(3.0)
    with pytest.raises(ValueError, match="two values"):
        lyap.slope(torch.zeros(4), start=3)


@oracle("eq-lyap-circular")
def test_equation_circular():
    slow = [math.log(0.8) + 0.5 * math.log(1 - (i + 0.5) / 40) for i in range(40)]
    assert relative_error(lyap.circular_law(40, 0.8), slow) < 1e-12
    # Against eigenvalues of a large draw, away from the smallest ones.
    net = lyap.gaussian(300, 0.8, seed=3)
    moduli = torch.linalg.eigvals(net.recurrent_weights).abs().log().sort(descending=True).values
    assert (moduli - lyap.circular_law(300, 0.8))[:225].abs().max() < 0.06


def test_random_networks_are_calm_or_chaotic_and_noise_calms_them():
    largest = {}
    for gain, noise in ((0.5, 0.0), (3.0, 0.0), (3.0, 3.0)):
        net = lyap.gaussian(64, gain, noise=noise, seed=0)
        x = rand(2, 260, 64, seed=1)
        found = lyapunov_spectrum(net, rand(2, 64, seed=2), x, warmup=60, k=1)
        largest[gain, noise] = found.largest.item()
    assert largest[0.5, 0.0] < -0.5
    assert 0.2 < largest[3.0, 0.0] < 0.4
    assert largest[3.0, 3.0] < largest[3.0, 0.0] - 0.1


# --- populations --------------------------------------------------------------------------------


def one_by_one(stacked, net):
    """One network of a population, as a population of one."""
    return lyap.Population(
        stacked.cell[net : net + 1], stacked.readout[net : net + 1], stacked.offset[net : net + 1]
    )


@pytest.mark.parametrize("kind", ["tanh", "gru", "lstm", "cornn"])
def test_stacked_training_equals_training_alone(kind):
    drawn = lyap.draw_population(kind, 3, 5, 4, torch.tensor([0.2, 0.8, 2.0]), seed=0, dtype=F64)
    x, y = rand(6, 7, 3), torch.arange(6) % 4
    together = lyap.Trainer(drawn, 0.01, clip=0.05)
    alone = [lyap.Trainer(one_by_one(drawn, net), 0.01, clip=0.05) for net in range(3)]
    for _ in range(8):
        losses = together.step(x, y)
        for net, trainer in enumerate(alone):
            assert losses[net].item() == pytest.approx(trainer.step(x, y).item(), abs=1e-9)
    for net, trainer in enumerate(alone):
        moved = trainer.population.cell.recurrent_weights[0]
        assert (together.population.cell.recurrent_weights[net] - moved).abs().max() < 1e-5
        assert not torch.equal(moved, drawn.cell.recurrent_weights[net])


def test_losses_are_those_of_torch():
    torch.manual_seed(0)
    module, head = torch.nn.GRU(3, 5, batch_first=True, bias=False).double(), torch.nn.Linear(5, 4)
    head = head.double()
    cell = lyap.from_torch(module)
    stacked = lyap.Population(
        lyap.stack([cell, cell]),
        head.weight.detach().expand(2, -1, -1),
        head.bias.detach().expand(2, -1),
    )
    x, last, every = rand(6, 7, 3), torch.arange(6) % 4, torch.arange(42).reshape(6, 7) % 4
    hidden, _ = module(x)
    wanted = torch.nn.functional.cross_entropy(head(hidden[:, -1]), last).item()
    assert lyap.evaluate(stacked, x, last).tolist() == pytest.approx([wanted, wanted])
    wanted = torch.nn.functional.cross_entropy(head(hidden).flatten(0, 1), every.flatten()).item()
    assert lyap.evaluate(stacked, x, every).tolist() == pytest.approx([wanted, wanted])


def test_a_trainer_leaves_its_start_alone_and_clips_each_network_by_itself():
    drawn = lyap.draw_population("tanh", 3, 5, 4, torch.tensor([0.2, 0.8]), seed=0)
    kept = drawn.cell.recurrent_weights.clone()
    trainer = lyap.Trainer(drawn, 0.1)
    trainer.step(rand(6, 7, 3).float(), torch.arange(6) % 4)
    assert torch.equal(drawn.cell.recurrent_weights, kept)
    with planted(
        population, "(self.clip / squares.sqrt()", "(self.clip / squares.sum().sqrt()"
    ) as bad:
        x, y = rand(6, 7, 3).float(), torch.arange(6) % 4
        right, wrong = lyap.Trainer(drawn, 0.1, clip=0.01), bad.Trainer(drawn, 0.1, clip=0.01)
        right.step(x, y)
        wrong.step(x, y)
        gradients = [t._weights[0].grad.flatten(1).norm(dim=1) for t in (right, wrong)]
    assert not torch.allclose(*gradients)


def test_dropout_is_off_in_evaluation_and_seeded_in_training():
    drawn = lyap.draw_population("tanh", 3, 5, 4, torch.tensor([0.5]), seed=0)
    x, y = rand(6, 7, 3).float(), torch.arange(6) % 4
    losses = [lyap.Trainer(drawn, 0.1, dropout=0.5, seed=s).step(x, y).item() for s in (0, 0, 1)]
    assert losses[0] == losses[1] != losses[2]
    assert lyap.evaluate(drawn, x, y).item() == lyap.Trainer(drawn, 0.1).step(x, y).item()


def test_training_lifts_small_networks_towards_zero():
    settings = lyap.DigitsConfig(
        hidden_size=12, n_networks=5, smallest_scale=0.05, largest_scale=0.2, epochs=3
    )
    run = lyap.run_digits(settings, mnist.digits(seed=0), watch_epochs=(0, 3), k=1, seed=0)
    assert run.steps[0] == 0
    assert run.spectra.shape == (2, 5, 1)
    assert (run.losses[1] < run.losses[0] - 0.2).all()
    assert (run.largest[1].abs() < run.largest[0].abs() - 0.2).all()


def test_characters_are_learned_down_to_no_less_than_the_entropy():
    made = text.simulate(20_000, 12, seed=0)
    settings = replace(
        lyap.CharacterConfig.tutorial(12), n_networks=2, smallest_scale=0.1, n_steps=40
    )
    run = lyap.run_characters(settings, made, kind="gru", watch=(0, 40), k=1)
    assert run.losses[0].mean().item() == pytest.approx(math.log(made.n_symbols), abs=0.3)
    assert (run.losses[1] < run.losses[0] - 0.2).any()
    assert (run.losses[1] > made.entropy_rate).all()
    short = replace(settings, n_steps=2)
    twice = [lyap.run_characters(short, made, kind="gru", watch=(2,), k=1).losses for _ in "ab"]
    assert torch.equal(*twice)


def test_a_stopped_run_goes_on_to_the_same_numbers(tmp_path, monkeypatch):
    made = text.simulate(5_000, 12, seed=0)
    settings = replace(
        lyap.CharacterConfig.tutorial(8),
        n_networks=2,
        n_steps=12,
        dropout=0.2,
        decay_from=3,
        steps_per_epoch=2,
    )

    def run(checkpoint=None):
        return lyap.run_characters(
            settings, made, kind="lstm", watch=(0, 4, 12), k=2, seed=3, checkpoint=checkpoint
        )

    whole = run()
    drawn, count = experiments.windows, [0]

    def stops(*args, **more):
        count[0] += 1
        if count[0] == 8:  # the first call draws the test windows
            signal.raise_signal(signal.SIGINT)
        return drawn(*args, **more)

    monkeypatch.setattr(experiments, "windows", stops)
    with pytest.raises(KeyboardInterrupt, match="after 7 of 12 steps"):
        run(tmp_path / "run.pt")
    monkeypatch.undo()
    resumed = run(tmp_path / "run.pt")
    assert torch.equal(resumed.losses, whole.losses)
    assert torch.equal(resumed.spectra, whole.spectra)
    assert torch.equal(resumed.first.readout, whole.first.readout)
    assert torch.equal(resumed.last.readout, whole.last.readout)
    assert torch.equal(resumed.last.cell.recurrent_weights, whole.last.cell.recurrent_weights)
    settings = replace(settings, hidden_size=9)
    with pytest.raises(ValueError, match="weights of shapes"):
        run(tmp_path / "run.pt")


def test_streams_and_scales():
    rows = torch.arange(24.0).reshape(6, 2, 2)
    streams = lyap.digit_streams(rows, 2, 3, seed=0)
    assert streams.shape == (2, 6, 2)
    assert sorted(streams.flatten().tolist()) == list(range(24))
    scales = lyap.log_spaced(0.05, 3.0, 7)
    assert scales[[0, -1]].tolist() == pytest.approx([0.05, 3.0])
    assert torch.allclose(scales[1:] / scales[:-1], (scales[1] / scales[0]).expand(6))
    paper = lyap.CharacterConfig()
    assert (paper.hidden_size, paper.batch_size, paper.n_steps) == (512, 128, 3000)
    assert lyap.one_hot(np.array([[2, 0]]), 3).tolist() == [[[0, 0, 1], [1, 0, 0]]]


# --- flossing -----------------------------------------------------------------------------------


@oracle("eq-lyap-flossing")
def test_equation_flossing():
    values = rand(3, 4)
    slow = sum(v * v for row in values.tolist() for v in row)
    assert lyap.flossing_loss(values).item() == pytest.approx(slow, rel=1e-12)


def test_exponents_can_be_differentiated():
    cell = lyap.gaussian(5, 0.7, noise=0.4, seed=0)
    x = rand(1, 6, 5)

    def loss(weights):
        found = lyapunov_spectrum(
            replace(cell, recurrent_weights=weights), inputs=x, k=3, differentiable=True
        )
        return flossing.flossing_loss(found.exponents)

    weights = cell.recurrent_weights.clone().requires_grad_()
    assert torch.autograd.gradcheck(loss, (weights,), atol=1e-6)
    assert not lyapunov_spectrum(
        replace(cell, recurrent_weights=weights), inputs=x
    ).exponents.requires_grad


def fresh_inputs(step):
    return rand(2, 15, 8, seed=100 + step)


def test_flossing_moves_three_exponents_to_zero():
    cell = lyap.gaussian(8, 0.5, noise=0.3, seed=0)
    moved = lyap.floss(cell, fresh_inputs, k=3, n_steps=40, learning_rate=0.03, warmup=2)
    assert moved.history.shape == (40, 3)
    assert moved.losses[-1] < 0.1 * moved.losses[0]
    fresh = rand(2, 100, 8, seed=7)
    before, after = (
        lyapunov_spectrum(each, inputs=fresh, k=3, warmup=20).exponents
        for each in (cell, moved.cell)
    )
    assert (after.abs() < before.abs() - 0.2).all()
    with planted(flossing, "exponents.square().sum()", "exponents.sum()") as bad:
        wrong = bad.floss(
            cell, fresh_inputs, k=3, n_steps=40, learning_rate=0.03, warmup=2
        ).history[-1]
    assert wrong.abs().max() > 0.5


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: lyap.gaussian(0, 1.0, seed=0), "hidden_size"),
        (lambda: lyap.circular_law(4, 0.0), "gain"),
        (lambda: lyap.log_spaced(1.0, 0.5, 3), "smallest"),
        (lambda: lyap.digit_streams(torch.zeros(3, 2, 2), 2, 2, seed=0), "different digits"),
        (lambda: lyap.draw_population("tanh", 3, 4, 1, torch.ones(2), seed=0), "n_classes"),
        (lambda: lyap.runge_kutta(lyap.lorenz(), 0.0), "dt"),
        (
            lambda: lyap.floss(
                lyap.gaussian(4, 1.0, seed=0), lambda _: rand(1, 9, 4), k=5, n_steps=1
            ),
            "k must be at most 4",
        ),
        (
            lambda: lyap.Trainer(lyap.draw_population("tanh", 3, 4, 2, torch.ones(2), seed=0), 0.0),
            "learning_rate",
        ),
        (
            lambda: lyap.Trainer(
                lyap.draw_population("tanh", 3, 4, 2, torch.ones(2), seed=0), 0.1, dropout=1.0
            ),
            "dropout",
        ),
        (
            lambda: lyap.run_digits(lyap.DigitsConfig(), mnist.digits(), watch_epochs=(3, 1)),
            "watch must increase",
        ),
    ],
)
def test_bad_arguments_are_refused(unchecked, call, message):
    with pytest.raises(ValueError, match=message):
        call()
