"""Recurrent cells whose Jacobian is known in closed form.

A cell holds weights of one network, or of a whole stack of networks of one size: every weight may
carry leading axes `nets`, and states then carry the same. A state is one vector. It holds all that
the cell remembers: h; for the LSTM h and then c; for the coRNN y and then v; for several layers
the states of all of them, the lowest first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from neurotutor.checks import as_positive
from neurotutor.dynamics.lyapunov_rnn.linearise import (
    LayeredLinearisation,
    Linearisation,
    affine,
)


@dataclass(frozen=True)
class Cell:
    """Weights of a recurrent cell; gates stand one below the other, as in PyTorch.

    Attributes:
        input_weights: W.
        recurrent_weights: U.
        input_bias: b, or none.
        recurrent_bias: c, a second bias inside the brackets of the recurrence; or none.

    Raises:
        TypeError: if a weight is no floating-point tensor.
        ValueError: if shapes disagree.
    """

    n_gates: ClassVar[int] = 1
    parts: ClassVar[int] = 1
    reads: ClassVar[int] = 1  # how many parts of the state the recurrence reads

    input_weights: Float[Tensor, "*nets rows in"]
    recurrent_weights: Float[Tensor, "*nets rows read"]
    input_bias: Float[Tensor, "*nets rows"] | None = None
    recurrent_bias: Float[Tensor, "*nets rows"] | None = None

    def __post_init__(self) -> None:
        biases = [bias for bias in (self.input_bias, self.recurrent_bias) if bias is not None]
        for each in (self.input_weights, self.recurrent_weights, *biases):
            if not isinstance(each, Tensor) or not each.is_floating_point():
                kind = each.dtype if isinstance(each, Tensor) else type(each).__name__
                raise TypeError(f"weights must be floating-point tensors, got {kind}")
        n, rows = self.hidden_size, (*self.nets, self.recurrent_weights.shape[-2])
        if n < 1 or self.recurrent_weights.shape[-2:] != (self.n_gates * n, self.reads * n):
            raise ValueError(
                f"recurrent_weights of {type(self).__name__} must be (*nets, {self.n_gates} n, "
                f"{self.reads} n) for n units, got {tuple(self.recurrent_weights.shape)}"
            )
        for shape in (self.input_weights.shape[:-1], *(bias.shape for bias in biases)):
            if shape != rows:
                raise ValueError(
                    f"input weights must be {rows} by inputs and biases {rows}, as the recurrent "
                    f"weights are; got rows of {tuple(shape)}"
                )

    @property
    def hidden_size(self) -> int:
        """Units n."""
        return self.recurrent_weights.shape[-2] // self.n_gates

    @property
    def input_size(self) -> int:
        """Width of an input."""
        return self.input_weights.shape[-1]

    @property
    def state_size(self) -> int:
        """Numbers that the cell remembers."""
        return self.parts * self.hidden_size

    @property
    def nets(self) -> tuple[int, ...]:
        """Shape of the stack of networks; empty for one network."""
        return tuple(self.recurrent_weights.shape[:-2])

    @property
    def dtype(self) -> torch.dtype:
        """Type of the weights."""
        return self.recurrent_weights.dtype

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.recurrent_weights.device

    def tensors(self) -> list[Tensor]:
        """All weights and biases that there are."""
        found = (getattr(self, field.name) for field in fields(self))
        return [each for each in found if isinstance(each, Tensor)]

    def to(self, target: torch.dtype | torch.device | str) -> Cell:
        """The same cell with its weights converted or moved."""
        return self._map(lambda weight: weight.to(target))

    def detach(self) -> Cell:
        """The same cell, cut off from the graph of derivatives."""
        return self._map(torch.Tensor.detach)

    def __getitem__(self, net: int | slice | Tensor) -> Cell:
        """One network of a stack, or several."""
        return self._map(lambda weight: weight[net])

    def _map(self, change) -> Cell:
        changed = {
            field.name: change(getattr(self, field.name))
            for field in fields(self)
            if isinstance(getattr(self, field.name), Tensor)
        }
        return replace(self, **changed)

    def drive(self, x: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
        """What inputs add to the gates: `W x + b`, for (*nets, ..., in)."""
        return affine(x, self.input_weights, self.input_bias)

    def step(self, state: Float[Tensor, "..."], x: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
        """One step: the next state from (*nets, ..., state) and inputs (*nets, ..., in)."""
        return self.advance(state, self.drive(x))

    def advance(
        self, state: Float[Tensor, "..."], drive: Float[Tensor, "..."]
    ) -> Float[Tensor, "..."]:
        """The next state, given what the input adds."""
        raise NotImplementedError

    def linearise(self, state: Float[Tensor, "..."], drive: Float[Tensor, "..."]) -> Linearisation:
        """Jacobian of the step, at one state or at many."""
        raise NotImplementedError

    def hidden(self, state: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
        """What the cell shows to a read-out or to the next layer: h."""
        return state[..., : self.hidden_size]

    def _felt(self, state: Tensor) -> Tensor:
        """`U s + c`, for all gates."""
        read = state[..., : self.reads * self.hidden_size]
        return affine(read, self.recurrent_weights, self.recurrent_bias)

    def _linear(self, direct, mix, mix_input=None, recurrent=None) -> Linearisation:
        return Linearisation(
            parts=self.parts,
            direct=direct,
            mix=mix,
            recurrent=self.recurrent_weights if recurrent is None else recurrent,
            mix_input=mix if mix_input is None else mix_input,
            input=self.input_weights,
        )


@dataclass(frozen=True)
class Tanh(Cell):
    """Vanilla cell: `h' = tanh(W x + U h + b)`."""

    def advance(
        self, state: Float[Tensor, "..."], drive: Float[Tensor, "..."]
    ) -> Float[Tensor, "..."]:
        """The next state, given what the input adds."""
        return torch.tanh(drive + self._felt(state))

    def linearise(self, state: Float[Tensor, "..."], drive: Float[Tensor, "..."]) -> Linearisation:
        """`J = D(1 - h'^2) U`."""
        return self._linear({}, {(0, 0): 1 - self.advance(state, drive) ** 2})


@dataclass(frozen=True)
class ReLU(Cell):
    """Rectified cell: `h' = max(W x + U h + b, 0)`; J is singular where a unit is off."""

    def advance(
        self, state: Float[Tensor, "..."], drive: Float[Tensor, "..."]
    ) -> Float[Tensor, "..."]:
        """The next state, given what the input adds."""
        return torch.relu(drive + self._felt(state))

    def linearise(self, state: Float[Tensor, "..."], drive: Float[Tensor, "..."]) -> Linearisation:
        """`J = D(1[a > 0]) U`."""
        return self._linear({}, {(0, 0): (self.advance(state, drive) > 0).to(state.dtype)})


@dataclass(frozen=True)
class Linear(Cell):
    """Linear cell: `h' = W x + U h + b`."""

    def advance(
        self, state: Float[Tensor, "..."], drive: Float[Tensor, "..."]
    ) -> Float[Tensor, "..."]:
        """The next state, given what the input adds."""
        return drive + self._felt(state)

    def linearise(self, state: Float[Tensor, "..."], drive: Float[Tensor, "..."]) -> Linearisation:
        """`J = U`."""
        return self._linear({}, {(0, 0): torch.ones_like(self.advance(state, drive))})


@dataclass(frozen=True)
class GRU(Cell):
    """Gated recurrent unit with gates r, z, n in the order and form of PyTorch."""

    n_gates: ClassVar[int] = 3

    def _gates(self, state: Tensor, drive: Tensor) -> tuple[Tensor, ...]:
        drive_r, drive_z, drive_n = drive.chunk(3, dim=-1)
        felt_r, felt_z, q = self._felt(state).chunk(3, dim=-1)
        r, z = torch.sigmoid(drive_r + felt_r), torch.sigmoid(drive_z + felt_z)
        return r, z, q, torch.tanh(drive_n + r * q)

    def advance(
        self, state: Float[Tensor, "..."], drive: Float[Tensor, "..."]
    ) -> Float[Tensor, "..."]:
        """The next state, given what the input adds."""
        _, z, _, g = self._gates(state, drive)
        return (1 - z) * g + z * state

    def linearise(self, state: Float[Tensor, "..."], drive: Float[Tensor, "..."]) -> Linearisation:
        """`J = D(z) + D((h-g) z (1-z)) U_z + D((1-z)(1-g^2)) [D(r) U_n + D(q r (1-r)) U_r]`."""
        r, z, q, g = self._gates(state, drive)
        by_r, by_z = (1 - z) * (1 - g**2) * q * r * (1 - r), (state - g) * z * (1 - z)
        by_n = (1 - z) * (1 - g**2)
        return self._linear(
            {(0, 0): z},
            {(0, 0): by_r, (0, 1): by_z, (0, 2): by_n * r},
            {(0, 0): by_r, (0, 1): by_z, (0, 2): by_n},
        )


@dataclass(frozen=True)
class LSTM(Cell):
    """Long short-term memory with gates i, f, g, o; its state is h and then c, 2n numbers."""

    n_gates: ClassVar[int] = 4
    parts: ClassVar[int] = 2

    def _gates(self, state: Tensor, drive: Tensor) -> tuple[Tensor, ...]:
        i, f, g, o = (drive + self._felt(state)).chunk(4, dim=-1)
        return torch.sigmoid(i), torch.sigmoid(f), torch.tanh(g), torch.sigmoid(o)

    def advance(
        self, state: Float[Tensor, "..."], drive: Float[Tensor, "..."]
    ) -> Float[Tensor, "..."]:
        """The next state, given what the input adds."""
        i, f, g, o = self._gates(state, drive)
        c = f * state[..., self.hidden_size :] + i * g
        return torch.cat([o * torch.tanh(c), c], dim=-1)

    def linearise(self, state: Float[Tensor, "..."], drive: Float[Tensor, "..."]) -> Linearisation:
        """The four blocks: c' depends on gates i, f, g and on c; h' on c' and on gate o."""
        i, f, g, o = self._gates(state, drive)
        before = state[..., self.hidden_size :]
        tau = torch.tanh(f * before + i * g)
        slope = o * (1 - tau**2)  # dh'/dc', called A in the text
        to_c = {0: i * (1 - i) * g, 1: f * (1 - f) * before, 2: i * (1 - g**2)}
        mix = {(1, gate): factor for gate, factor in to_c.items()}
        mix |= {(0, gate): slope * factor for gate, factor in to_c.items()}
        mix[(0, 3)] = o * (1 - o) * tau
        return self._linear({(0, 1): slope * f, (1, 1): f}, mix)


