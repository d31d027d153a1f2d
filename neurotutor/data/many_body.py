"""Bodies under gravity whose groups and types are known: the ground truth of the chapter on EIT.

A trial holds a few independent systems side by side: pairs (`simulate_two_body`) or triples
(`simulate_three_body`). Who pulls on whom (the connection) and which role a body plays in its
system (the type) are known for every body, and so is their name after a reordering (`relabel`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import permutations
from typing import Literal

import numpy as np
from jaxtyping import Float, Int
from scipy.integrate import solve_ivp

from neurotutor.checks import as_count, as_not_negative, as_positive

TaskName = Literal["connection", "type", "both"]
TASKS: tuple[str, ...] = ("connection", "type", "both")

# Beyond this relative change of the energy a fixed step was too long for a close encounter.
_DRIFT = 1e-3
_REFINEMENTS = (1, 4, 16)


@dataclass(frozen=True)
class ManyBody:
    """Trials of a few gravitational systems, each cut to a short window. Units have G = 1.

    Attributes:
        orbits: positions over the whole simulation.
        velocities: velocities over the whole simulation.
        masses: of the bodies.
        times: when the samples of `orbits` were taken.
        start: first sample of the window of each system.
        window: number of samples in a window.
        connection: which system each body belongs to, from 0.
        type: which role each body plays in its system, from 0.
    """

    orbits: Float[np.ndarray, "trials samples bodies 2"]
    velocities: Float[np.ndarray, "trials samples bodies 2"]
    masses: Float[np.ndarray, "trials bodies"]
    times: Float[np.ndarray, " samples"]
    start: Int[np.ndarray, "trials systems"]
    window: int
    connection: Int[np.ndarray, " bodies"]
    type: Int[np.ndarray, " bodies"]

    @property
    def positions(self) -> Float[np.ndarray, "trials time bodies 2"]:
        """What a network sees: positions in the windows, each system from its own start."""
        rows = self.start[:, self.connection][:, None] + np.arange(self.window)[None, :, None]
        return np.take_along_axis(self.orbits, rows[..., None], axis=1)

    @property
    def n_trials(self) -> int:
        """Number of trials."""
        return len(self.orbits)

    @property
    def n_bodies(self) -> int:
        """Number of bodies in a trial, over all its systems."""
        return self.orbits.shape[2]


@dataclass(frozen=True)
class Relabelling:
    """Every order of the bodies, and the class that each order has in one task.

    Attributes:
        orders: row p puts body `orders[p, i]` into channel i.
        classes: class of each order.
        patterns: what the channels are in each class, by class.
    """

    orders: Int[np.ndarray, "orders bodies"]
    classes: Int[np.ndarray, " orders"]
    patterns: tuple[tuple[int, ...], ...]

    @property
    def n_classes(self) -> int:
        """Number of classes."""
        return len(self.patterns)


def relabel(
    connection: Sequence[int] | Int[np.ndarray, " bodies"],
    type: Sequence[int] | Int[np.ndarray, " bodies"],
    task: TaskName,
) -> Relabelling:
    """All orders of the bodies with their classes.

    "connection" asks which channels belong together, whatever the systems are called; "type" asks
    for the role in each channel; "both" asks for the two at once.

    Args:
        connection: system of each body, in the order of the simulation.
        type: role of each body in its system.
        task: which question.

    Raises:
        ValueError: if the task is unknown, lengths differ, or there are more than 7 bodies, whose
            orders are too many to list.

    Source: Liu et al. (2022), labels of the many-body data.
    """
    connection, type = np.asarray(connection), np.asarray(type)
    if task not in TASKS:
        raise ValueError(f"task must be one of {', '.join(TASKS)}, got {task!r}")
    if connection.shape != type.shape or connection.ndim != 1:
        raise ValueError(
            f"connection and type need one entry a body, got {connection.shape} and {type.shape}"
        )
    if not 1 <= len(connection) <= 7:
        raise ValueError(f"orders are listed for 1 to 7 bodies, got {len(connection)}")
    orders = np.array(list(permutations(range(len(connection)))))
    groups = [_in_order_of_appearance(row) for row in connection[orders]]
    roles = [tuple(row) for row in type[orders].tolist()]
    found = {
        "connection": groups,
        "type": roles,
        "both": [g + r for g, r in zip(groups, roles, strict=True)],
    }[task]
    patterns = sorted(set(found))
    index = {pattern: k for k, pattern in enumerate(patterns)}
    return Relabelling(orders, np.array([index[each] for each in found]), tuple(patterns))


def _in_order_of_appearance(row: Int[np.ndarray, " bodies"]) -> tuple[int, ...]:
    names: dict[int, int] = {}
    return tuple(names.setdefault(int(each), len(names)) for each in row)


def acceleration(
    positions: Float[np.ndarray, "systems bodies 2"], masses: Float[np.ndarray, "systems bodies"]
) -> Float[np.ndarray, "systems bodies 2"]:
    """Newton's pull of all other bodies of the same system, with G = 1.

    Args:
        positions: shape (systems, bodies, 2).
        masses: shape (systems, bodies).
    """
    # One array a coordinate: sums over neighbours in memory, and no power of 3/2.
    x, y = positions[..., 0], positions[..., 1]
    to_x, to_y = x[:, None, :] - x[:, :, None], y[:, None, :] - y[:, :, None]
    squared = to_x**2 + to_y**2
    n = positions.shape[1]
    # Any number does on the diagonal, where the difference is 0.
    squared[:, np.arange(n), np.arange(n)] = 1.0
    pull = masses[:, None, :] / (squared * np.sqrt(squared))
    return np.stack([(pull * to_x).sum(-1), (pull * to_y).sum(-1)], axis=-1)


def energy(
    positions: Float[np.ndarray, "*times bodies 2"],
    velocities: Float[np.ndarray, "*times bodies 2"],
    masses: Float[np.ndarray, "*times bodies"],
) -> Float[np.ndarray, "*times"]:
    """Kinetic plus potential energy of a system, over all pairs."""
    kinetic = 0.5 * (masses * (velocities**2).sum(-1)).sum(-1)
    first, second = np.triu_indices(positions.shape[-2], 1)
    apart = np.linalg.norm(positions[..., first, :] - positions[..., second, :], axis=-1)
    potential = (masses[..., first] * masses[..., second] / apart).sum(-1)
    return np.asarray(kinetic - potential)


def integrate(
    positions: Float[np.ndarray, "systems bodies 2"],
    velocities: Float[np.ndarray, "systems bodies 2"],
    masses: Float[np.ndarray, "systems bodies"],
    times: Float[np.ndarray, " samples"],
    *,
    step: float | int = 0.02,
) -> tuple[
    Float[np.ndarray, "systems samples bodies 2"], Float[np.ndarray, "systems samples bodies 2"]
]:
    """Move all systems at once: fixed Runge-Kutta steps, and adaptive ones where they fail.

    Args:
        positions: at times[0], shape (systems, bodies, 2).
        velocities: at times[0], same shape.
        masses: shape (systems, bodies), positive.
        times: increasing, equally spaced.
        step: longest fixed step. A system whose energy drifts by more than one part in a thousand
            had a close encounter: it is integrated again with a quarter and then a sixteenth
            of the step, and if that is not enough with DOP853 at rtol 1e-9.

    Returns:
        Positions and velocities at `times`.

    Raises:
        ValueError: if shapes disagree, a value is not finite, or `times` does not increase.
    """
    as_positive("step", step)
    if positions.ndim != 3 or positions.shape[-1] != 2 or velocities.shape != positions.shape:
        raise ValueError(
            "positions and velocities must both have shape (systems, bodies, 2), got "
            f"{positions.shape} and {velocities.shape}"
        )
    if masses.shape != positions.shape[:2]:
        raise ValueError(f"masses must have shape {positions.shape[:2]}, got {masses.shape}")
    if not all(np.isfinite(each).all() for each in (positions, velocities, masses)):
        raise ValueError("positions, velocities or masses hold NaN or infinite values")
    if times.ndim != 1 or len(times) < 2 or not (np.diff(times) > 0).all():
        raise ValueError("times must be at least two increasing numbers")
    orbits, motion = np.empty((2, len(positions), len(times), *positions.shape[1:]))
    left = np.arange(len(positions))
    for shorter in _REFINEMENTS:
        part = masses[left]
        orbits[left], motion[left] = _fixed(
            positions[left], velocities[left], part, times, step / shorter
        )
        weights = np.broadcast_to(part[:, None], (len(left), *orbits.shape[1:3]))
        values = energy(orbits[left], motion[left], weights)
        drift = np.abs(values / values[:, :1] - 1).max(axis=1)
        left = left[~(drift < _DRIFT)]
        if not len(left):
            return orbits, motion
    for k in left:
        orbits[k], motion[k] = _adaptive(positions[k], velocities[k], masses[k], times)
    return orbits, motion


def _fixed(q: np.ndarray, v: np.ndarray, masses: np.ndarray, times: np.ndarray, step: float | int):
    gap = float(times[1] - times[0])
    n_steps = math.ceil(gap / step - 1e-9)
    dt = gap / n_steps
    path, speed = [q], [v]
    for _ in times[1:]:
        for _ in range(n_steps):
            q, v = _runge_kutta(q, v, masses, dt)
        path.append(q)
        speed.append(v)
    return np.stack(path, 1), np.stack(speed, 1)


def _runge_kutta(q: np.ndarray, v: np.ndarray, m: np.ndarray, dt: float):
    a1 = acceleration(q, m)
    v2 = v + dt / 2 * a1
    a2 = acceleration(q + dt / 2 * v, m)
    v3 = v + dt / 2 * a2
    a3 = acceleration(q + dt / 2 * v2, m)
    v4 = v + dt * a3
    a4 = acceleration(q + dt * v3, m)
    return q + dt / 6 * (v + 2 * v2 + 2 * v3 + v4), v + dt / 6 * (a1 + 2 * a2 + 2 * a3 + a4)


def _adaptive(q: np.ndarray, v: np.ndarray, m: np.ndarray, times: np.ndarray):
    shape = q.shape

    def slope(_: float, state: np.ndarray) -> np.ndarray:
        place, motion = state.reshape(2, *shape)
        return np.concatenate([motion.ravel(), acceleration(place[None], m[None]).ravel()])

    start = np.concatenate([q.ravel(), v.ravel()])
    found = solve_ivp(
        slope, (times[0], times[-1]), start, "DOP853", t_eval=times, rtol=1e-9, atol=1e-11
    )
    if not found.success:
        raise ValueError(f"a close encounter cannot be integrated: {found.message}")
    states = found.y.T.reshape(len(times), 2, *shape)
    return states[:, 0], states[:, 1]


def simulate_two_body(
    n_trials: int = 500,
    *,
    seed: int = 0,
    n_systems: int = 2,
    n_samples: int = 50,
    window: int = 10,
    duration: float | int = 10.0,
    velocity_noise: float | int = 0.05,
) -> ManyBody:
    """Pairs of a light and a heavy body on nearly circular orbits.

    Args:
        n_trials: number of trials.
        seed: of all draws.
        n_systems: independent pairs in a trial.
        n_samples: samples over the whole simulation.
        window: samples that are kept, from a random start in [0, n_samples - window).
        duration: of the whole simulation.
        velocity_noise: relative standard deviation of the starting velocity.

    Returns:
        Channels in the order pair 1 light, heavy, pair 2 light, heavy, and so on.

    Raises:
        ValueError: if a number is out of range.
        TypeError: if a count is not a whole number.

    Source: Liu et al. (2022), two-body system.
    """
    as_not_negative("velocity_noise", velocity_noise)

    def draw(rng: np.random.Generator, n: int):
        masses = np.stack([rng.uniform(0.8, 1.2, n), rng.uniform(1.2, 1.6, n)], axis=1)
        p = rng.uniform(0.5, 1.5, (n, 2))
        v = circular_velocity(p) * (1 + velocity_noise * rng.standard_normal((n, 1)))
        return np.stack([p, -p], axis=1), np.stack([v, -v], axis=1), masses

    return _simulate(draw, n_trials, seed, n_systems, n_samples, window, duration, 0.02)


def circular_velocity(position: Float[np.ndarray, "systems 2"]) -> Float[np.ndarray, "systems 2"]:
    """Velocity that keeps two unit masses at `position` and its mirror image on one circle.

    Source: Liu et al. (2022), two-body system.
    """
    x, y = position.T
    radius = np.hypot(x, y)
    return np.stack([-y, x], axis=1) / (2 * radius**1.5)[:, None]


def simulate_three_body(
    n_trials: int = 500,
    *,
    seed: int = 0,
    masses: Sequence[float | int] = (1.0, 1.0, 1.0),
    n_systems: int = 2,
    n_samples: int = 200,
    window: int = 50,
    duration: float | int = 10.0,
    velocity_noise: float | int = 0.1,
) -> ManyBody:
    """Triples that start on a turning triangle; the disturbed ones soon leave it.

    Args:
        n_trials: number of trials.
        seed: of all draws.
        masses: of the three bodies. Equal masses are the published setting; they leave nothing but
            the starting place to tell the bodies of a triple apart.
        n_systems: independent triples in a trial.
        n_samples: samples over the whole simulation.
        window: samples that are kept, from a random start in [0, n_samples - window).
        duration: of the whole simulation.
        velocity_noise: largest relative change of a component of the starting velocity.

    Returns:
        Channels in the order triple 1 body 1, 2, 3, triple 2 body 1, 2, 3, and so on.

    Raises:
        ValueError: if a number is out of range.
        TypeError: if a count is not a whole number.

    Source: Liu et al. (2022), three-body system.
    """
    as_not_negative("velocity_noise", velocity_noise)
    weights = np.asarray(masses, float)
    if weights.shape != (3,) or not (np.isfinite(weights).all() and (weights > 0).all()):
        raise ValueError(f"masses must be three positive numbers, got {masses}")

    def draw(rng: np.random.Generator, n: int):
        direction = rng.uniform(0.9, 1.2, (n, 2))
        radius = rng.uniform(0.9, 1.2, (n, 1))
        first = direction / np.linalg.norm(direction, axis=1, keepdims=True) * radius
        speed = math.sqrt(math.sin(math.pi / 3) / (2 * math.cos(math.pi / 6) ** 2))
        v = first @ _turn(90.0).T * radius**-1.5 * speed
        places = np.stack([first @ _turn(angle).T for angle in (0.0, 120.0, 240.0)], axis=1)
        motion = np.stack([v @ _turn(angle).T for angle in (0.0, 120.0, 240.0)], axis=1)
        motion = motion * (1 + velocity_noise * rng.uniform(-1, 1, motion.shape))
        return places, motion, np.tile(weights, (n, 1))

    return _simulate(draw, n_trials, seed, n_systems, n_samples, window, duration, 0.0125)


def _turn(degrees: float) -> np.ndarray:
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    return np.array([[c, -s], [s, c]])


def _simulate(
    draw: Callable,
    n_trials: int,
    seed: int,
    n_systems: int,
    n_samples: int,
    window: int,
    duration: float | int,
    step: float | int,
) -> ManyBody:
    as_count("n_trials", n_trials)
    as_count("n_systems", n_systems)
    as_count("n_samples", n_samples, 2)
    as_count("window", window)
    as_count("seed", seed, 0)
    as_positive("duration", duration)
    if window >= n_samples:
        raise ValueError(f"window must be shorter than n_samples ({n_samples}), got {window}")
    rng = np.random.default_rng(seed)
    places, motion, masses = draw(rng, n_trials * n_systems)
    times = np.linspace(0.0, duration, n_samples)
    orbits, velocities = integrate(places, motion, masses, times, step=step)
    n = places.shape[1]

    def side_by_side(values: np.ndarray) -> np.ndarray:
        values = values.reshape(n_trials, n_systems, n_samples, n, 2).transpose(0, 2, 1, 3, 4)
        return values.reshape(n_trials, n_samples, n_systems * n, 2)

    return ManyBody(
        orbits=side_by_side(orbits),
        velocities=side_by_side(velocities),
        masses=masses.reshape(n_trials, -1),
        times=times,
        start=rng.integers(0, n_samples - window, (n_trials, n_systems)),
        window=window,
        connection=np.repeat(np.arange(n_systems), n),
        type=np.tile(np.arange(n), n_systems),
    )
