"""Texts: the novel, the language with a known entropy, windows, conversion, and what is refused."""

import hashlib
import math
from collections import Counter

import numpy as np
import pytest

from neurotutor.data import CorruptData, DataNotFound, registry, text
from tests.harness import recording


@pytest.mark.parametrize(
    ("name", "length", "symbols"),
    [(text.WAR_AND_PEACE, 3_202_303, 82), (text.WAR_AND_PEACE_300K, 300_000, 76)],
)
def test_the_novel_is_the_original_one(name, length, symbols):
    recording(name)
    novel = text.load(name)
    assert len(novel.codes) == length
    assert novel.n_symbols == symbols
    assert novel.decode(novel.codes[:9]) == "CHAPTER I"
    assert math.isnan(novel.entropy_rate)


def test_the_whole_novel_is_the_original_file_byte_by_byte():
    recording(text.WAR_AND_PEACE)
    written = text.load(text.WAR_AND_PEACE).decode().encode()
    (wanted,) = registry.entry(text.WAR_AND_PEACE).origin_sha256
    assert hashlib.sha256(written).hexdigest() == wanted


def test_the_entropy_of_the_made_up_language_is_that_of_its_words():
    made = text.simulate(200_000, 50, seed=1)
    assert made.simulated
    assert len(made.codes) == 200_000
    words = made.decode().split(" ")[:-1]
    counts = np.array(list(Counter(words).values()), float)
    p = counts / counts.sum()
    rate = -(p * np.log(p)).sum() / np.mean([len(word) + 1 for word in words])
    assert rate == pytest.approx(made.entropy_rate, rel=0.02)
    assert max(Counter(words).values()) / len(words) == pytest.approx(
        1 / sum(1 / np.arange(1, 51)), rel=0.05
    )
    assert np.array_equal(text.simulate(500, seed=3).codes, text.simulate(500, seed=3).codes)
    assert not np.array_equal(text.simulate(500, seed=3).codes, text.simulate(500, seed=4).codes)


def test_windows_hold_the_true_next_characters():
    made = text.encode("abcdefghij" * 20)
    first, last = text.split(made, 0.8)
    assert len(first.codes) == 160
    assert len(last.codes) == 40
    drawn = text.windows(first, 7, 12, rng=np.random.default_rng(0))
    assert drawn.shape == (7, 13)
    assert (np.diff(drawn, axis=1) % 10 == 1).all()
    # Every start is possible, the last one included.
    starts = text.windows(text.encode("ab" * 3), 300, 5, rng=np.random.default_rng(0))[:, 0]
    assert set(starts.tolist()) == {0}


def test_a_text_file_is_converted(tmp_path):
    original = tmp_path / "input.txt"
    written = "über\nWäldern" * 3
    original.write_bytes(written.encode())
    arrays = text.from_utf8(original)
    assert arrays["codes"].dtype == np.uint8
    assert "".join(map(chr, arrays["vocab"][arrays["codes"]])) == written
    np.savez(tmp_path / "own.npz", **arrays)
    assert text.load(tmp_path / "own.npz").decode() == written
    original.write_bytes(("ab" * 200_000).encode())
    assert len(text.from_utf8_short(original)["codes"]) == 300_000
    original.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(CorruptData, match="UTF-8"):
        text.from_utf8(original)
    original.write_bytes("".join(map(chr, range(40, 400))).encode())
    with pytest.raises(CorruptData, match="byte"):
        text.from_utf8(original)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"codes": np.zeros((3, 3), np.uint8)}, "in a row"),
        ({"codes": np.zeros(9)}, "whole numbers"),
        ({"codes": np.full(9, 2, np.uint8)}, "0..1"),
        ({"vocab": np.array([98, 97])}, "increasing"),
        ({"vocab": np.array([97, 0x110000])}, "Unicode"),
        ({"vocab": np.array([[97, 98]])}, "code points"),
        ({"vocab": None}, "lacks"),
    ],
)
def test_wrong_arrays_are_refused(tmp_path, changes, message):
    arrays = {"codes": np.array([0, 1, 1, 0], np.uint8), "vocab": np.array([97, 98])} | changes
    path = tmp_path / "bad.npz"
    np.savez(path, **{key: value for key, value in arrays.items() if value is not None})
    with pytest.raises((ValueError, CorruptData), match=message):
        text.load(path)


def test_wrong_arguments_are_refused(unchecked, tmp_path):
    with pytest.raises(TypeError, match="must be a string"):
        text.encode(b"abc")
    with pytest.raises(ValueError, match="two different"):
        text.encode("aaaa")
    with pytest.raises(ValueError, match="2 words"):
        text.simulate(1000, 1)
    with pytest.raises(ValueError, match="share"):
        text.split(text.encode("abab"), 1.5)
    with pytest.raises(ValueError, match="longer text"):
        text.windows(text.encode("abab"), 2, 4, rng=np.random.default_rng(0))
    with pytest.raises(DataNotFound):
        text.load(tmp_path / "absent.npz")
