"""Sentences, source, questions, checks and players: what reaches the page."""

import ast
import re

import matplotlib.pyplot as plt
import numpy as np
import pytest

from neurotutor import decoding
from neurotutor.teaching import Hint, NotYet, check, data_box, frames, page, player, quiz, say, show
from neurotutor.teaching import exercise as exercise_module


@pytest.fixture
def shown(monkeypatch):
    outputs = []
    for module in (page, player, exercise_module):
        monkeypatch.setattr(module, "display", outputs.append)
    return outputs


def test_a_sentence_is_shown_and_nan_is_refused(shown):
    say(f"The share is {0.25:.2f}.")
    assert shown[0].data == "The share is 0.25."
    with pytest.raises(ValueError, match="NaN"):
        say(f"The share is {float('nan'):.2f}.")
    with pytest.raises(ValueError, match="empty"):
        say("  ")


def test_show_prints_the_real_source_with_its_lines(shown):
    show(decoding.r2)
    text = shown[0].data
    first, last = map(int, re.search(r"lines (\d+) to (\d+)", text).groups())
    with open(decoding.__file__, encoding="utf-8") as file:
        lines = file.read().splitlines()
    assert "neurotutor/decoding.py" in text
    assert "\n".join(lines[first - 1 : last]).rstrip() in text
    show(decoding.DirectionProbe.score)
    assert "\ndef score(" in shown[1].data
    show(decoding.DirectionProbe.predict)
    code = re.search(r"```python\n(.*)\n```", shown[2].data, re.DOTALL).group(1)
    assert [type(node) for node in ast.parse(code).body] == [ast.FunctionDef]
    with pytest.raises(TypeError, match="written in Python"):
        show(len)


def test_quiz_has_a_reason_for_each_option_and_one_right_one(shown):
    quiz("Is `a < b`?", [("yes", True, "since 1 < 2"), ("no", False, "look again")], id="toy-q1")
    text = shown[0].data
    assert text.count('type="radio" name="toy-q1"') == 2
    assert "<code>a &lt; b</code>" in text
    assert text.count("nt-why") == 2
    with pytest.raises(ValueError, match="exactly one"):
        quiz("?", [("yes", True, "x"), ("no", True, "y")], id="toy-q2")
    with pytest.raises(ValueError, match="reason"):
        quiz("?", [("yes", True, "x"), ("no", False, " ")], id="toy-q3")
    with pytest.raises(ValueError, match="small letters"):
        quiz("?", [("yes", True, "x")], id="a b")


def _is_four(answer):
    if answer == 5:
        raise Hint("you added one too many")
    if callable(answer):
        answer()
    return "because two and two make it"


def test_check_says_right_or_names_the_mistake(shown, monkeypatch):
    check(_is_four, 4)
    assert "Right." in shown[0].data
    check(_is_four, 5)
    assert "one too many" in shown[1].data

    def stub():
        raise NotImplementedError

    check(_is_four, stub)
    assert "starter" in shown[2].data
    assert "run that cell and this one" in shown[2].data

    def named():
        raise NotImplementedError("write named here")

    check(_is_four, named)
    assert "still the starter: write named here." in shown[3].data


@pytest.mark.parametrize("counts", ["NEUROTUTOR_RECORDS", "NBGRADER_EXECUTION"])
def test_a_wrong_answer_is_an_error_where_failures_are_counted(shown, monkeypatch, counts):
    monkeypatch.setenv(counts, "anything")
    check(_is_four, 4)
    with pytest.raises(NotYet, match="_is_four: you added one too many"):
        check(_is_four, 5)
    assert "one too many" in shown[1].data


def test_data_box_names_the_command_and_refuses_unknown_names(shown):
    data_box("hiwa/mihi_demo")
    assert "python -m neurotutor data fetch hiwa/mihi_demo" in shown[0].data
    with pytest.raises(ValueError, match="unknown recording"):
        data_box("hiwa/no_such")


def _figures(n):
    figures = []
    for level in range(n):
        fig, ax = plt.subplots(figsize=(2, 1))
        ax.imshow(np.full((2, 2), level))
        figures.append(fig)
    return figures


ALTS = [f"A square of brightness {level}." for level in range(3)]


def test_player_moves_by_links_alone(shown, monkeypatch):
    links = []
    monkeypatch.setattr(player.widgets, "jslink", lambda *ends: links.append(ends))
    frames(_figures(3), ["0", "1", "2"], ALTS, title="level")
    controls, stack = shown[0].children
    play, slider = controls.children
    assert (slider.min, slider.max, play.max) == (0, 2, 2)
    assert len(stack.children) == 3
    assert 'alt="A square of brightness 2."' in stack.children[2].value
    assert len({child.value for child in stack.children}) == 3
    assert links == [
        ((play, "value"), (slider, "value")),
        ((slider, "value"), (stack, "selected_index")),
    ]
    assert not plt.get_fignums()


def test_player_offers_a_choice_of_sequences(shown):
    frames(
        {"good": _figures(3), "bad": _figures(3)},
        ["0", "1", "2"],
        {"good": ALTS, "bad": ALTS},
        title="level",
        selector="start",
    )
    choice, _, outer = shown[0].children
    assert choice.options == ("good", "bad")
    assert [len(stack.children) for stack in outer.children] == [3, 3]


def test_player_refuses_what_it_cannot_play():
    figures = _figures(2)
    with pytest.raises(ValueError, match="two frames or more"):
        frames(figures[:1], ["0"], ALTS[:1], title="level")
    with pytest.raises(ValueError, match="lengths"):
        frames(figures, ["0"], ALTS[:2], title="level")
    with pytest.raises(ValueError, match="make them one"):
        frames({"a": figures}, ["0", "1"], {"b": ALTS[:2]}, title="level")
    with pytest.raises(ValueError, match="20 characters"):
        frames(figures, ["0", "1"], ["short", "short"], title="level")
    plt.close("all")
