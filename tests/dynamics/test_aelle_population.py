"""Networks trained in stacks, their spectra, the table of the package, the sweep on a cluster."""

import dataclasses

import joblib
import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy

from neurotutor.dynamics import aelle
from neurotutor.dynamics.aelle import PopulationConfig, population
from neurotutor.dynamics.lyapunov_rnn import lyapunov_spectrum, uniform
from tests.harness import planted, relative_error

TINY = PopulationConfig(
    sizes=(4,), networks=3, epochs=2, spectrum_epochs=(0, 2), streams=2, stream_digits=6, warmup=8
)


def few_digits(n=60):
    digits = aelle.row_digits()
    return dataclasses.replace(
        digits,
        train=digits.train[:n],
        train_labels=digits.train_labels[:n],
        test=digits.test[:40],
        test_labels=digits.test_labels[:40],
    )


def networks(kind="lstm", count=3, size=6, dtype=torch.float64):
    scale = torch.linspace(0.2, 1.5, count, dtype=torch.float64)
    cell = uniform(kind, 8, size, scale, seed=0, dtype=dtype)
    readout = torch.randn(count, 10, size, generator=torch.Generator().manual_seed(1)).to(dtype)
    return cell, readout


def in_double(digits):
    return dataclasses.replace(digits, train=digits.train.double(), test=digits.test.double())


@pytest.mark.parametrize("kind", ["tanh", "gru", "lstm"])
def test_a_stack_learns_what_each_network_learns_alone(kind):
    config = PopulationConfig(batch_size=20, epochs=2, spectrum_epochs=(0, 1, 2))
    digits, (cell, readout) = in_double(few_digits()), networks(kind)
    together = aelle.train_population(cell, readout, digits, config, seed=7)
    for number in range(3):
        alone = aelle.train_population(
            cell[number : number + 1], readout[number : number + 1], digits, config, seed=7
        )
        assert relative_error(together.losses[:, number], alone.losses[:, 0]) < 1e-5
        for mine, theirs in zip(
            alone.snapshots[2].tensors(), together.snapshots[2].tensors(), strict=True
        ):
            assert relative_error(theirs[number], mine[0]) < 1e-5


def test_a_network_alone_learns_as_pytorch_would():
    """One LSTM in the stack against torch.nn.LSTM, one loss, one optimiser."""
    config = PopulationConfig(batch_size=20, epochs=1, spectrum_epochs=(0, 1))
    digits, (cell, readout) = in_double(few_digits()), networks("lstm")
    trained = aelle.train_population(cell, readout, digits, config, seed=3)
    net = torch.nn.LSTM(8, 6, bias=False, batch_first=True).double()
    head = torch.nn.Linear(6, 10, bias=False).double()
    with torch.no_grad():
        net.weight_ih_l0.copy_(cell.input_weights[1])
        net.weight_hh_l0.copy_(cell.recurrent_weights[1])
        head.weight.copy_(readout[1])
    optimiser = torch.optim.Adam([*net.parameters(), *head.parameters()], lr=0.01)
    order = torch.randperm(60, generator=torch.Generator().manual_seed(3))
    for chosen in order.split(20):
        loss = cross_entropy(head(net(digits.train[chosen])[0][:, -1]), digits.train_labels[chosen])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert relative_error(trained.snapshots[1].recurrent_weights[1], net.weight_hh_l0) < 1e-6
    assert relative_error(trained.readouts[1][1], head.weight) < 1e-6
    after = cross_entropy(head(net(digits.test)[0][:, -1]), digits.test_labels)
    assert float(trained.losses[1, 1]) == pytest.approx(float(after.detach()), rel=1e-6)


def test_training_leaves_its_arguments_alone():
    cell, readout = networks(dtype=torch.float32)
    before = [each.clone() for each in (*cell.tensors(), readout)]
    trained = aelle.train_population(cell, readout, few_digits(), TINY, seed=0)
    assert all(torch.equal(a, b) for a, b in zip(before, (*cell.tensors(), readout), strict=True))
    assert torch.equal(trained.snapshots[0].recurrent_weights, cell.recurrent_weights)
    assert not any(each.requires_grad for each in trained.snapshots[2].tensors())