@dataclass(frozen=True)
class AntisymmetricRNN(Cell):
    """`h' = h + eps tanh((U - U^T - gamma I) h + W x + b)`.

    Attributes:
        step_size: eps.
        damping: gamma.

    Source: Chang, Chen, Haber & Chi (2019).
    """

    step_size: float = 0.01
    damping: float = 0.01

    def __post_init__(self) -> None:
        super().__post_init__()
        as_positive("step_size", self.step_size)

    def _effective(self) -> Tensor:
        n = self.hidden_size
        eye = torch.eye(n, dtype=self.dtype, device=self.device)
        return self.recurrent_weights - self.recurrent_weights.mT - self.damping * eye

    def _moved(self, state: Tensor, drive: Tensor) -> Tensor:
        return torch.tanh(drive + affine(state, self._effective(), self.recurrent_bias))

    def advance(
        self, state: Float[Tensor, "..."], drive: Float[Tensor, "..."]
    ) -> Float[Tensor, "..."]:
        """The next state, given what the input adds."""
        return state + self.step_size * self._moved(state, drive)

    def linearise(self, state: Float[Tensor, "..."], drive: Float[Tensor, "..."]) -> Linearisation:
        """`J = I + eps D(1 - tanh^2) (U - U^T - gamma I)`."""
        factor = self.step_size * (1 - self._moved(state, drive) ** 2)
        return self._linear({(0, 0): 1.0}, {(0, 0): factor}, recurrent=self._effective())


