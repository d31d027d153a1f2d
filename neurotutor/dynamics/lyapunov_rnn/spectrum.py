"""Lyapunov spectra: carry tangent vectors along a trajectory, and keep them orthogonal by QR."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from neurotutor.checks import as_count, as_positive
from neurotutor.dynamics.lyapunov_rnn.cells import Cell, Layers
from neurotutor.dynamics.lyapunov_rnn.checks import as_real
from neurotutor.dynamics.lyapunov_rnn.linearise import Dense

Step = Callable[..., Tensor]

# Numbers that one chunk of a trajectory may hold: states, gates and Jacobian pieces of many steps
# are computed together, which costs memory and saves most of the calls.
_CHUNK_NUMBERS = 2_000_000


@dataclass(frozen=True)
class LyapunovSpectrum:
    """Lyapunov exponents, in the order in which QR returns them: nearly descending.

    Attributes:
        per_sequence: the exponents of each input sequence (each initial state).
        history: running averages after each factorisation that counted; empty if not kept.
        times: number of measured steps at each of them.
        n_steps: measured steps T.
        base: of the logarithm; e means nats per unit of time.
        dt: time of one step.
    """

    per_sequence: Float[Tensor, "*nets sequences k"]
    history: Float[Tensor, "*nets sequences times k"]
    times: Int[Tensor, "times"]
    n_steps: int
    base: float | int
    dt: float | int

    @property
    def exponents(self) -> Float[Tensor, "*nets k"]:
        """Mean over sequences."""
        return self.per_sequence.mean(dim=-2)

    @property
    def spread(self) -> Float[Tensor, "*nets k"]:
        """Standard deviation over sequences; NaN for one sequence, or where one is infinite."""
        if self.per_sequence.shape[-2] < 2:
            return torch.full_like(self.exponents, math.nan)
        return self.per_sequence.std(dim=-2)

    @property
    def descending(self) -> Float[Tensor, "*nets k"]:
        """The mean exponents in descending order, for display."""
        return self.exponents.sort(dim=-1, descending=True).values

    @property
    def largest(self) -> Float[Tensor, "*nets"]:
        """The largest mean exponent."""
        return self.exponents.max(dim=-1).values

    @property
    def running(self) -> Float[Tensor, "*nets times k"]:
        """Running averages, mean over sequences."""
        return self.history.mean(dim=-3)


@dataclass(frozen=True)
class Generic:
    """A reader's own cell or map, differentiated by forward mode.

    Attributes:
        function: `state -> state`, or `(state, x) -> state`. It acts on the last axis and treats
            all leading axes as independent copies.
        driven: whether it takes inputs.
        form: whether Jacobians are formed, many steps at once, or vectors pushed one by one.
    """

    function: Step
    driven: bool
    form: bool

    def drive(self, x: Tensor) -> Tensor:
        """Inputs as they are."""
        return x

    def advance(self, state: Tensor, x: Tensor) -> Tensor:
        """The next state."""
        return self.function(state, x) if self.driven else self.function(state)

    def linearise(self, state: Tensor, x: Tensor) -> Dense | Pushed:
        """The Jacobian at states of shape (*lead, time, state)."""
        pushed = Pushed(self, state, x)
        if not self.form:
            return pushed
        return Dense(pushed.matrix())


@dataclass(frozen=True)
class Pushed:
    """Jacobian of a `Generic` system that is applied and never formed."""

    system: Generic
    state: Float[Tensor, "*lead state"]
    x: Float[Tensor, "*lead in"]

    @property
    def size(self) -> int:
        """Length of a tangent vector."""
        return self.state.shape[-1]

    def steps(self) -> Iterator[Pushed]:
        """Each step by itself."""
        for state, x in zip(self.state.unbind(dim=-2), self.x.unbind(dim=-2), strict=True):
            yield Pushed(self.system, state, x)

    def push(
        self, vectors: Float[Tensor, "... vectors state"]
    ) -> Float[Tensor, "... vectors state"]:
        """Carry tangent vectors over one step: one derivative along each row."""
        k = vectors.shape[-2]
        state = self.state.unsqueeze(-2).expand(vectors.shape).contiguous()
        x = self.x.unsqueeze(-2).expand(*self.x.shape[:-1], k, -1)
        along = (vectors.contiguous(),)
        return torch.func.jvp(lambda s: self.system.advance(s, x), (state,), along)[1]

    def matrix(self) -> Float[Tensor, "... state state"]:
        """Form the Jacobian: entry [i, j] is the derivative of new unit i by old unit j."""
        basis = torch.eye(self.size, dtype=self.state.dtype, device=self.state.device)
        return self.push(basis.expand(*self.state.shape, self.size).contiguous()).mT


def jacobian(
    system: Cell | Layers | Step,
    at: Float[Tensor, "*lead state"],
    x: Float[Tensor, "*lead in"] | None = None,
    *,
    state: str = "full",
) -> Float[Tensor, "*lead rows rows"]:
    """Jacobian of one step: entry [i, j] is the derivative of new unit i by old unit j.

    Args:
        system: a cell, layers of cells, or a function `(state, x) -> state` or `state -> state`.
        at: states, shape (*nets, *lead, state).
        x: inputs; `None` means zero for a cell, and no input for a function.
        state: `"full"`, or `"h"` for the block of hidden states with the rest held fixed.

    Returns:
        The matrix at each state. A cell gives its closed form, a function is differentiated.

    Raises:
        TypeError: for states that are no floating-point tensor.
        ValueError: for a wrong width, NaN, or an unknown `state`.

    Source: Vogt, Puelma Touzel, Shlizerman & Lajoie (2022), section on Jacobians.
    """
    _known_part(state, system)
    if isinstance(system, Cell | Layers):
        as_real("at", at, width=system.state_size)
        if x is None:
            x = at.new_zeros(*at.shape[:-1], system.input_size)
        elif system.input_size:
            as_real("x", x, width=system.input_size)
        pieces = system.linearise(at, system.drive(x))
        return (pieces.hidden_only() if state == "h" else pieces).matrix()
    as_real("at", at)
    driven = x is not None
    fed = x if driven else at.new_zeros(*at.shape[:-1], 0)
    return Generic(system, driven, True).linearise(at, fed).matrix()


def lyapunov_spectrum(
    system: Cell | Layers | Step,
    state0: Float[Tensor, "..."] | None = None,
    inputs: Float[Tensor, "..."] | None = None,
    *,
    n_steps: int | None = None,
    k: int | None = None,
    warmup: int = 0,
    align: int = 0,
    qr_every: int = 1,
    base: float | int = math.e,
    dt: float | int = 1.0,
    state: str = "full",
    keep_history: bool = True,
    differentiable: bool = False,
) -> LyapunovSpectrum:
    """Lyapunov exponents of a driven or autonomous system, by repeated QR factorisation.

    Three stretches follow each other, each on fresh inputs: `warmup` steps move the state alone,
    `align` steps turn the tangent vectors without counting, the remaining steps are measured.

    Args:
        system: a cell (or layers of cells), one network or a stack of networks; or a function
            `state -> state` or `(state, x) -> state` that treats leading axes as copies.
        state0: initial states, (state,) or (*nets, sequences, state); `None` starts a cell at zero.
        inputs: (sequences, time, in), shared by all networks, or (*nets, sequences, time, in);
            `None` for an autonomous system (a cell then has input zero).
        n_steps: measured steps T of an autonomous system; with inputs it is what they leave over.
        k: number of exponents; `None` means all.
        warmup: steps on the state alone, to reach the attractor.
        align: further steps that turn the tangent vectors, with QR, before sums begin.
        qr_every: steps between factorisations; trailing exponents need 1 or 2.
        base: of the logarithm. e gives nats, 2 gives bits.
        dt: time of one step; exponents are divided by it.
        state: `"full"`, or `"h"` for the hidden block with the rest of the state held fixed.
        keep_history: keep the running averages.
        differentiable: keep the graph of derivatives, so that exponents can be trained.

    Returns:
        Exponents per sequence, with their history. Zero pivots give minus infinity.

    Raises:
        TypeError: for tensors that do not hold floating-point numbers, or counts that are none.
        ValueError: for k < 1 or beyond the state, no steps left to measure, a wrong width, NaN
            weights, or a state that diverges.

    Source: Vogt, Puelma Touzel, Shlizerman & Lajoie (2022), algorithm 1; Benettin et al. (1980).
    """
    as_count("warmup", warmup, 0)
    as_count("align", align, 0)
    as_count("qr_every", qr_every)
    as_positive("dt", dt)
    if not 0 < base < math.inf or base == 1:
        raise ValueError(f"base must be a positive number other than 1, got {base}")
    _known_part(state, system)
    start, inputs, driven = _begin(system, state0, inputs)
    total = _total_steps(inputs if driven else None, n_steps, warmup + align)
    if isinstance(system, Cell | Layers):
        size = _tangent_size(system, state)
        moving: Any = system
    else:
        size = start.shape[-1]
        wanted = size if k is None else k
        moving = Generic(system, driven, form=4 * min(as_count("k", wanted), size) >= size)
    k = size if k is None else as_count("k", k)
    if k > size:
        raise ValueError(f"k must be at most {size}, the length of the state, got {k}")
    with torch.set_grad_enabled(differentiable):
        return _measure(
            moving,
            start,
            inputs,
            total=total,
            vectors=_first_axes(start, size, k),
            skip=warmup,
            align=align,
            qr_every=qr_every,
            scale=1 / (math.log(base) * dt),
            hidden=state == "h",
            keep=keep_history,
            base=base,
            dt=dt,
        )


def _measure(
    system, at, inputs, *, total, vectors, skip, align, qr_every, scale, hidden, keep, base, dt
) -> LyapunovSpectrum:
    """The loop of `lyapunov_spectrum`, in chunks: states first, then pieces, then QR."""
    sums = vectors.new_zeros(*vectors.shape[:-1])
    history, times = [], []
    first, since = skip + align, 0
    numbers = max(at.numel() * (10 if not isinstance(system, Generic) else at.shape[-1]), 1)
    chunk = min(total, max(1, _CHUNK_NUMBERS // numbers))
    for begin in range(0, total, chunk):
        end = min(begin + chunk, total)
        drives = system.drive(_slice(inputs, begin, end, at))
        states = []
        for drive in drives.unbind(dim=-2):
            states.append(at)
            at = system.advance(at, drive)
        if not torch.isfinite(at.detach()).all():
            raise ValueError(f"the state diverges between steps {begin} and {end}: scale it down")
        if end <= skip:
            continue
        pieces = system.linearise(torch.stack(states, dim=-2), drives)
        pieces = pieces.hidden_only() if hidden else pieces
        pivots, counted = [], []
        for t, piece in enumerate(pieces.steps(), start=begin):
            if t < skip:
                continue
            vectors = piece.push(vectors)
            since += 1
            measured = t + 1 - first
            if measured > 0 and since < qr_every and t + 1 < total:
                continue
            q, r = torch.linalg.qr(vectors.mT)
            vectors, since = q.mT, 0
            if measured <= 0:
                continue
            pivots.append(torch.diagonal(r, 0, -2, -1))
            counted.append(measured)
        if not counted:
            continue
        growth = sums.unsqueeze(-2) + torch.stack(pivots, dim=-2).abs().log().cumsum(dim=-2)
        sums = growth[..., -1, :]
        if keep:
            times += counted
            history.append(growth * scale / growth.new_tensor(counted).unsqueeze(-1))
    measured = total - first
    empty = sums.new_zeros(*sums.shape[:-1], 0, sums.shape[-1])
    return LyapunovSpectrum(
        per_sequence=sums * (scale / measured),
        history=torch.cat(history, dim=-2) if history else empty,
        times=torch.tensor(times, dtype=torch.int64),
        n_steps=measured,
        base=base,
        dt=dt,
    )


def _slice(inputs: Tensor | None, begin: int, end: int, at: Tensor) -> Tensor:
    """Inputs of one chunk; none at all for a system without."""
    if inputs is None:
        return at.new_zeros(*at.shape[:-1], end - begin, 0)
    if inputs.shape[-2] == 1:
        return inputs.expand(*inputs.shape[:-2], end - begin, -1)
    return inputs[..., begin:end, :]


def _begin(system, state0, inputs) -> tuple[Tensor, Tensor | None, bool]:
    """Initial states and inputs in full shape, (*nets, sequences, ...); whether it is driven."""
    if not isinstance(system, Cell | Layers):
        if not callable(system):
            raise TypeError(
                f"system must be a cell or a function of the state, got {type(system).__name__}"
            )
        if state0 is None:
            raise ValueError("a function of the state needs state0, its initial states")
        start = as_real("state0", state0)
        start = start.unsqueeze(0) if start.ndim == 1 else start
        if inputs is not None:
            as_real("inputs", inputs)
            start = start.expand(*inputs.shape[:-2], -1) if start.shape[-2] == 1 else start
            if inputs.ndim < 3 or inputs.shape[:-2] != start.shape[:-1]:
                raise ValueError(
                    f"inputs must have shape (sequences, time, in) for {start.shape[-2]} "
                    f"sequences, got {tuple(inputs.shape)}"
                )
        return start, inputs, inputs is not None
    for weight in system.tensors():
        if not torch.isfinite(weight.detach()).all():
            raise ValueError("weights must be finite, got NaN or infinity: a diverged network?")
    driven = inputs is not None
    if driven:
        as_real("inputs", inputs, width=system.input_size)
        if inputs.ndim == 3:
            inputs = inputs.expand(*system.nets, *inputs.shape)
        if inputs.ndim != 3 + len(system.nets) or inputs.shape[:-3] != system.nets:
            raise ValueError(
                f"inputs must have shape (sequences, time, {system.input_size}), with "
                f"{system.nets} in front or not, got {tuple(inputs.shape)}"
            )
    if state0 is None:
        n_sequences = inputs.shape[-3] if driven else 1
        start = torch.zeros(
            *system.nets, n_sequences, system.state_size, dtype=system.dtype, device=system.device
        )
    else:
        start = as_real("state0", state0, width=system.state_size)
        if start.ndim == 1:
            start = start.unsqueeze(0)
        if start.ndim == 2:
            start = start.expand(*system.nets, *start.shape)
        if driven and start.shape[-2] == 1:
            start = start.expand(*start.shape[:-2], inputs.shape[-3], -1)
        if start.ndim != 2 + len(system.nets) or start.shape[:-2] != system.nets:
            raise ValueError(
                f"state0 must have shape (sequences, {system.state_size}), with {system.nets} in "
                f"front or not, got {tuple(start.shape)}"
            )
    if not driven:
        inputs = start.new_zeros(*start.shape[:-1], 1, system.input_size)
    elif inputs.shape[:-2] != start.shape[:-1]:
        raise ValueError(
            f"inputs have {inputs.shape[-3]} sequences and state0 has {start.shape[-2]} states"
        )
    return start, inputs, driven


def _total_steps(inputs: Tensor | None, n_steps: int | None, before: int) -> int:
    if inputs is None:
        if n_steps is None:
            raise ValueError("an autonomous system needs n_steps, the number of steps to measure")
        return before + as_count("n_steps", n_steps)
    total = inputs.shape[-2]
    if before >= total:
        raise ValueError(
            f"warmup and align take {before} steps of inputs that last {total}: nothing is left to "
            "measure; shorten them or give longer inputs"
        )
    if n_steps is None:
        return total
    if before + as_count("n_steps", n_steps) > total:
        raise ValueError(f"n_steps must be at most {total - before} here, got {n_steps}")
    return before + n_steps


def _tangent_size(system: Cell | Layers, state: str) -> int:
    if state == "full":
        return system.state_size
    cells = system.cells if isinstance(system, Layers) else (system,)
    return sum(cell.hidden_size for cell in cells)


def _first_axes(start: Tensor, size: int, k: int) -> Tensor:
    """The first k unit vectors as rows, for every sequence."""
    axes = torch.eye(size, dtype=start.dtype, device=start.device)[:k]
    return axes.expand(*start.shape[:-1], k, size)


def _known_part(state: str, system: Any) -> None:
    if state not in ("full", "h"):
        raise ValueError(f'state must be "full" or "h", got {state!r}')
    if state == "h" and not isinstance(system, Cell | Layers):
        raise ValueError('state="h" is for cells: a function has one state and no parts')