@pytest.mark.parametrize("kind", ["tanh", "gru", "lstm"])
def test_spectra_of_a_stack_are_those_of_its_networks(kind):
    cell, _ = networks(kind)
    inputs = aelle.stimulus("test", few_digits(), TINY, seed=0)
    together = aelle.population_spectra(cell, inputs, TINY)
    assert (np.diff(together, axis=1) <= 0).all()
    for number in range(3):
        alone = [
            lyapunov_spectrum(cell[number], inputs=each[None], align=8).exponents for each in inputs
        ]
        mean = torch.stack(alone).mean(dim=0).sort(descending=True).values
        assert relative_error(together[number], mean) < 1e-8


def test_digits_are_divided_once_and_completely():
    digits = aelle.row_digits()
    assert digits.train.shape == (1200, 8, 8)
    assert digits.test.shape == (597, 8, 8)
    assert 0 <= float(digits.train.min()) < float(digits.train.max()) == 1
    again, other = aelle.row_digits(), aelle.row_digits(1)
    assert torch.equal(digits.train, again.train)
    assert not torch.equal(digits.train, other.train)


def test_stimuli_share_no_picture():
    digits, config = aelle.row_digits(), PopulationConfig()
    first = aelle.stimulus("test", digits, config, seed=0)
    other = aelle.stimulus("other", digits, config, seed=0)
    assert first.shape == other.shape == (3, 160, 8)
    assert torch.equal(first[0, :8].float(), digits.test[0])
    assert torch.equal(other[0, :8].float(), digits.test[60])
    noise = aelle.stimulus("noise", digits, config, seed=0)
    assert float(noise.mean()) == pytest.approx(float(digits.test.mean()), abs=0.02)
    assert float(noise.std()) == pytest.approx(float(digits.test.std()), abs=0.02)


# --- the sweep ----------------------------------------------------------------------------------


def same(a, b):
    assert np.array_equal(a.cell, b.cell)
    assert np.array_equal(a.scale, b.scale)
    assert np.array_equal(a.losses, b.losses)
    assert a.spectra.keys() == b.spectra.keys()
    for name in a.spectra:
        assert np.array_equal(a.spectra[name], b.spectra[name], equal_nan=True)


def test_the_sweep_is_the_same_on_a_cluster():
    """joblib hands the groups to the workers of a Dask cluster, and the table does not change."""
    from dask.distributed import Client

    serial = aelle.sweep(TINY, seed=0)
    with Client(
        processes=False, n_workers=2, threads_per_worker=1, dashboard_address=None
    ) as client:
        with joblib.parallel_config(backend="dask", client=client):
            parallel = aelle.sweep(TINY, seed=0)
        seen = client.run_on_scheduler(lambda dask_scheduler: dask_scheduler.transition_counter)
    same(serial, parallel)
    assert seen >= 3  # the scheduler has seen the tasks: they did not run beside the cluster


def test_the_sweep_depends_on_its_seed_alone_and_groups_on_nothing_else():
    config = dataclasses.replace(TINY, cells=("vanilla", "gru"))
    both = aelle.sweep(config, seed=1)
    one = aelle.sweep(dataclasses.replace(config, cells=("gru",)), seed=1)
    assert np.array_equal(both.losses[3:], one.losses)
    assert not np.array_equal(both.losses, aelle.sweep(config, seed=2).losses)


def test_tables_survive_their_file(tmp_path):
    made = aelle.sweep(TINY, seed=0)
    assert len(made) == 9
    assert made.spectra["test"].shape == (9, 2, 8)
    path = tmp_path / "table.npz"
    aelle.save_population(made, path)
    read = aelle.load_population(path)
    assert list(read.cell) == list(made.cell)
    assert relative_error(read.losses, made.losses) < 1e-6
    for kind, epoch in (("test", 0), ("test", 2), ("noise", 2), ("hidden", 2)):
        for a, b in zip(read.of(kind, epoch), made.of(kind, epoch), strict=True):
            assert len(a) == len(b)
            assert np.allclose(a, b, rtol=2e-3, atol=1e-3)
    assert [len(row) for row in made.of("test", 0)] == [4] * 6 + [8] * 3
    assert [len(row) for row in made.of("hidden", 2)] == [4] * 9
    assert read.made["seed"] == 0
    assert {"torch", "numpy", "device", "threads"} <= set(read.made["environment"])


