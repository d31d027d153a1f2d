"""Pictures of small graphs. Entry [i, j] of a matrix true means i -> j, both ways i - j."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Shaped
from matplotlib.axes import Axes
from matplotlib.patches import FancyArrowPatch

from neurotutor.connectomes.causal_connectome.checks import as_graph
from neurotutor.plotting import INK, MUTED, PAPER


def circle(n_nodes: int) -> list[tuple[float, float]]:
    """Positions on a circle, the first node at the top, clockwise."""
    angles = np.pi / 2 - 2 * np.pi * np.arange(n_nodes) / n_nodes
    return [(float(np.cos(a)), float(np.sin(a))) for a in angles]


def draw_graph(
    ax: Axes,
    graph: Shaped[np.ndarray, "nodes nodes"],
    positions: Sequence[tuple[float, float]] | None = None,
    *,
    names: Sequence[str] | None = None,
    edge_colours: Mapping[tuple[int, int], str] | None = None,
    node_colours: Mapping[int, str] | None = None,
    squares: Sequence[int] = (),
    size: float = 22.0,
) -> None:
    """Draw a graph: arrows where a direction is known, plain lines where it is not.

    Args:
        ax: axes to draw in; its frame is switched off.
        graph: entry [i, j] true means i -> j, [i, j] and [j, i] both true i - j.
        positions: of the nodes; default: on a circle.
        names: written into the nodes; default: numbers from 1.
        edge_colours: of the edges (i, j); default: grey. Coloured edges are thicker.
        node_colours: of the nodes; default: dark.
        squares: nodes that are drawn as squares, such as those held still.
        size: of a node, in points.

    Raises:
        ValueError: if there are not as many positions or names as nodes.
    """
    matrix = as_graph(graph)
    places = circle(len(matrix)) if positions is None else positions
    labels = [str(i + 1) for i in range(len(matrix))] if names is None else names
    if len(places) != len(matrix) or len(labels) != len(matrix):
        raise ValueError(
            f"{len(matrix)} nodes need as many positions and names, got "
            f"{len(places)} and {len(labels)}"
        )
    colours = dict(edge_colours or {})
    for i, j in np.argwhere(matrix).tolist():
        both = bool(matrix[j, i])
        if both and i > j:
            continue
        colour = colours.get((i, j), colours.get((j, i)) if both else None)
        ax.add_patch(
            FancyArrowPatch(
                places[i],
                places[j],
                arrowstyle="-" if both else "-|>",
                mutation_scale=15,
                shrinkA=size / 2 + 1,
                shrinkB=size / 2 + 1,
                color=colour or MUTED,
                lw=2.6 if colour else 1.5,
                zorder=2 if colour else 1,
            )
        )
    for node, (x, y) in enumerate(places):
        colour = (node_colours or {}).get(node, INK)
        ax.plot(x, y, "s" if node in squares else "o", ms=size, color=colour, zorder=3)
        ax.text(
            x,
            y - 0.01,
            labels[node],
            color=PAPER,
            ha="center",
            va="center",
            zorder=4,
            fontweight="bold",
        )
    xs, ys = np.array(places).T
    margin = 0.35
    ax.set(xlim=(xs.min() - margin, xs.max() + margin), ylim=(ys.min() - margin, ys.max() + margin))
    ax.axis("off")
