"""Weights that travel with the package: what comes back, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from neurotutor import weights


def model(width: int = 8) -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(5, width), nn.BatchNorm1d(width), nn.Conv1d(width, 3, 1))


@pytest.fixture
def net():
    net = model()
    net[1](torch.randn(50, 8))  # statistics that are not those of the start
    return net


def fresh(width: int = 8) -> nn.Module:
    net = model(width)
    for each in net.parameters():
        nn.init.zeros_(each)
    return net


def test_everything_comes_back_as_it_was(tmp_path, net):
    path = weights.save(
        tmp_path / "deep" / "net.npz",
        {"a/1": net, "b": fresh()},
        {"seed": 3},
        arrays={"curve": np.arange(4.0)},
    )
    kept = weights.load(path, "make it")
    again = kept.restore("a/1", fresh())
    assert not again.training
    for (key, value), other in zip(
        net.state_dict().items(), again.state_dict().values(), strict=True
    ):
        assert torch.equal(value, other), key
    assert kept.arrays["curve"].tolist() == [0, 1, 2, 3]
    assert kept.made["seed"] == 3
    assert kept.made["date"] and kept.made["environment"]["torch"] == torch.__version__
    assert kept.made["environment"]["device"] == "cpu"
    assert [each.name for each in path.parent.iterdir()] == ["net.npz"]
    assert path.stat().st_mode & 0o044 == 0o044


def test_one_byte_errs_by_half_a_step_and_spares_what_is_exact(tmp_path, net):
    path = weights.save(tmp_path / "net.npz", {"a": net}, {}, one_byte=True, exact=("2.",))
    again = weights.load(path, "").restore("a", fresh()).state_dict()
    state = net.state_dict()
    step = state["0.weight"].abs().amax(dim=1, keepdim=True) / 127
    error = (again["0.weight"] - state["0.weight"]).abs()
    assert (error <= 0.5001 * step).all()
    assert error.max() > 0
    assert torch.allclose(again["1.running_var"], state["1.running_var"], rtol=1e-3)
    assert again["1.num_batches_tracked"] == state["1.num_batches_tracked"]
    assert torch.equal(again["2.weight"], state["2.weight"])


def test_a_row_of_zeros_survives(tmp_path):
    net = fresh()
    path = weights.save(tmp_path / "net.npz", {"a": net}, {}, one_byte=True)
    assert not weights.load(path, "").restore("a", model())[0].weight.any()


def test_what_does_not_fit_is_refused(tmp_path, net):
    path = weights.save(tmp_path / "net.npz", {"a": net}, {})
    kept = weights.load(path, "")
    with pytest.raises(KeyError, match=r"holds \['a'\], not 'b'"):
        kept.restore("b", net)
    with pytest.raises(ValueError, match="has the shape .* build the model with the sizes"):
        kept.restore("a", fresh(9))
    with pytest.raises(ValueError, match="lacks '0.lacking'"):
        kept.restore("a", nn.Sequential(nn.ParameterDict({"lacking": torch.ones(1)})))
    with pytest.raises(ValueError, match="holds more than the model"):
        kept.restore("a", net[:2])
    with pytest.raises(FileNotFoundError, match="make them with `python -m it`"):
        weights.load(tmp_path / "absent.npz", "python -m it")
