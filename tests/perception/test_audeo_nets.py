"""Both nets of Audeo: equations as oracles, published sizes, what they refuse."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from neurotutor.perception import audeo
from neurotutor.perception.audeo import roll_to_midi, video_to_roll
from tests.harness import oracle, planted, relative_error


def count(model):
    return sum(each.numel() for each in model.parameters())


def random_like(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(scope="module")
def small():
    return audeo.Video2Roll(25, 5, 8, seed=1).eval()


# --- Video2Roll ---------------------------------------------------------------------------------


def test_published_sizes():
    assert count(audeo.Video2Roll()) == 12_713_651
    assert count(audeo.Roll2Midi()) == 25_103_665
    assert count(audeo.PatchDiscriminator()) == 1_554_433


def test_published_shapes():
    net = audeo.Video2Roll().eval()
    with torch.no_grad():
        x = torch.rand(1, 5, 100, 900)
        maps = net.backbone(x)
        assert [tuple(each.shape[1:]) for each in maps] == [
            (64, 25, 225),
            (128, 13, 113),
            (256, 7, 57),
            (512, 4, 29),
        ]
        attention, p4 = net.neck(x)
        assert attention.shape == p4.shape == (1, 128, 4, 29)
        assert net(x).shape == (1, 51)


def test_initial_weights_have_the_stated_spread():
    net = audeo.Video2Roll(seed=3)
    weight = net.transform3.conv1.weight
    assert float(weight.detach().std()) == pytest.approx(math.sqrt(2 / (9 * 128)), rel=0.01)
    biased = net.refine4.squeeze.weight
    assert float(biased.detach().std()) == pytest.approx(math.sqrt(2 / 128), rel=0.03)
    again = audeo.Video2Roll(seed=3).transform3.conv1.weight
    assert torch.equal(weight, again)
    assert not torch.equal(weight, audeo.Video2Roll(seed=4).transform3.conv1.weight)


@oracle("eq-audeo-transform")
@pytest.mark.parametrize("pool", ["half", "three"])
def test_equation_transform(pool):
    block = audeo.FeatureTransform(3, 4, pool).double().eval()
    nn.init.normal_(block.norm.running_mean)
    nn.init.uniform_(block.norm.running_var, 0.5, 2)
    x = random_like(1, 3, 5, 7).double()
    w0 = block.enter.weight.detach().numpy()[:, :, 0, 0]
    padded = np.zeros((3, 7, 9))
    padded[:, 1:-1, 1:-1] = x[0].numpy()
    u = np.zeros((4, 7, 9))
    for d in range(4):
        for i in range(7):
            for j in range(9):
                u[d, i, j] = sum(w0[d, c] * padded[c, i, j] for c in range(3))

    def conv(image, weight):
        wide = np.pad(image, ((0, 0), (1, 1), (1, 1)))
        out = np.zeros_like(image)
        for d in range(4):
            for i in range(7):
                for j in range(9):
                    out[d, i, j] = (weight[d] * wide[:, i : i + 3, j : j + 3]).sum()
        return out

    inner = conv(u, block.conv1.weight.detach().numpy())
    norm = block.norm
    for d in range(4):
        scale = norm.weight[d].item() / math.sqrt(norm.running_var[d].item() + norm.eps)
        inner[d] = (inner[d] - norm.running_mean[d].item()) * scale + norm.bias[d].item()
    y = conv(np.maximum(inner, 0), block.conv2.weight.detach().numpy()) + u
    size, stride = (2, 2) if pool == "half" else (3, 1)
    rows, columns = (7 - size) // stride + 1, (9 - size) // stride + 1
    slow = np.zeros((1, 4, rows, columns))
    for i in range(rows):
        for j in range(columns):
            part = y[:, i * stride : i * stride + size, j * stride : j * stride + size]
            slow[0, :, i, j] = part.mean(axis=(1, 2))
    assert relative_error(block(x), slow) < 1e-10


def slow_refinement(block, low, high):
    means = [each[0].mean(dim=(1, 2)).tolist() for each in (low, high)]
    both = means[0] + means[1]
    hidden = []
    for row, bias in zip(block.squeeze.weight[:, :, 0, 0], block.squeeze.bias, strict=True):
        hidden.append(
            max(0.0, sum(w.item() * v for w, v in zip(row, both, strict=True)) + bias.item())
        )
    out = low.clone()
    for c, (row, bias) in enumerate(
        zip(block.excite.weight[:, :, 0, 0], block.excite.bias, strict=True)
    ):
        z = sum(w.item() * v for w, v in zip(row, hidden, strict=True)) + bias.item()
        out[0, c] *= 1 / (1 + math.exp(-z))
    return out


@oracle("eq-audeo-refinement")
def test_equation_refinement():
    block = audeo.FeatureRefinement(4, 3).double()
    low, high = random_like(1, 4, 2, 3).double(), random_like(1, 3, 5, 2, seed=1).double()
    assert relative_error(block(low, high), slow_refinement(block, low, high)) < 1e-10


def test_refinement_with_a_silent_second_layer_halves_its_input():
    block = audeo.FeatureRefinement(4, 3)
    nn.init.zeros_(block.excite.weight)
    nn.init.zeros_(block.excite.bias)
    low = random_like(2, 4, 3, 3)
    torch.testing.assert_close(block(low, random_like(2, 3, 3, 3)), low / 2)


@oracle("eq-audeo-attention")
def test_equation_attention():
    p2, p3 = random_like(2, 3, 4, 5).double(), random_like(2, 3, 4, 5, seed=1).double()
    slow = np.zeros((2, 3, 4, 5))
    for b in range(2):
        for c in range(3):
            total = 0.0
            for i in range(4):
                for j in range(5):
                    slow[b, c, i, j] = math.exp(p2[b, c, i, j] * p3[b, c, i, j])
                    total += slow[b, c, i, j]
            slow[b, c] /= total
    assert relative_error(audeo.correlation_attention(p2, p3), slow) < 1e-12


def test_attention_sums_to_one_over_places(small):
    attention, _ = small.neck(torch.rand(2, 5, 36, 164))
    torch.testing.assert_close(attention.sum(dim=(2, 3)), torch.ones(2, 16))


def test_attention_over_channels_would_be_noticed():
    with planted(
        video_to_roll, "(p2 * p3).flatten(2), dim=2", "(p2 * p3).flatten(2), dim=1"
    ) as bad:
        wrong = bad.correlation_attention(random_like(1, 3, 4, 5), random_like(1, 3, 4, 5, seed=1))
    assert not torch.allclose(wrong.sum(dim=(2, 3)), torch.ones(1, 3), atol=1e-3)


def test_head_is_what_turns_the_neck_into_logits(small):
    x = torch.rand(1, 5, 36, 164)
    attention, p4 = small.neck(x)
    by_hand = small.head((small.correlate(attention * p4) + p4).mean(dim=(2, 3)))
    torch.testing.assert_close(small(x), by_hand)


def test_permuting_the_head_permutes_the_keys(small):
    x, order = torch.rand(2, 5, 36, 164), torch.randperm(25)
    before = small(x)
    weight, bias = small.head.weight.data.clone(), small.head.bias.data.clone()
    small.head.weight.data, small.head.bias.data = weight[order], bias[order]
    after = small(x)
    small.head.weight.data, small.head.bias.data = weight, bias
    torch.testing.assert_close(after, before[:, order])


def test_the_order_of_frames_matters(small):
    x = torch.rand(1, 5, 36, 164)
    assert not torch.allclose(small(x), small(x.flip(1)), atol=1e-5)


@pytest.mark.parametrize("size", [35, 36, 42, 67, 74, 100, 164, 900])
def test_admissible_sizes_run(size):
    assert audeo.admissible(size)
    net = audeo.Video2Roll(3, 1, 4).eval()
    assert net(torch.rand(1, 1, size, 36)).shape == (1, 3)
    assert net(torch.rand(1, 1, 36, size)).shape == (1, 3)


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("size", [3, 34, 43, 50, 66, 75, 450])
def test_other_sizes_are_refused(size):
    assert not audeo.admissible(size)
    net = audeo.Video2Roll(3, 1, 4).eval()
    with pytest.raises(ValueError, match=rf"height .* 32k \+ 3 to 32k \+ 10 .* got {size}: resize"):
        net(torch.rand(1, 1, size, 36))
    with pytest.raises(ValueError, match="width of frames"):
        net(torch.rand(1, 1, 36, size))


def test_the_rule_of_sizes_is_exactly_where_the_branches_meet():
    """Without the check, PyTorch itself fails on the other sizes, and on no admissible one."""
    net = audeo.Video2Roll(3, 1, 4).eval()
    for size in range(30, 80):
        _, x2, x3, x4 = net.backbone(torch.rand(1, 1, size, 36))
        maps = [net.transform2(x2), net.transform3(x3), net.transform4(x4)] if size > 30 else []
        same = len({tuple(each.shape[2:]) for each in maps}) == 1
        assert same == audeo.admissible(size), size


@pytest.mark.usefixtures("unchecked")
def test_bad_input_of_the_first_stage(small):
    with pytest.raises(ValueError, match=r"\(batch, 5, height, width\), got \(1, 3, 36, 164\)"):
        small(torch.rand(1, 3, 36, 164))
    with pytest.raises(ValueError, match="n_frames must be 1, 3 or 5"):
        audeo.Video2Roll(n_frames=4)
    with pytest.raises(TypeError, match="width must be a whole number"):
        audeo.Video2Roll(width=6.5)
    with pytest.raises(ValueError, match="a video of 5 frames or more"):
        audeo.predict_roll(small, np.zeros((3, 36, 164), np.uint8))


def test_stacks_at_the_ends():
    rows = audeo.frame_indices(6)
    assert rows.tolist() == [
        [0, 0, 0, 1, 2],
        [1, 1, 1, 2, 3],
        [0, 1, 2, 3, 4],
        [1, 2, 3, 4, 5],
        [2, 3, 4, 4, 4],
        [3, 4, 5, 5, 5],
    ]
    assert audeo.frame_indices(3, 1).tolist() == [[0], [1], [2]]
    assert audeo.frame_indices(4, 3).tolist() == [[0, 0, 1], [0, 1, 2], [1, 2, 3], [2, 3, 3]]


def test_predicted_roll_is_that_of_single_stacks(small):
    video = np.random.default_rng(0).integers(0, 256, (7, 36, 164), dtype=np.uint8)
    roll = audeo.predict_roll(small, video, batch=3)
    one = torch.from_numpy(video[[1, 2, 3, 4, 5]]).float()[None] / 255
    with torch.no_grad():
        expected = torch.sigmoid(small(one))[0].numpy()
    np.testing.assert_allclose(roll[3], expected, atol=1e-5)
    assert roll.shape == (7, 25)


def test_baseline_is_the_backbone_with_a_head():
    net = audeo.PlainRoll(25, 5, 8).eval()
    x = torch.rand(1, 5, 36, 164)
    torch.testing.assert_close(net(x), net.head(net.backbone(x)[-1].mean(dim=(2, 3))))


# --- Roll2Midi ----------------------------------------------------------------------------------


def test_shapes_of_the_second_stage():
    with torch.no_grad():
        assert audeo.Roll2Midi(8)(torch.rand(1, 1, 51, 100)).shape == (1, 1, 51, 100)
        assert audeo.PatchDiscriminator()(torch.rand(1, 1, 51, 100)).shape == (1, 1, 7, 13)


def test_a_result_depends_on_23_frames_and_keys():
    net = audeo.Roll2Midi(4, 0.0).double().eval()
    with torch.no_grad():  # positive weights, so that no path cancels another one
        for each in net.parameters():
            each.abs_().clamp_(min=0.01)
    roll = torch.full((1, 1, 41, 61), 0.5, dtype=torch.float64, requires_grad=True)
    logits = []
    net.last.register_forward_hook(lambda module, inputs, output: logits.append(output))
    net(roll)
    (slope,) = torch.autograd.grad(logits[0][0, 0, 20, 30], roll)
    rows, columns = np.nonzero(slope[0, 0].numpy())
    assert (rows.min(), rows.max()) == (9, 31)
    assert (columns.min(), columns.max()) == (19, 41)


def test_dropout_and_eps_are_where_they_should_be():
    net = audeo.Roll2Midi(8, 0.5, 0.8)
    norms = [each for each in net.modules() if isinstance(each, nn.BatchNorm2d)]
    assert {each.eps for each in norms} == {0.8}
    assert len(norms) == 10
    drops = [any(isinstance(e, nn.Dropout) for e in layer) for layer in (*net.down, *net.up)]
    assert drops == [False, False, True, True, True, True, True, True, True, False, False]
    assert not any(isinstance(e, nn.Dropout) for e in audeo.Roll2Midi(8, 0).modules())


@oracle("eq-audeo-generator")
def test_equation_generator():
    scores, made = random_like(2, 1, 3, 4).double(), torch.rand(2, 1, 5, 6).double()
    target = (torch.rand(2, 1, 5, 6) > 0.5).double()
    weight = 0.3
    please = sum((s - 1) ** 2 for s in scores.flatten().tolist()) / scores.numel()
    pairs = zip(made.flatten().tolist(), target.flatten().tolist(), strict=True)
    agree = sum((a - b) ** 2 for a, b in pairs) / made.numel()
    fast = audeo.generator_loss(scores, made, target, weight)
    assert relative_error(fast, weight * please + (1 - weight) * agree) < 1e-12


@oracle("eq-audeo-critic")
def test_equation_critic():
    real, made = random_like(2, 1, 3, 4).double(), random_like(2, 1, 3, 4, seed=1).double()
    slow = sum((s - 1) ** 2 for s in real.flatten().tolist()) / 24 / 2
    slow += sum(s**2 for s in made.flatten().tolist()) / 24 / 2
    assert relative_error(audeo.discriminator_loss(real, made), slow) < 1e-12


def test_a_critic_with_swapped_labels_would_be_noticed():
    real, made = torch.ones(1, 1, 2, 2), torch.zeros(1, 1, 2, 2)
    assert audeo.discriminator_loss(real, made) == 0
    with planted(roll_to_midi, "0.5 * (real - 1).square()", "0.5 * real.square()") as bad:
        assert bad.discriminator_loss(real, made) > 0.4


def test_repair_goes_window_by_window():
    net = audeo.Roll2Midi(4, 0.0, seed=2).eval()
    roll = np.random.default_rng(0).random((23, 25)).astype(np.float32)
    made = audeo.repair_roll(net, roll, window=10)
    assert made.shape == roll.shape
    with torch.no_grad():
        one = net(torch.from_numpy(roll[10:20].T.copy())[None, None])[0, 0].T.numpy()
    np.testing.assert_allclose(made[10:20], one, atol=1e-5)
    assert F.mse_loss(torch.from_numpy(made), torch.from_numpy(roll)) > 0


@pytest.mark.usefixtures("unchecked")
def test_bad_input_of_the_second_stage():
    with pytest.raises(ValueError, match="width must be a multiple of 4, got 6"):
        audeo.Roll2Midi(6)
    with pytest.raises(ValueError, match="dropout must be at least 0 and below 1"):
        audeo.Roll2Midi(4, 1.0)
    for net in (audeo.Roll2Midi(4), audeo.PatchDiscriminator(4)):
        with pytest.raises(ValueError, match=r"\(batch, 1, keys, frames\), got \(1, 2, 25, 100\)"):
            net(torch.rand(1, 2, 25, 100))
    with pytest.raises(ValueError, match="adversarial must be 0 to 1"):
        audeo.generator_loss(torch.ones(1), torch.ones(1), torch.ones(1), 2.0)
    with pytest.raises(ValueError, match="the roll is empty"):
        audeo.repair_roll(audeo.Roll2Midi(4), np.zeros((0, 25), np.float32))
