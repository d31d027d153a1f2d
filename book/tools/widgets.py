"""First frames of players, for readers whose browser runs no scripts and for paper."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

_STATE = re.compile(
    r'<script type="application/vnd\.jupyter\.widget-state\+json">(.*?)</script>', re.DOTALL
)
_VIEW = re.compile(
    r'<script type="application/vnd\.jupyter\.widget-view\+json">(.*?)</script>', re.DOTALL
)
_POINTER = "IPY_MODEL_"


def first_frame(models: Mapping[str, Any], model: str) -> str:
    """HTML of what a player shows before anybody moves it; empty if it shows no HTML.

    Args:
        models: the saved state of all widgets of the page: id -> model.
        model: id of the player.
    """
    state = models.get(model, {}).get("state", {})
    if models.get(model, {}).get("model_name") == "HTMLModel":
        return state.get("value", "")
    children = [child.removeprefix(_POINTER) for child in state.get("children", [])]
    if models.get(model, {}).get("model_name") == "StackModel":
        children = children[(state.get("selected_index") or 0) :][:1]
    return next(filter(None, (first_frame(models, child) for child in children)), "")


def with_first_frames(text: str) -> str:
    """A page whose players stand still, at their first frame, where no script runs.

    Args:
        text: HTML of the page, with the state of its widgets.
    """
    found = _STATE.search(text)
    if found is None:
        return text
    models = json.loads(found[1])["state"]

    def still(view: re.Match[str]) -> str:
        frame = first_frame(models, json.loads(view[1])["model_id"])
        return f"{view[0]}<noscript>{frame}</noscript>" if frame else view[0]

    return _VIEW.sub(still, text)
