"""Lyapunov exponents of recurrent networks: cells with closed Jacobians, spectra, training.

The core: `cells` (tanh, ReLU, linear, GRU, LSTM, antisymmetric RNN, coRNN, layers, stacks of
networks), `linearise` (their Jacobians in pieces), `spectrum` (the QR method), `derived` (what
follows from a spectrum) and `systems` (maps and flows whose exponents are known). On top of it:
`population` (many networks trained at once), `config` and `experiments`
(what they are trained with and on) and `flossing`
(descent on the exponents themselves).
"""

from neurotutor.dynamics.lyapunov_rnn.cells import (
    GRU,
    KINDS,
    LSTM,
    AntisymmetricRNN,
    Cell,
    CoRNN,
    Layers,
    Linear,
    ReLU,
    Tanh,
    from_torch,
    gaussian,
    stack,
    uniform,
)
from neurotutor.dynamics.lyapunov_rnn.config import CharacterConfig, DigitsConfig, log_spaced
from neurotutor.dynamics.lyapunov_rnn.derived import (
    circular_law,
    entropy_bound,
    gradient_log_norms,
    kaplan_yorke_dimension,
    lyapunov_time,
    slope,
)
from neurotutor.dynamics.lyapunov_rnn.experiments import (
    Run,
    run_characters,
    run_digits,
    train_and_watch,
)
from neurotutor.dynamics.lyapunov_rnn.flossing import Flossed, floss, flossing_loss
from neurotutor.dynamics.lyapunov_rnn.linearise import Dense, LayeredLinearisation, Linearisation
from neurotutor.dynamics.lyapunov_rnn.population import (
    Population,
    Trainer,
    digit_rows,
    digit_streams,
    draw_population,
    evaluate,
    one_hot,
)
from neurotutor.dynamics.lyapunov_rnn.spectrum import (
    Generic,
    LyapunovSpectrum,
    jacobian,
    lyapunov_spectrum,
)
from neurotutor.dynamics.lyapunov_rnn.systems import henon, logistic, lorenz, runge_kutta

__all__ = [
    "GRU",
    "KINDS",
    "LSTM",
    "AntisymmetricRNN",
    "Cell",
    "CharacterConfig",
    "CoRNN",
    "Dense",
    "DigitsConfig",
    "Flossed",
    "Generic",
    "LayeredLinearisation",
    "Layers",
    "Linear",
    "Linearisation",
    "LyapunovSpectrum",
    "Population",
    "ReLU",
    "Run",
    "Tanh",
    "Trainer",
    "circular_law",
    "digit_rows",
    "digit_streams",
    "draw_population",
    "entropy_bound",
    "evaluate",
    "floss",
    "flossing_loss",
    "from_torch",
    "gaussian",
    "gradient_log_norms",
    "henon",
    "jacobian",
    "kaplan_yorke_dimension",
    "log_spaced",
    "logistic",
    "lorenz",
    "lyapunov_spectrum",
    "lyapunov_time",
    "one_hot",
    "run_characters",
    "run_digits",
    "runge_kutta",
    "slope",
    "stack",
    "train_and_watch",
    "uniform",
]
