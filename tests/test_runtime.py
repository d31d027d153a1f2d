"""Device, scale and the environment that recorded numbers carry."""

import pytest
import torch

from neurotutor import runtime


def test_scale_is_tutorial_unless_asked_otherwise(monkeypatch):
    assert runtime.scale() == "tutorial"
    monkeypatch.setenv("NEUROTUTOR_SCALE", "paper")
    assert runtime.scale() == "paper"
    monkeypatch.setenv("NEUROTUTOR_SCALE", "huge")
    with pytest.raises(ValueError, match="'tutorial' or 'paper', got 'huge'"):
        runtime.scale()


@pytest.mark.parametrize(
    ("cuda", "mps", "expected"),
    [(True, True, "cuda"), (False, True, "mps"), (False, False, "cpu")],
)
def test_device_prefers_cuda_then_mps_then_the_cpu(monkeypatch, cuda, mps, expected):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)
    assert runtime.device().type == expected


def test_environment_names_what_a_recorded_number_depends_on():
    found = runtime.environment()
    assert found["threads"] == torch.get_num_threads()
    assert found["torch"].split("+")[0] == torch.__version__.split("+")[0]
    assert {"device", "cores", "platform", "python", "numpy", "scale", "neurotutor"} <= found.keys()
