"""Sound from silent piano video: the system called Audeo, on rendered video of real music.

Three stages: `Video2Roll` sees which keys are down, `Roll2Midi` turns that into what one would
hear, and `roll_to_notes` with `notes_to_midi` leads to sound. The video is rendered here.

Source: Su, Liu, Shlizerman (2020), "Audeo: Audio Generation for a Silent Performance Video".
"""

from neurotutor.perception.audeo.config import FRAME_RATE, PRESETS, AudeoConfig, Preset
from neurotutor.perception.audeo.keyboard import Keyboard, build_keyboard
from neurotutor.perception.audeo.metrics import (
    FrameScores,
    NoteScores,
    frame_scores,
    key_recall,
    note_scores,
)
from neurotutor.perception.audeo.performance import (
    fit_keys,
    heard,
    key_depth,
    perform,
    release_before_strike,
)
from neurotutor.perception.audeo.recognition import TEMPI, Match, PieceFinder, best_match, chroma
from neurotutor.perception.audeo.renderer import Clip, draw_hands, draw_keys, expose, render_clip
from neurotutor.perception.audeo.roll_to_midi import (
    PatchDiscriminator,
    Roll2Midi,
    discriminator_loss,
    generator_loss,
    repair_roll,
)
from neurotutor.perception.audeo.sampling import BalancedKeySampler, UniformSampler
from neurotutor.perception.audeo.synthesis import (
    as_roll,
    notes_to_midi,
    notes_to_roll,
    roll_to_notes,
)
from neurotutor.perception.audeo.training import (
    Frames,
    Pieces,
    load_pieces,
    make_clips,
    rate_factor,
    train_roll2midi,
    train_video2roll,
)
from neurotutor.perception.audeo.video_to_roll import (
    Backbone,
    FeatureRefinement,
    FeatureTransform,
    PlainRoll,
    Video2Roll,
    admissible,
    correlation_attention,
    frame_indices,
    predict_roll,
    stacks,
)

__all__ = [
    "FRAME_RATE",
    "PRESETS",
    "TEMPI",
    "AudeoConfig",
    "Backbone",
    "BalancedKeySampler",
    "Clip",
    "FeatureRefinement",
    "FeatureTransform",
    "FrameScores",
    "Frames",
    "Keyboard",
    "Match",
    "NoteScores",
    "PatchDiscriminator",
    "PieceFinder",
    "Pieces",
    "PlainRoll",
    "Preset",
    "Roll2Midi",
    "UniformSampler",
    "Video2Roll",
    "admissible",
    "as_roll",
    "best_match",
    "build_keyboard",
    "chroma",
    "correlation_attention",
    "discriminator_loss",
    "draw_hands",
    "draw_keys",
    "expose",
    "fit_keys",
    "frame_indices",
    "frame_scores",
    "generator_loss",
    "heard",
    "key_depth",
    "key_recall",
    "load_pieces",
    "make_clips",
    "note_scores",
    "notes_to_midi",
    "notes_to_roll",
    "perform",
    "predict_roll",
    "rate_factor",
    "release_before_strike",
    "render_clip",
    "repair_roll",
    "roll_to_notes",
    "stacks",
    "train_roll2midi",
    "train_video2roll",
]
