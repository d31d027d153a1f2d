"""Test session set-up: every annotation of the package is checked while the tests run."""

import os

os.environ.setdefault("MPLBACKEND", "Agg")

from jaxtyping import config, install_import_hook

install_import_hook("neurotutor", "beartype.beartype")

import pytest  # noqa: E402 - the hook must be in place before anything imports the package


@pytest.fixture
def unchecked():
    """Switch the shape checks off, so that a test of bad input meets the function's own error."""
    config.update("jaxtyping_disable", True)
    yield
    config.update("jaxtyping_disable", False)


@pytest.fixture(autouse=True)
def one_thread():
    """Run every test on one thread, so that numbers do not depend on how many run side by side."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(autouse=True)
def no_book_environment(monkeypatch):
    """Keep a test from writing into the records of a book build, or from reading its scale."""
    for name in ("NEUROTUTOR_RECORDS", "NEUROTUTOR_SCALE"):
        monkeypatch.delenv(name, raising=False)
