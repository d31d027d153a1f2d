"""One visual style for the whole book, and the figures that recur in it."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Sequence

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
from cycler import cycler
from IPython.display import HTML, display
from jaxtyping import Float, Int, Real
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from PIL import Image

PAPER = "#fbfaf7"
INK = "#22262b"
MUTED = "#6b7178"

# Okabe & Ito's eight colours, which stay apart for the common forms of colour blindness, and
# darker or lighter companions of them. A method keeps its colour in every chapter.
COLOURS: dict[str, str] = {
    # conditions
    "source": "#0072B2",
    "target": "#D55E00",
    "result": "#009E73",
    "chance": "#8a8f96",
    "oracle": "#22262b",
    # representations
    "raw": "#6b7178",
    "pca": "#56B4E9",
    "supervised": "#22262b",
    "byol": "#0072B2",
    "myow": "#D55E00",
    "content": "#0072B2",
    "style": "#D55E00",
    "vae": "#CC79A7",
    # rates of single trials
    "glm": "#56B4E9",
    "ndt": "#0072B2",
    "identity": "#E69F00",
    "stndt": "#D55E00",
    "contrast": "#CC79A7",
    # distribution alignment
    "hiwa": "#D55E00",
    "hiwa_ssc": "#E69F00",
    "wa": "#0072B2",
    "icp": "#56B4E9",
    "coral": "#CC79A7",
    "sa": "#009E73",
    "dad": "#7a5195",
    # assemblies
    "assembly": "#0072B2",
    "newcomer": "#D55E00",
    "exact": "#0072B2",
    "sampled": "#D55E00",
    "theory": "#22262b",
    # connectomes
    "pearson": "#56B4E9",
    "partial": "#CC79A7",
    "granger": "#E69F00",
    "pc": "#0072B2",
    "dcm": "#7a5195",
    "found": "#009E73",
    "spurious": "#D55E00",
}

CLUSTER_COLOURS: tuple[str, ...] = (
    "#0072B2",
    "#D55E00",
    "#009E73",
    "#CC79A7",
    "#E69F00",
    "#56B4E9",
    "#7a5195",
    "#6b7178",
)

# A closed loop of eight colours: neighbours look alike, opposite directions differ in hue and in
# lightness, so that the order survives printing in grey.
DIRECTION_COLOURS: tuple[str, ...] = (
    "#1b3a6b",
    "#2f6db3",
    "#4fb3c8",
    "#7cc97f",
    "#e3c53b",
    "#ec8f2e",
    "#cf4a3a",
    "#7d2a63",
)

PIXELS_PER_INCH = 100


def use_style() -> None:
    """Switch matplotlib to the book's style: paper background, no text below 9 pt."""
    mpl.rcParams.update(
        {
            "figure.facecolor": PAPER,
            "savefig.facecolor": PAPER,
            "axes.facecolor": PAPER,
            "figure.figsize": (7.2, 3.6),
            "figure.dpi": PIXELS_PER_INCH,
            "figure.constrained_layout.use": True,
            "font.family": "DejaVu Sans",
            "font.size": 10,
            "axes.titlesize": 11,
            "axes.titleweight": "bold",
            "axes.titlelocation": "left",
            "axes.labelsize": 10,
            "xtick.labelsize": 9,
            "ytick.labelsize": 9,
            "legend.fontsize": 9,
            "legend.frameon": False,
            "text.color": INK,
            "axes.labelcolor": INK,
            "axes.edgecolor": MUTED,
            "xtick.color": INK,
            "ytick.color": INK,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.linewidth": 0.8,
            "axes.prop_cycle": cycler(color=list(CLUSTER_COLOURS)),
            "lines.linewidth": 1.8,
            "lines.markersize": 5,
            "image.cmap": "cividis",
            "image.interpolation": "nearest",
            "svg.hashsalt": "neurotutor",
        }
    )