@dataclass(frozen=True)
class CoRNN(Cell):
    """Coupled oscillators: v' = v + dt (tanh(a) - gamma y - eps v), y' = y + dt v'.

    The recurrent weights are (n, 2n): those of y, then those of v. The state is y and then v.

    Attributes:
        dt: length of a step.
        stiffness: gamma.
        friction: eps.

    Source: Rusch & Mishra (2021).
    """

    parts: ClassVar[int] = 2
    reads: ClassVar[int] = 2

    dt: float = 0.042
    stiffness: float = 2.7
    friction: float = 4.7

    def __post_init__(self) -> None:
        super().__post_init__()
        as_positive("dt", self.dt)

    def advance(
        self, state: Float[Tensor, "..."], drive: Float[Tensor, "..."]
    ) -> Float[Tensor, "..."]:
        """The next state, given what the input adds."""
        y, v = state.chunk(2, dim=-1)
        pull = torch.tanh(drive + self._felt(state)) - self.stiffness * y - self.friction * v
        v = v + self.dt * pull
        return torch.cat([y + self.dt * v, v], dim=-1)

    def linearise(self, state: Float[Tensor, "..."], drive: Float[Tensor, "..."]) -> Linearisation:
        """Rows of v': kick and friction; rows of y': identity, plus dt times those of v'."""
        slope = 1 - torch.tanh(drive + self._felt(state)) ** 2
        dt, spring, slow = self.dt, -self.dt * self.stiffness, 1 - self.dt * self.friction
        return self._linear(
            {(0, 0): 1 + dt * spring, (0, 1): dt * slow, (1, 0): spring, (1, 1): slow},
            {(0, 0): dt * dt * slope, (1, 0): dt * slope},
        )


