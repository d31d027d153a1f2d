"""MI Net: the sound of an instrument from the movement of its player.

`spectra` (sound to log-spectrograms and back), `quantiser` and `vqvae` (an alphabet of sounds),
`prior` (movement encoder, notes, and the order of the letters), `performers` and `performance`
(simulated musicians), `learning` (training, and the weights that come along) and `evaluation`.
`python -m neurotutor.perception.mi_net` makes the weights again.
"""

from neurotutor.perception.mi_net.config import MiNetConfig
from neurotutor.perception.mi_net.evaluation import (
    Clusters,
    InstrumentClassifier,
    Ndb,
    chroma_accuracy,
    cluster_scores,
    comb_templates,
    detect_pitches,
    inception_score,
    ndb,
    ndb_of_counts,
    other_player,
    spectrum_features,
    steady_frames,
)
from neurotutor.perception.mi_net.learning import (
    learning_rate,
    load_weights,
    save_weights,
    test_pieces,
    train_pieces,
    train_prior,
    train_vqvae,
)
from neurotutor.perception.mi_net.performance import (
    Clips,
    Performance,
    cut,
    make_clips,
    melody,
    movement_features,
    piano_roll,
    simulate_performance,
)
from neurotutor.perception.mi_net.performers import (
    BONES,
    FIVE,
    INSTRUMENTS,
    JOINTS,
    Instrument,
    active_note,
    base_posture,
    bow_position,
    breath,
    motion,
)
from neurotutor.perception.mi_net.prior import MidiEncoder, MovementEncoder, MovementPrior
from neurotutor.perception.mi_net.quantiser import (
    Quantised,
    VectorQuantizer,
    ema_update,
    nearest_codes,
    perplexity,
    straight_through,
)
from neurotutor.perception.mi_net.spectra import (
    griffin_lim,
    istft,
    log_spectral_distance,
    log_spectrogram,
    spectral_convergence,
    stft,
)
from neurotutor.perception.mi_net.vqvae import VQVAE, MultiBandResidual, Reconstruction

__all__ = [
    "BONES", "Clips", "Clusters", "FIVE", "INSTRUMENTS", "Instrument", "InstrumentClassifier",
    "JOINTS", "MiNetConfig", "MidiEncoder", "MovementEncoder", "MovementPrior",
    "MultiBandResidual", "Ndb", "Performance", "Quantised", "Reconstruction", "VQVAE",
    "VectorQuantizer", "active_note", "base_posture", "bow_position", "breath", "chroma_accuracy",
    "cluster_scores", "comb_templates", "cut", "detect_pitches", "ema_update", "griffin_lim",
    "inception_score", "istft", "learning_rate", "load_weights", "log_spectral_distance",
    "log_spectrogram", "make_clips", "melody", "motion", "movement_features", "ndb",
    "ndb_of_counts", "nearest_codes", "other_player", "perplexity", "piano_roll", "save_weights",
    "simulate_performance", "spectral_convergence", "spectrum_features", "steady_frames", "stft",
    "straight_through", "test_pieces", "train_pieces", "train_prior", "train_vqvae",
]  # fmt: skip
