"""Lyapunov exponents of recurrent networks: cells with closed Jacobians, spectra, training.

The core: `cells` (tanh, ReLU, linear, GRU, LSTM, antisymmetric RNN, coRNN, layers, stacks of
networks), `linearise` (their Jacobians in pieces), `spectrum` (the QR method), `derived` (what
follows from a spectrum) and `systems` (maps and flows whose exponents are known).
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
from neurotutor.dynamics.lyapunov_rnn.derived import (
    circular_law,
    entropy_bound,
    gradient_log_norms,
    kaplan_yorke_dimension,
    lyapunov_time,
    slope,
)
from neurotutor.dynamics.lyapunov_rnn.linearise import Dense, LayeredLinearisation, Linearisation
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
    "CoRNN",
    "Dense",
    "Generic",
    "LayeredLinearisation",
    "Layers",
    "Linear",
    "Linearisation",
    "LyapunovSpectrum",
    "ReLU",
    "Tanh",
    "circular_law",
    "entropy_bound",
    "from_torch",
    "gaussian",
    "gradient_log_norms",
    "henon",
    "jacobian",
    "kaplan_yorke_dimension",
    "logistic",
    "lorenz",
    "lyapunov_spectrum",
    "lyapunov_time",
    "runge_kutta",
    "slope",
    "stack",
    "uniform",
]
