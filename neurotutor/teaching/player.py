"""A frame player that moves on a static page: pre-rendered frames, a slider, no kernel."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence

import ipywidgets as widgets
import matplotlib.pyplot as plt
from IPython.display import display
from matplotlib.figure import Figure

from neurotutor import plotting


def _frame(figure: Figure, label: str, alt: str) -> widgets.HTML:
    width = round(figure.get_figwidth() * plotting.PIXELS_PER_INCH)
    tag = plotting.image_tag(plotting.webp(figure), "image/webp", alt, width)
    plt.close(figure)
    return widgets.HTML(
        f'<figure class="nt-frame">{tag}<figcaption>{html.escape(label)}</figcaption></figure>'
    )


def frames(
    figures: Sequence[Figure] | Mapping[str, Sequence[Figure]],
    labels: Sequence[str],
    alts: Sequence[str] | Mapping[str, Sequence[str]],
    *,
    title: str,
    selector: str = "Show",
    interval: int = 400,
) -> None:
    """Show a player: a slider and a play button that move through figures, without a kernel.

    Args:
        figures: the frames in order; or several sequences of one length, by name, and the reader
            chooses among them. The figures are closed.
        labels: what each frame shows, such as "iteration 12"; one for each frame.
        alts: alternative text for each frame (20 characters or more), in the form of `figures`.
        title: what the slider moves through, such as "ADMM iteration".
        selector: what the reader chooses among, where there are several sequences.
        interval: time a frame stands while playing, in milliseconds.

    Raises:
        ValueError: if there are fewer than two frames, or lengths and names disagree.
    """
    sequences = dict(figures) if isinstance(figures, Mapping) else {"": list(figures)}
    texts = dict(alts) if isinstance(alts, Mapping) else {"": list(alts)}
    if sequences.keys() != texts.keys():
        raise ValueError(
            f"figures and alts name {list(sequences)} and {list(texts)}; make them one"
        )
    lengths = {len(each) for each in (*sequences.values(), *texts.values(), labels)}
    if len(lengths) != 1 or min(lengths) < 2:
        raise ValueError(
            f"a player needs two frames or more, as many labels and alts; got lengths {lengths}"
        )
    last = lengths.pop() - 1
    stacks = [
        widgets.Stack(
            [_frame(*each) for each in zip(sequence, labels, texts[name], strict=True)],
            selected_index=0,
        )
        for name, sequence in sequences.items()
    ]
    slider = widgets.IntSlider(
        value=0,
        min=0,
        max=last,
        description=title,
        readout=False,
        style={"description_width": "initial"},
        layout={"width": "auto", "flex": "1 1 12rem"},
    )
    play = widgets.Play(
        value=0, min=0, max=last, interval=interval, show_repeat=False, layout={"flex": "0 0 auto"}
    )
    widgets.jslink((play, "value"), (slider, "value"))
    for stack in stacks:
        widgets.jslink((slider, "value"), (stack, "selected_index"))
    rows = [widgets.HBox([play, slider], layout={"flex_flow": "row wrap", "width": "100%"})]
    if len(stacks) == 1:
        rows.append(stacks[0])
    else:
        choice = widgets.Dropdown(
            options=list(sequences),
            index=0,
            description=selector,
            style={"description_width": "initial"},
            layout={"width": "auto", "max_width": "100%"},
        )
        outer = widgets.Stack(stacks, selected_index=0)
        widgets.jslink((choice, "index"), (outer, "selected_index"))
        rows = [choice, *rows, outer]
    player = widgets.VBox(rows)
    player.add_class("nt-player")
    display(player)