def _png(fig: Figure) -> bytes:
    raw = io.BytesIO()
    fig.savefig(raw, format="png", dpi=2 * PIXELS_PER_INCH)
    # 256 colours are enough for a chart, and a third of the bytes. They are chosen to span the
    # colours that occur; by the number of pixels, a coloured label beside a picture would lose.
    image = Image.open(raw).convert("RGB")
    image = image.quantize(256, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    small = io.BytesIO()
    image.save(small, format="png", optimize=True)
    return small.getvalue()


def _svg(fig: Figure) -> bytes:
    raw = io.BytesIO()
    fig.savefig(raw, format="svg", metadata={"Date": None})
    return raw.getvalue()


def webp(fig: Figure, quality: int = 80) -> bytes:
    """One frame of a player: WebP at 1.5x, small enough for dozens of them on a page."""
    raw = io.BytesIO()
    fig.savefig(raw, format="png", dpi=1.5 * PIXELS_PER_INCH)
    small = io.BytesIO()
    Image.open(raw).convert("RGB").save(small, format="webp", quality=quality, method=5)
    return small.getvalue()


def image_tag(data: bytes, mime: str, alt: str, width: int) -> str:
    """An HTML image that carries its data with it.

    Args:
        data: the encoded picture.
        mime: its type, such as `image/png`.
        alt: what to see in it, in a sentence; at least 20 characters.
        width: in CSS pixels; the picture never grows beyond the page.

    Raises:
        ValueError: if `alt` is too short to say what to see.
    """
    if len(alt.strip()) < 20:
        raise ValueError(f"alt must say what to see, in 20 characters or more, got {alt!r}")
    encoded = base64.b64encode(data).decode("ascii")
    return (
        f'<img class="nt-image" src="data:{mime};base64,{encoded}" '
        f'alt="{html.escape(alt, quote=True)}" width="{width}">'
    )


def publish(fig: Figure, alt: str, caption: str | None = None, vector: bool = False) -> None:
    """Show a finished figure on the page, with its alternative text, and close it.

    Args:
        fig: the figure.
        alt: what a reader who cannot see it should know; at least 20 characters.
        caption: text below the figure; may hold measured numbers.
        vector: SVG instead of PNG at 2x; choose it where few marks are drawn.

    Raises:
        ValueError: if `alt` is too short.
    """
    width = round(fig.get_figwidth() * PIXELS_PER_INCH)
    if vector:
        tag = image_tag(_svg(fig), "image/svg+xml", alt, width)
    else:
        tag = image_tag(_png(fig), "image/png", alt, width)
    below = f"<figcaption>{html.escape(caption)}</figcaption>" if caption else ""
    plt.close(fig)
    display(HTML(f'<figure class="nt-figure">{tag}{below}</figure>'))


def raster(
    ax: Axes,
    spikes: Int[np.ndarray, "time neurons"],
    bin_size: float,
    *,
    start: float = 0.0,
    colour: str = INK,
) -> None:
    """Draw binned spike counts as a raster: one row a neuron, darker where more spikes fell.

    Args:
        ax: axes to draw in.
        spikes: counts, shape (time, neurons).
        bin_size: width of a bin in seconds.
        start: time of the first bin's left edge in seconds.
        colour: of the darkest bin.

    Raises:
        ValueError: if `spikes` is not two-dimensional or `bin_size` is not positive.
    """
    if spikes.ndim != 2 or spikes.size == 0:
        raise ValueError(f"spikes must have shape (time, neurons), got {spikes.shape}")
    if not bin_size > 0:
        raise ValueError(f"bin_size must be positive, in seconds, got {bin_size}")
    ramp = mpl.colors.LinearSegmentedColormap.from_list("raster", [PAPER, colour])
    ax.imshow(
        spikes.T,
        aspect="auto",
        origin="lower",
        cmap=ramp,
        vmin=0,
        vmax=max(1.0, np.percentile(spikes, 99.5)),
        extent=(start, start + bin_size * len(spikes), 0, spikes.shape[1]),
    )
    ax.set(xlabel="time (s)", ylabel="neuron")


def heatmap(
    ax: Axes,
    matrix: Real[np.ndarray, "rows columns"],
    *,
    xlabel: str,
    ylabel: str,
    unit: str,
    limits: tuple[float, float] | None = None,
    colour_bar: bool = True,
) -> None:
    """Draw a matrix with a labelled colour bar.

    Args:
        ax: axes to draw in.
        matrix: values, shape (rows, columns); row 0 is drawn at the top.
        xlabel: what a column is.
        ylabel: what a row is.
        unit: what the colour means, with its unit.
        limits: values of the ends of the colour scale; default: the data's range.
        colour_bar: leave it out where a neighbouring panel shares it.
    """
    low, high = limits if limits is not None else (np.min(matrix), np.max(matrix))
    image = ax.imshow(matrix, vmin=low, vmax=high, aspect="auto")
    ax.set(xlabel=xlabel, ylabel=ylabel)
    for spine in ax.spines.values():
        spine.set_visible(False)
    if colour_bar:
        ax.figure.colorbar(image, ax=ax, label=unit, shrink=0.85)


def embedding(
    ax: Axes,
    points: Float[np.ndarray, "points 2"],
    labels: Int[np.ndarray, "points"],
    *,
    colours: Sequence[str] = CLUSTER_COLOURS,
    names: Sequence[str] | None = None,
    size: float = 10.0,
    marker: str = "o",
) -> None:
    """Scatter a two-dimensional embedding, coloured by label, each label written at its centre.

    Args:
        ax: axes to draw in.
        points: coordinates, shape (points, 2).
        labels: integer label of each point, used as index into `colours` and `names`.
        colours: one for each label.
        names: text for each label; `None` writes none.
        size: of a point, in square points.
        marker: matplotlib's name of the marker.

    Raises:
        ValueError: if shapes disagree or a label has no colour.
    """
    if points.ndim != 2 or points.shape[1] != 2 or labels.shape != (len(points),):
        raise ValueError(
            f"points must be (n, 2) and labels (n,), got {points.shape} and {labels.shape}"
        )
    if len(labels) and not 0 <= labels.min() <= labels.max() < len(colours):
        raise ValueError(f"labels must lie in 0..{len(colours) - 1}, one colour for each")
    shades = np.array([to_rgb(colour) for colour in colours])
    ax.scatter(points[:, 0], points[:, 1], s=size, c=shades[labels], alpha=0.7, lw=0, marker=marker)
    if names is not None:
        for label in np.unique(labels):
            x, y = np.median(points[labels == label], axis=0)
            ax.text(
                x,
                y,
                names[label],
                color=INK,
                ha="center",
                va="center",
                fontsize=9,
                bbox={"boxstyle": "round,pad=0.2", "fc": PAPER, "ec": shades[label], "alpha": 0.9},
            )
    ax.set(xticks=[], yticks=[])


def connectivity(
    ax: Axes, matrix: Real[np.ndarray, "nodes nodes"], *, unit: str, names: Sequence[str] = ()
) -> None:
    """Draw a connectivity matrix: entry [i, j] is the connection from row i to column j.

    Args:
        ax: axes to draw in.
        matrix: square; its colour scale is symmetric about zero.
        unit: what the colour means.
        names: of the nodes; default: their numbers.

    Raises:
        ValueError: if `matrix` is not square.
    """
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1]:
        raise ValueError(f"a connectivity matrix is square, got shape {matrix.shape}")
    reach = max(float(np.abs(matrix).max()), np.finfo(float).tiny)
    image = ax.imshow(matrix, cmap="RdBu_r", vmin=-reach, vmax=reach)
    ax.set(xlabel="to", ylabel="from")
    if names:
        ax.set_xticks(range(len(names)), names)
        ax.set_yticks(range(len(names)), names)
    ax.figure.colorbar(image, ax=ax, label=unit, shrink=0.85)


def compass(ax: Axes, angles: Sequence[float] | None = None) -> None:
    """Draw the key of the reach directions: a dot where the target stands, in its colour.

    Args:
        ax: small axes, usually an inset.
        angles: target angles in radians, label 0 first; default: 90 - 45 k degrees.
    """
    if angles is None:
        angles = np.deg2rad(90 - 45 * np.arange(8))
    for label, angle in enumerate(angles):
        x, y = np.cos(angle), np.sin(angle)
        ax.plot([0, 0.72 * x], [0, 0.72 * y], color=DIRECTION_COLOURS[label], lw=1.5)
        ax.plot(x, y, "o", color=DIRECTION_COLOURS[label], ms=11)
        light = np.mean(to_rgb(DIRECTION_COLOURS[label])) > 0.45
        ax.text(
            x, y, str(label), ha="center", va="center", fontsize=9, color=INK if light else PAPER
        )
    ax.set(xlim=(-1.4, 1.4), ylim=(-1.4, 1.4), aspect="equal")
    ax.axis("off")
