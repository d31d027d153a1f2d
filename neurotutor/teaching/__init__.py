"""What only a notebook needs: claims, frame players, real source, checks, questions, sentences."""

from neurotutor.teaching import claims
from neurotutor.teaching.exercise import Hint, NotYet, check
from neurotutor.teaching.page import ask_number, data_box, quiz, say, show
from neurotutor.teaching.player import frames

__all__ = [
    "Hint",
    "NotYet",
    "ask_number",
    "check",
    "claims",
    "data_box",
    "frames",
    "quiz",
    "say",
    "show",
]