@dataclass(frozen=True)
class Layers:
    """Several cells on top of each other: each reads the h of the one below, in the same step.

    Attributes:
        cells: the lowest first.

    Raises:
        ValueError: if there is none, or if a width or a stack of networks does not fit.
    """

    cells: tuple[Cell, ...]

    def __post_init__(self) -> None:
        if not self.cells:
            raise ValueError("Layers needs one cell or more")
        for below, above in zip(self.cells[:-1], self.cells[1:], strict=True):
            if above.input_size != below.hidden_size or above.nets != below.nets:
                raise ValueError(
                    f"a layer with inputs of {above.input_size} and networks {above.nets} does not "
                    f"fit on one with {below.hidden_size} units and networks {below.nets}"
                )

    @property
    def input_size(self) -> int:
        """Width of an input."""
        return self.cells[0].input_size

    @property
    def hidden_size(self) -> int:
        """Units of the topmost layer."""
        return self.cells[-1].hidden_size

    @property
    def state_size(self) -> int:
        """Numbers that all layers remember."""
        return sum(cell.state_size for cell in self.cells)

    @property
    def nets(self) -> tuple[int, ...]:
        """Shape of the stack of networks."""
        return self.cells[0].nets

    @property
    def dtype(self) -> torch.dtype:
        """Type of the weights."""
        return self.cells[0].dtype

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.cells[0].device

    def tensors(self) -> list[Tensor]:
        """All weights and biases that there are."""
        return [each for cell in self.cells for each in cell.tensors()]

    def drive(self, x: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
        """What inputs add to the gates of the lowest layer."""
        return self.cells[0].drive(x)

    def step(self, state: Float[Tensor, "..."], x: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
        """One step of all layers."""
        return self.advance(state, self.drive(x))

    def advance(
        self, state: Float[Tensor, "..."], drive: Float[Tensor, "..."]
    ) -> Float[Tensor, "..."]:
        """The next state, given what the input adds."""
        return torch.cat(
            [cell.advance(own, felt) for cell, own, felt in self._cascade(state, drive)], dim=-1
        )

    def linearise(
        self, state: Float[Tensor, "..."], drive: Float[Tensor, "..."]
    ) -> LayeredLinearisation:
        """Jacobian of the step, at one state or at many."""
        return LayeredLinearisation(
            tuple(cell.linearise(own, felt) for cell, own, felt in self._cascade(state, drive))
        )

    def hidden(self, state: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
        """The h of the topmost layer."""
        return self.cells[-1].hidden(state[..., -self.cells[-1].state_size :])

    def _cascade(self, state: Tensor, drive: Tensor):
        """Each layer with its own state and its drive, in order."""
        sizes = [cell.state_size for cell in self.cells]
        for depth, (cell, own) in enumerate(
            zip(self.cells, state.split(sizes, dim=-1), strict=True)
        ):
            yield cell, own, drive
            if depth + 1 < len(self.cells):
                shown = cell.hidden(cell.advance(own, drive))
                drive = self.cells[depth + 1].drive(shown)


KINDS: dict[str, type[Cell]] = {
    "tanh": Tanh,
    "relu": ReLU,
    "linear": Linear,
    "gru": GRU,
    "lstm": LSTM,
    "antisymmetric": AntisymmetricRNN,
    "cornn": CoRNN,
}


def stack(cells: Sequence[Cell]) -> Cell:
    """Put networks of one kind and size on top of each other, so that they run as one.

    Args:
        cells: two or more of the same class, size and biases.

    Returns:
        One cell whose weights have a leading axis of networks.

    Raises:
        ValueError: if they differ in kind, size or biases.
    """
    cells = list(cells)
    names = {(type(cell), tuple(each.shape for each in cell.tensors())) for cell in cells}
    if len(names) != 1:
        raise ValueError("stack needs cells of one kind, one size and the same biases")
    first = cells[0]
    joined = {
        field.name: torch.stack([getattr(cell, field.name) for cell in cells])
        for field in fields(first)
        if isinstance(getattr(first, field.name), Tensor)
    }
    return replace(first, **joined)


def uniform(
    kind: str,
    input_size: int,
    hidden_size: int,
    scale: float | Float[Tensor, "nets"],
    *,
    seed: int,
    bias: bool = False,
    dtype: torch.dtype = torch.float64,
    **options: float,
) -> Cell:
    """Cells with all weights drawn from the uniform distribution on [-p, p].

    Args:
        kind: key of `KINDS`.
        input_size: width of an input.
        hidden_size: units n.
        scale: p, positive; a vector gives a stack of networks, one for each entry.
        seed: of the draw.
        bias: draw an input bias, too.
        dtype: of the weights.
        options: further fields of the cell, such as `step_size`.

    Returns:
        The cell. Networks of a stack differ in their draw as well as in p.

    Raises:
        ValueError: for an unknown kind, a size below 1, or a scale that is not positive.
    """
    if kind not in KINDS:
        raise ValueError(f"kind must be one of {', '.join(KINDS)}, got {kind!r}")
    if hidden_size < 1 or input_size < 0:
        raise ValueError(
            f"sizes must be 1 or greater (inputs: 0), got {hidden_size} and {input_size}"
        )
    p = torch.as_tensor(scale, dtype=dtype)
    if p.ndim > 1 or not (p > 0).all() or not torch.isfinite(p).all():
        raise ValueError(f"scale must be one positive number, or one for each network, got {scale}")
    cell, generator = KINDS[kind], torch.Generator().manual_seed(seed)
    rows = cell.n_gates * hidden_size

    def draw(*shape: int) -> Tensor:
        values = torch.rand(*p.shape, *shape, generator=generator, dtype=torch.float64)
        return ((2 * values - 1) * p.double().reshape(*p.shape, *[1] * len(shape))).to(dtype)

    return cell(
        draw(rows, input_size),
        draw(rows, cell.reads * hidden_size),
        draw(rows) if bias else None,
        **options,
    )


def gaussian(
    hidden_size: int,
    gain: float,
    *,
    noise: float = 0.0,
    nets: int | None = None,
    seed: int,
    dtype: torch.dtype = torch.float64,
) -> Tanh:
    """A random tanh network: `h' = tanh(U h + sigma x)`, entries of U normal of variance g^2 / n.

    Args:
        hidden_size: units n.
        gain: g.
        noise: sigma, the strength of the input; each unit has an input of its own.
        nets: number of networks of a stack; `None` gives one network.
        seed: of the draw.
        dtype: of the weights.

    Raises:
        ValueError: for a size below 1, a negative gain or a negative noise.

    Source: Sompolinsky, Crisanti & Sommers (1988), in discrete time.
    """
    if hidden_size < 1 or not gain >= 0 or not noise >= 0:
        raise ValueError(
            f"hidden_size must be >= 1, gain and noise >= 0; got {hidden_size}, {gain}, {noise}"
        )
    generator = torch.Generator().manual_seed(seed)
    lead = () if nets is None else (nets,)
    draw = torch.randn(*lead, hidden_size, hidden_size, generator=generator, dtype=torch.float64)
    eye = torch.eye(hidden_size, dtype=dtype).expand(*lead, -1, -1)
    return Tanh(noise * eye, (draw * gain / hidden_size**0.5).to(dtype))


def from_torch(
    module: torch.nn.RNN | torch.nn.GRU | torch.nn.LSTM, *, dtype: torch.dtype = torch.float64
) -> Cell | Layers:
    """Read a recurrent module of PyTorch; its weights are copied, its dropout is left out.

    Args:
        module: one or several layers, with or without bias.
        dtype: of the copy; float64 keeps small exponents exact.

    Returns:
        A cell, or `Layers`.

    Raises:
        TypeError: for any other module.
        ValueError: for two directions or a projection, which have no Jacobian of this form.
    """
    if isinstance(module, torch.nn.RNN):
        kind = {"tanh": Tanh, "relu": ReLU}[module.nonlinearity]
    elif isinstance(module, torch.nn.GRU):
        kind = GRU
    elif isinstance(module, torch.nn.LSTM):
        kind = LSTM
    else:
        raise TypeError(f"module must be torch.nn.RNN, GRU or LSTM, got {type(module).__name__}")
    if module.bidirectional or module.proj_size:
        raise ValueError(
            "a network that runs in two directions, or projects its state, is no dynamical system "
            "of this form: use bidirectional=False and proj_size=0"
        )
    names = ["weight_ih", "weight_hh"] + ["bias_ih", "bias_hh"] * module.bias
    cells = tuple(
        kind(*(getattr(module, f"{name}_l{layer}").detach().to(dtype, copy=True) for name in names))
        for layer in range(module.num_layers)
    )
    return cells[0] if len(cells) == 1 else Layers(cells)
