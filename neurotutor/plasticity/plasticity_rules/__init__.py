"""Learning with plasticity rules (Cristian, Dabagia, Papadimitriou and Vempala, 2020).

Read in this order: `config` (the paper's numbers), `network` (a network that rules train),
`learning` (gradient descent on the rule), `tasks`, `gradient` (baselines), `last_layer` (the
theory), `robustness` (attacks), `evolution`.
"""

from neurotutor.plasticity.plasticity_rules.config import RuleConfig
from neurotutor.plasticity.plasticity_rules.evolution import (
    Evolution,
    evolve,
    evolve_population,
    gradient_step,
    mean_trait,
    replicator_step,
)
from neurotutor.plasticity.plasticity_rules.gradient import (
    GradientNetwork,
    adam_curve,
    rule_curve,
)
from neurotutor.plasticity.plasticity_rules.last_layer import (
    best_scale,
    closed_form_rule,
    count_mistakes,
    mistake_bound,
    perceptron,
    rule_features,
    separable_signs,
    squared_error,
    winnow,
)
from neurotutor.plasticity.plasticity_rules.learning import (
    LearnedRule,
    NetworkRule,
    TableRule,
    learn_rule,
    outer_loss,
    replay,
)
from neurotutor.plasticity.plasticity_rules.network import (
    RuleNetwork,
    State,
    Step,
    Trace,
    cap,
    encode,
    multiplicative_weights_rule,
    perceptron_rule,
    readout_pass,
    selected,
)
from neurotutor.plasticity.plasticity_rules.robustness import (
    RobustCurve,
    attack,
    attack_step,
    noise_accuracy,
    robust_curve,
    withstands,
)
from neurotutor.plasticity.plasticity_rules.tasks import (
    Task,
    from_images,
    halfspace,
    random_recurrent,
    relu_network,
)

__all__ = [
    "adam_curve",
    "attack",
    "attack_step",
    "best_scale",
    "cap",
    "closed_form_rule",
    "count_mistakes",
    "encode",
    "Evolution",
    "evolve",
    "evolve_population",
    "from_images",
    "gradient_step",
    "GradientNetwork",
    "halfspace",
    "learn_rule",
    "LearnedRule",
    "mean_trait",
    "mistake_bound",
    "multiplicative_weights_rule",
    "NetworkRule",
    "noise_accuracy",
    "outer_loss",
    "perceptron",
    "perceptron_rule",
    "random_recurrent",
    "readout_pass",
    "relu_network",
    "replay",
    "replicator_step",
    "robust_curve",
    "RobustCurve",
    "rule_curve",
    "rule_features",
    "RuleConfig",
    "RuleNetwork",
    "selected",
    "separable_signs",
    "squared_error",
    "State",
    "Step",
    "TableRule",
    "Task",
    "Trace",
    "winnow",
    "withstands",
]