def test_the_package_carries_600_networks():
    table = aelle.load_population()
    assert len(table) == 600
    assert population.TABLE.stat().st_size < 1_500_000
    for cell in ("vanilla", "gru", "lstm"):
        for size in (16, 32):
            assert ((table.cell == cell) & (table.size == size)).sum() == 100
    assert table.losses.shape == (600, 11)
    assert np.isfinite(table.losses).all()
    assert 0.05 <= table.scale.min() < 0.06
    assert 2.8 < table.scale.max() <= 3.0
    assert table.made["config"]["networks"] == 100
    assert "cpu" in table.made["environment"]["device"]


def test_a_part_of_the_table_made_again():
    """The first vanilla networks of 16 units, untrained: spectra and losses come back.

    Weights and inputs are drawn from seeds, so before training only rounding differs between
    machines. A chaotic network amplifies it, so the largest exponents of large p are left out.
    """
    table = aelle.load_population()
    config = PopulationConfig(
        cells=("vanilla",), sizes=(16,), epochs=1, spectrum_epochs=(0, 1), warmup=32
    )
    made = aelle.sweep(dataclasses.replace(config), seed=int(table.made["seed"]))
    rows = np.flatnonzero((table.cell == "vanilla") & (table.size == 16))
    assert np.allclose(made.scale, table.scale[rows], rtol=1e-6)
    assert np.allclose(made.losses[:, 0], table.losses[rows, 0], rtol=1e-4)
    # One epoch is 12 steps of Adam: small differences have hardly grown.
    assert np.median(np.abs(made.losses[:, 1] / table.losses[rows, 1] - 1)) < 1e-3
    calm = table.scale[rows] < 0.5
    stored = np.stack([table.of("test", 0)[row] for row in rows])
    again = np.stack(made.of("test", 0))
    floor = -16.0  # a direction that is lost at once has no exponent worth comparing
    stored, again = (np.maximum(each[calm], floor) for each in (stored, again))
    assert np.allclose(again, stored, atol=0.01, rtol=2e-3)


# --- planted bug and bad input ------------------------------------------------------------------


def test_planted_maximum_in_place_of_the_sum():
    """With the largest loss in place of the sum, only one network learns from a batch."""
    config = PopulationConfig(batch_size=20, epochs=1, spectrum_epochs=(0, 1))
    digits, (cell, readout) = in_double(few_digits()), networks("tanh")
    with planted(
        population,
        "loss = network_losses(scores, digits.train_labels[chosen]).sum()",
        "loss = network_losses(scores, digits.train_labels[chosen]).max()",
    ) as bad:
        together = bad.train_population(cell, readout, digits, config, seed=7)
    alone = aelle.train_population(cell[:1], readout[:1], digits, config, seed=7)
    assert relative_error(together.losses[:, 0], alone.losses[:, 0]) > 1e-3


@pytest.mark.usefixtures("unchecked")
def test_bad_input():
    cell, readout = networks(dtype=torch.float32)
    with pytest.raises(ValueError, match="stack of networks"):
        aelle.train_population(cell[0], readout[0], few_digits(), TINY, seed=0)
    with pytest.raises(ValueError, match="stack of networks"):
        aelle.train_population(cell, readout[:2], few_digits(), TINY, seed=0)
    with pytest.raises(ValueError, match="test, other, noise"):
        aelle.stimulus("music", few_digits(), TINY, seed=0)
    with pytest.raises(ValueError, match="streams need 120 test pictures, got 40"):
        aelle.stimulus("other", few_digits(), PopulationConfig(), seed=0)
    with pytest.raises(ValueError, match="seed"):
        aelle.sweep(TINY, seed=-1)
    with pytest.raises(ValueError, match="no spectra of kind"):
        aelle.load_population().of("noise", 0)
    with pytest.raises(FileNotFoundError):
        aelle.load_population(population.TABLE.with_name("absent.npz"))
