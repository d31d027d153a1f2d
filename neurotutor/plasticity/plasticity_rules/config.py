"""Every number of the paper in one place, and the tutorial's beside them."""

from __future__ import annotations

from dataclasses import dataclass, replace

from neurotutor.checks import as_count, as_positive


@dataclass(frozen=True)
class RuleConfig:
    """The network that rules act on, and how rules are learned. Defaults: the paper's values.

    Raises:
        ValueError: if a value is out of range.
        TypeError: if a whole number is expected and something else comes.

    Source: Cristian et al. (2020); where the authors' code differs, the field says so.
    """

    # The network (section 2)
    n_hidden: int = 1000  # |V|, Table 2
    cap: int = 500  # k, how many neurons may fire in a round, Table 2
    rounds: int = 1  # T; the authors' constructor takes T - 1
    density: float | int = 0.5  # p, probability of every edge and of every input connection
    input_weights: str = "gaussian"  # "gaussian": N(0, 1); "ones": the starred rows of Table 2
    drive: str = "paper"  # "paper": (G*W) h + A x;  "code": (G*W)(h + A x) after round 1
    fired: str = "nonzero"  # "nonzero": sent something;  "selected": among the k, zeros too (code)
    # How a rule acts (section 3)
    step_size: float | int = 1e-2  # eta
    form: str = "additive"  # "additive": w += eta r;  "multiplicative": w *= 1 + eta r
    update: str = "errors"  # "errors": only misclassified examples;  "always": every example
    edges: str = "two"  # "two": edges to the true and the predicted label;  "all": every label
    # How a rule is learned (section 3)
    learning_rate: float | int = 1e-2  # Adam
    weight_decay: float | int = 0.01  # of Adam, on the rule's entries
    batch_size: int = 100  # examples between two steps on the rule; 1000 for T = 3
    rule_hidden: int | None = None  # None: the rule is a table; 20: a network of 20 hidden units

    def __post_init__(self):
        """Refuse what cannot run, at the place where it is written down."""
        for name in ("n_hidden", "cap", "rounds", "batch_size"):
            as_count(name, getattr(self, name))
        if self.rule_hidden is not None:
            as_count("rule_hidden", self.rule_hidden)
        if self.cap > self.n_hidden:
            raise ValueError(
                f"cap must be at most n_hidden ({self.n_hidden}), got {self.cap}; "
                "cap = n_hidden switches the cap off"
            )
        if self.rounds > 8:
            raise ValueError(
                f"rounds must be at most 8, got {self.rounds}: the table has 4^rounds entries"
            )
        if not 0 < self.density <= 1:
            raise ValueError(f"density must lie in (0, 1], got {self.density}")
        as_positive("step_size", self.step_size)
        as_positive("learning_rate", self.learning_rate)
        if not 0 <= self.weight_decay < 1:
            raise ValueError(f"weight_decay must lie in [0, 1), got {self.weight_decay}")
        for name, allowed in (
            ("input_weights", ("gaussian", "ones")),
            ("drive", ("paper", "code")),
            ("fired", ("nonzero", "selected")),
            ("form", ("additive", "multiplicative")),
            ("update", ("errors", "always")),
            ("edges", ("two", "all")),
        ):
            if getattr(self, name) not in allowed:
                raise ValueError(
                    f"{name} must be one of {', '.join(allowed)}, got {getattr(self, name)!r}"
                )

    @property
    def n_patterns(self) -> int:
        """How many firing patterns there are: 2^T."""
        return 2**self.rounds

    @property
    def initial_weight(self) -> float:
        """Where plastic weights start: 0 if they are added to, 1 if they are multiplied."""
        return 0.0 if self.form == "additive" else 1.0

    @classmethod
    def learning(cls, **changes: object) -> RuleConfig:
        """Return the small network that a rule is learned on: V = 100, k = 50."""
        return replace(cls(n_hidden=100, cap=50), **changes)

    @classmethod
    def tutorial(cls, **changes: object) -> RuleConfig:
        """Return the network that rules train in the chapter: V = 300, k = 150."""
        return replace(cls(n_hidden=300, cap=150), **changes)
