"""The figures of the book: what they draw, what they refuse, how they reach a page."""

import base64
import io
import re

import matplotlib.pyplot as plt
import numpy as np
import pytest
from PIL import Image

from neurotutor import plotting


@pytest.fixture
def shown(monkeypatch):
    outputs = []
    monkeypatch.setattr(plotting, "display", lambda thing: outputs.append(thing.data))
    return outputs


def test_published_figure_is_a_png_at_twice_its_width_with_its_alt_text(shown):
    plotting.use_style()
    fig, ax = plt.subplots(figsize=(4.0, 2.0))
    ax.plot([0, 1])
    plotting.publish(fig, alt='A line rises from "zero" to one.', caption="measured: 1")
    assert 'alt="A line rises from &quot;zero&quot; to one."' in shown[0]
    assert "<figcaption>measured: 1</figcaption>" in shown[0]
    raw = base64.b64decode(re.search(r"base64,([^\"]+)", shown[0])[1])
    assert Image.open(io.BytesIO(raw)).size == (800, 400)
    assert 'width="400"' in shown[0]
    assert not plt.fignum_exists(fig.number)


def test_a_coloured_label_beside_a_picture_keeps_its_colour(shown):
    plotting.use_style()
    colours = plotting.CLUSTER_COLOURS[:5]
    fig, axes = plt.subplots(5, 1, figsize=(4.0, 5.0))
    for ax, colour in zip(axes, colours, strict=True):
        ax.imshow(np.random.default_rng(0).random((200, 200)), aspect="auto")
        ax.set_ylabel("label", color=colour)
    plotting.publish(fig, alt="Five pictures of noise with coloured labels.", caption="Labels.")
    encoded = re.search(r"base64,([^\"]+)", shown[0])[1]
    image = Image.open(io.BytesIO(base64.b64decode(encoded))).convert("RGB")
    found = {colour for _, colour in image.getcolors(image.width * image.height)}
    for colour in colours:
        wanted = np.array([int(colour[k : k + 2], 16) for k in (1, 3, 5)])
        assert min(np.abs(np.array(each) - wanted).max() for each in found) <= 8, colour


def test_vector_figures_are_the_same_bytes_every_time(shown):
    for _ in range(2):
        plotting.use_style()
        fig, ax = plt.subplots()
        ax.plot([0, 1])
        plotting.publish(fig, alt="A line rises from zero to one.", vector=True)
    assert "image/svg+xml" in shown[0]
    assert shown[0] == shown[1]


def test_a_figure_without_alternative_text_is_refused():
    fig, _ = plt.subplots()
    with pytest.raises(ValueError, match="20 characters"):
        plotting.publish(fig, alt="a plot")
    plt.close(fig)


def test_no_text_of_the_style_is_smaller_than_nine_points():
    plotting.use_style()
    for name in ("font.size", "xtick.labelsize", "ytick.labelsize", "legend.fontsize"):
        assert plt.rcParams[name] >= 9


def _luminance(colour: str) -> float:
    channels = np.array([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


def test_text_stands_out_from_the_paper_as_wcag_asks():
    for colour in (plotting.INK, plotting.MUTED):
        contrast = (_luminance(plotting.PAPER) + 0.05) / (_luminance(colour) + 0.05)
        assert contrast >= 4.5


def test_direction_colours_form_a_loop_whose_opposites_differ():
    rgb = np.array([plt.matplotlib.colors.to_rgb(c) for c in plotting.DIRECTION_COLOURS])
    step = np.linalg.norm(rgb - np.roll(rgb, 1, axis=0), axis=1)
    across = np.linalg.norm(rgb - np.roll(rgb, 4, axis=0), axis=1)
    assert across.min() > 0.9 * step.mean()


def test_raster_puts_neurons_on_the_vertical_axis_and_seconds_on_the_horizontal():
    fig, ax = plt.subplots()
    spikes = np.zeros((20, 7), int)
    spikes[3, 5] = 4
    plotting.raster(ax, spikes, 0.1, start=1.0)
    image = ax.images[0]
    assert np.array_equal(np.asarray(image.get_array()), spikes.T)
    assert tuple(image.get_extent()) == (1.0, 3.0, 0, 7)
    plt.close(fig)


def test_embedding_writes_each_name_at_the_median_of_its_points():
    fig, ax = plt.subplots()
    points = np.array([[0.0, 0.0], [0.0, 2.0], [0.0, 1.0], [5.0, 5.0]])
    plotting.embedding(ax, points, np.array([0, 0, 0, 1]), names=["a", "b"])
    assert {t.get_text(): t.get_position() for t in ax.texts} == {"a": (0, 1), "b": (5, 5)}
    plt.close(fig)


def test_heat_map_connectivity_and_compass_draw_what_they_are_given():
    fig, axes = plt.subplots(1, 3)
    matrix = np.array([[0.0, 1.0], [-3.0, 0.0]])
    plotting.heatmap(axes[0], matrix, xlabel="x", ylabel="y", unit="weight")
    plotting.connectivity(axes[1], matrix, unit="weight", names=["a", "b"])
    plotting.compass(axes[2])
    assert axes[0].images[0].get_clim() == (-3.0, 1.0)
    assert axes[1].images[0].get_clim() == (-3.0, 3.0)
    assert axes[1].get_ylabel() == "from"
    up = next(t for t in axes[2].texts if t.get_text() == "0")
    assert np.allclose(up.get_position(), (0, 1))
    plt.close(fig)


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda ax: plotting.raster(ax, np.zeros(3, int), 0.1), "time, neurons"),
        (lambda ax: plotting.raster(ax, np.zeros((3, 2), int), 0.0), "bin_size"),
        (lambda ax: plotting.embedding(ax, np.zeros((3, 3)), np.zeros(3, int)), "n, 2"),
        (lambda ax: plotting.embedding(ax, np.zeros((1, 2)), np.array([99])), "0..7"),
        (lambda ax: plotting.connectivity(ax, np.zeros((2, 3)), unit="w"), "square"),
    ],
)
def test_bad_input_is_refused_at_the_door(call, message):
    fig, ax = plt.subplots()
    with pytest.raises(ValueError, match=message):
        call(ax)
    plt.close(fig)
