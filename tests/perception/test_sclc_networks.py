"""Distillation, the networks, folded training, segmentation, costs: oracles and what must hold."""

import math
import signal

import numpy as np
import pytest
import torch
from torch import nn

from neurotutor.data import mnist
from neurotutor.perception import sclc
from neurotutor.perception.sclc import distillation, training
from neurotutor.training import Batches
from tests.harness import oracle, planted, relative_error


def logits(*shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return 2 * torch.randn(*shape, generator=generator, dtype=torch.float64)


LABELS = torch.tensor([0, 3, 1, 2, 3])


def slow_softmax(row, temperature=1.0):
    raised = [math.exp(value / temperature) for value in row]
    return [value / sum(raised) for value in raised]


def slow_loss(student, teacher, labels, temperature, alpha):
    soft = hard = 0.0
    for s, t, label in zip(student.tolist(), teacher.tolist(), labels.tolist(), strict=True):
        goal, answer = slow_softmax(t, temperature), slow_softmax(s, temperature)
        soft += sum(p * math.log(p / q) for p, q in zip(goal, answer, strict=True))
        hard -= math.log(slow_softmax(s)[label])
    return alpha * temperature**2 * soft / len(student) + (1 - alpha) * hard / len(student)


@oracle("eq-sclc-distillation")
@pytest.mark.parametrize(("temperature", "alpha"), [(1.0, 0.5), (4, 0.9), (10.0, 1)])
def test_equation_distillation(temperature, alpha):
    s, t = logits(5, 4), logits(5, 4, seed=1)
    found = sclc.distillation_loss(s, t, LABELS, temperature, alpha)
    assert relative_error(found.total, slow_loss(s, t, LABELS, temperature, alpha)) < 1e-12
    assert found.total == pytest.approx((alpha * found.soft + (1 - alpha) * found.hard).item())


@oracle("eq-sclc-gradient")
@pytest.mark.parametrize(("temperature", "alpha"), [(1.0, 0.3), (7.0, 0.9)])
def test_equation_gradient(temperature, alpha):
    s, t, step = logits(5, 4), logits(5, 4, seed=1), 1e-5
    slope = np.zeros((5, 4))
    for i in range(5):
        for j in range(4):
            up, down = s.clone(), s.clone()
            up[i, j] += step
            down[i, j] -= step
            slope[i, j] = slow_loss(up, t, LABELS, temperature, alpha) - slow_loss(
                down, t, LABELS, temperature, alpha
            )
    found = sclc.distillation_gradient(s, t, LABELS, temperature, alpha)
    assert relative_error(found, slope / (2 * step)) < 1e-6
    s.requires_grad_()
    sclc.distillation_loss(s, t, LABELS, temperature, alpha).total.backward()
    assert relative_error(found, s.grad) < 1e-12


def test_limits_of_the_loss():
    s, t = logits(5, 4), logits(5, 4, seed=1)
    plain = nn.functional.cross_entropy(s, LABELS)
    assert sclc.distillation_loss(s, t, LABELS, alpha=0.0).total == pytest.approx(plain.item())
    agreed = s.clone().requires_grad_()
    loss = sclc.distillation_loss(agreed, s, LABELS, 3.0, 1.0)
    loss.total.backward()
    assert abs(loss.soft.item()) < 1e-12 and agreed.grad.abs().max() < 1e-12
    shifted = sclc.distillation_loss(s + 7, t - 5, LABELS, 3.0, 0.5)
    assert shifted.total == pytest.approx(
        sclc.distillation_loss(s, t, LABELS, 3.0, 0.5).total.item()
    )


def test_hot_teachers_match_logits():
    s, t = (each - each.mean(1, keepdim=True) for each in (logits(5, 4), logits(5, 4, seed=1)))
    hot = sclc.distillation_gradient(s, t, LABELS, 1e4, 1.0)
    assert relative_error(hot, (s - t) / (5 * 4)) < 1e-3
    # T^2 in the loss: the gradient keeps its size where the temperature grows tenfold.
    warm = [sclc.distillation_gradient(s, t, LABELS, heat, 1.0).norm() for heat in (100.0, 1000.0)]
    assert warm[0] == pytest.approx(warm[1].item(), rel=0.05)


def test_a_loss_for_every_pixel_is_the_mean_over_pixels():
    s, t = logits(2, 3, 4, 5), logits(2, 3, 4, 5, seed=1)
    labels = torch.randint(0, 3, (2, 4, 5), generator=torch.Generator().manual_seed(0))
    flat = [each.movedim(1, -1).reshape(-1, 3) for each in (s, t)]
    expected = sclc.distillation_loss(*flat, labels.flatten(), 2.0, 0.7).total
    found = sclc.distillation_loss(s, t, labels, 2.0, 0.7)
    assert found.total == pytest.approx(expected.item())
    assert found._fields == ("total", "soft", "hard")


def test_feature_matching():
    ours, theirs, projection = logits(4, 3), logits(4, 2, seed=1), logits(2, 3, seed=2)
    expected = sum(
        sum((float(projection[j] @ ours[i]) - float(theirs[i, j])) ** 2 for j in range(2))
        for i in range(4)
    )
    assert sclc.feature_matching_loss(ours, theirs, projection) == pytest.approx(expected / 4)


@oracle("eq-sclc-cost")
def test_equation_cost():
    for size, kernel, inputs, outputs in ((8, 3, 2, 3), (16, 7, 1, 4)):
        sliding = sum(
            1 for _ in range(inputs * outputs) for _ in range(size**2) for _ in range(kernel**2)
        )
        assert sclc.spatial_operations(size, kernel, inputs, outputs) == sliding
        n = size + kernel - 1
        spectra = sum(2.5 * n * n * math.log(n * n) / math.log(2) for _ in range(inputs + outputs))
        spectra += sum(2 * n * n for _ in range(inputs * outputs))
        assert sclc.spectral_operations(size, kernel, inputs, outputs) == pytest.approx(spectra)


def test_costs():
    assert sclc.spectral_operations(32, 3, 8, 8, batch=3) == 3 * sclc.spectral_operations(
        32, 3, 8, 8
    )
    low, high = (sclc.predicted_crossover(128, 8, 8, speed_ratio=ratio) for ratio in (1.0, 9.0))
    assert low < high and low % 2 == high % 2 == 1
    assert sclc.predicted_crossover(3, 1, 1, speed_ratio=50.0) is None
    assert sclc.optical_exposures(3, 5) == 30 and sclc.optical_exposures(3, 5, signed=False) == 15
    assert sclc.optical_seconds(1, 1, frames_per_second=100) == pytest.approx(0.02)

    def timing(kernel, spatial):
        return sclc.Timing(8, kernel, spatial, 1.0, 2.0)

    rows = [timing(3, 0.5), timing(5, 1.5), timing(7, 0.9), timing(9, 2.0), timing(11, 3.0)]
    assert sclc.crossover(rows) == 9 and sclc.crossover(rows[:3]) is None


def test_measuring_takes_the_smallest_time():
    ticks = (float(tick) for tick in range(1000))
    found = sclc.measure(8, 3, inputs=1, outputs=1, repeats=2, clock=lambda: next(ticks))
    assert (found.spatial, found.spectral, found.uncached, found.speedup) == (1, 1, 1, 1.0)


def tiny(**changes):
    return sclc.SclcConfig(
        **{
            "in_channels": 1, "size": 9, "channels": (2, 3), "pooled": (5,), "features": 2,
            "hidden": (4,), "dropout": 0.0, **changes,
        }
    )  # fmt: skip


@pytest.mark.parametrize("spatial", [True, False])
def test_shapes_and_linearity(spatial):
    model = sclc.student(tiny(spatial=spatial), 0)
    x, z = torch.randn(2, 6, 1, 9, 9, generator=torch.Generator().manual_seed(0)).unbind(0)
    assert model(x).shape == (6, 10)
    assert model.frontend(x).shape == (6, 3, 5, 5)
    mixed = model.frontend(2 * x - 3 * z)
    assert relative_error(mixed, 2 * model.frontend(x) - 3 * model.frontend(z)) < 1e-5
    bent = sclc.student(tiny(), 0, nonlinear=True)
    with torch.no_grad():
        broken = bent.frontend(2 * x - 3 * z) - 2 * bent.frontend(x) + 3 * bent.frontend(z)
    assert broken.abs().max() > 0.05
    assert torch.equal(bent.kernels[0], model.kernels[0])


def test_sliding_and_spectra_are_the_same_network():
    x = torch.randn(3, 1, 9, 9, generator=torch.Generator().manual_seed(0))
    slow, fast = sclc.student(tiny(spatial=True), 3), sclc.student(tiny(), 3)
    assert relative_error(slow(x), fast(x)) < 1e-4


def test_published_sizes():
    model = sclc.SCLC()
    assert [tuple(k.shape) for k in model.kernels] == [
        (32, 3, 3, 3), (64, 32, 3, 3), (128, 64, 3, 3), (256, 128, 3, 3), (256, 256, 3, 3)
    ]  # fmt: skip
    linear = [layer.in_features for layer in model.head if isinstance(layer, nn.Linear)]
    assert linear == [9216, 512, 256]
    with torch.no_grad():
        assert model.eval()(torch.zeros(1, 3, 224, 224)).shape == (1, 10)
    teacher = sclc.Teacher()
    assert teacher.eval()(torch.zeros(1, 1, 28, 28)).shape == (1, 10)
    assert teacher.layers(torch.zeros(2, 1, 28, 28)).shape == (2, 256, 22, 22)
    small = sclc.Teacher(sclc.TeacherConfig.tutorial())
    assert small(torch.zeros(2, 1, 28, 28)).shape == (2, 10)
    assert sclc.SCLC(sclc.SclcConfig.tutorial())(torch.zeros(2, 1, 28, 28)).shape == (2, 10)


@pytest.mark.parametrize("complex_kernels", [True, False])
def test_a_student_without_pooling_is_one_pass_of_light(complex_kernels):
    config = tiny(pooled=(), keep_borders=True, complex_kernels=complex_kernels, channels=(2, 4, 3))
    model = sclc.student(config, 0).eval()
    x = torch.randn(2, 1, 9, 9, generator=torch.Generator().manual_seed(0))
    assert relative_error(model.fused_frontend(x), model.frontend(x)) < 1e-4
    assert sclc.fuse_kernels(model.kernels).shape == (3, 1, 7, 7)


@pytest.mark.parametrize("kernel_size", [3, 2])
def test_folded_training_is_training(kernel_size):
    x = torch.randn(6, 1, 9, 9, generator=torch.Generator().manual_seed(0))
    config = tiny(spatial=True, kernel_size=kernel_size)
    plain, short = (sclc.student(config, 1) for _ in range(2))
    folded = sclc.fold(plain, x)
    assert len(folded) == 6 and folded.pooled.shape == (6, kernel_size**4, 2, 2)
    labels = torch.tensor([0, 1, 2, 3, 4, 5])
    for model, answer in ((plain, plain(x)), (short, sclc.folded_logits(short, folded))):
        nn.functional.cross_entropy(answer, labels).backward()
        model.eval()
    for a, b in zip(plain.parameters(), short.parameters(), strict=True):
        assert relative_error(b.grad, a.grad) < 1e-3
    for name, value in plain.norm.state_dict().items():
        assert relative_error(short.norm.state_dict()[name], value) < 1e-5
    assert relative_error(sclc.folded_logits(short, folded), plain(x)) < 1e-4
    right = plain(x).argmax(1)
    assert sclc.accuracy(plain, x, right) == sclc.accuracy(plain, x, right, folded) == 1


def test_what_does_not_fold():
    x = torch.zeros(2, 1, 9, 9)
    for changes, nonlinear in (({}, True), ({"pooled": (), "keep_borders": True}, False)):
        with pytest.raises(ValueError, match="only a real, linear front-end"):
            sclc.fold(sclc.student(tiny(**changes), 0, nonlinear=nonlinear), x)
    with pytest.raises(ValueError, match="6561 maps a picture are too many"):
        sclc.fold(sclc.student(tiny(kernel_size=9), 0), x)


def easy_pictures(n=80):
    """Two classes: bright above, bright below."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(n) % 2
    x = 0.3 * torch.randn(n, 1, 9, 9, generator=generator)
    x[labels == 0, :, :4] += 1
    x[labels == 1, :, 5:] += 1
    return x, labels


@pytest.mark.parametrize("way", ["labels", "folded", "teacher"])
def test_training_learns_and_repeats(way):
    x, labels = easy_pictures()
    results = []
    for _ in range(2):
        model = sclc.student(tiny(spatial=True, channels=(4, 6), hidden=(16,)), 0)
        others = {"folded": sclc.fold(model, x)} if way == "folded" else {}
        if way == "teacher":
            others = {"teacher_logits": 8.0 * nn.functional.one_hot(labels, 10), "alpha": 1.0}
        right = None if way == "teacher" else labels
        history = sclc.train(model, x, right, epochs=12, batch_size=20, rate=1e-2, **others)
        results.append(sclc.predict(model, x))
        assert sclc.accuracy(model, x, labels) > 0.95
        assert not model.training and len(history.metrics["loss"]) == 48
    assert torch.equal(*results)


def test_digits_need_no_download():
    split = sclc.prepare(mnist.digits(), n_train=100, n_test=40)
    assert split.train.shape == (100, 1, 28, 28) and split.test.shape == (40, 1, 28, 28)
    raw = sclc.prepare(mnist.digits(), n_train=100, n_test=40, side=8)
    assert abs(float(raw.train.mean())) < 1e-5 and float(raw.train.std()) == pytest.approx(
        1, abs=1e-3
    )


def test_scenes_hold_what_they_say():
    lesson, exam = sclc.scenes_of(mnist.digits(), 30, 10, seed=1)
    assert lesson.images.shape == (30, 1, 48, 48) and exam.labels.shape == (10, 48, 48)
    assert set(lesson.labels.unique().tolist()) == {0, 1, 2, 3, 4}
    empty = lesson.labels == 0
    assert lesson.images[:, 0][empty].max() < 0.35 + 6 * 0.05
    assert lesson.images[:, 0][~empty].min() > 0.15
    again, _ = sclc.scenes_of(mnist.digits(), 30, 10, seed=1)
    assert torch.equal(again.images, lesson.images)


def test_mean_iou_by_hand():
    truth = torch.tensor([0, 0, 0, 1, 1, 2])
    found = torch.tensor([0, 0, 1, 1, 2, 2])
    assert sclc.mean_iou(found, truth, 4) == pytest.approx((2 / 3 + 1 / 3 + 1 / 2) / 3)
    assert sclc.mean_iou(truth, truth, 3) == 1


@pytest.mark.parametrize("pooled", [None, 25])
def test_segmenters(pooled):
    model = sclc.Segmenter(pooled=pooled, channels=3, kernel_size=3, hidden=4)
    x = torch.randn(2, 1, 48, 48, generator=torch.Generator().manual_seed(0))
    assert model(x).shape == (2, 5, 48, 48)
    mixed = model.frontend(2 * x[:1] - x[1:])
    assert relative_error(mixed, 2 * model.frontend(x[:1]) - model.frontend(x[1:])) < 1e-5
    twin = sclc.Segmenter(pooled=pooled, channels=3, kernel_size=3, hidden=4, nonlinear=True)
    assert twin.frontend(x).min() >= 0


def test_five_layers_in_miniature():
    found = sclc.five_layers(
        mnist.digits(), seeds=[0], n_train=60, n_test=30, n_student=20, epochs=(1, 1),
        config=tiny(size=28, channels=(2, 2), pooled=(13,)),
        teacher_config=sclc.TeacherConfig(channels=(2, 2), max_pool=True, features=2, hidden=(4,)),
    )  # fmt: skip
    assert found["gain"] == pytest.approx(found["taught"] - found["alone"])
    assert found["below_teacher"] == pytest.approx(found["teacher"] - found["taught"])


@pytest.mark.parametrize("stop_at", [1, 4, 8])
def test_a_stopped_comparison_goes_on_to_the_same_numbers(tmp_path, monkeypatch, stop_at):
    """Stopped in the teacher's training (steps 0 to 2), or in those of the two students."""

    def compare(folder=None):
        return sclc.five_layers(
            mnist.digits(), seeds=[0], n_train=150, n_test=30, n_student=100, epochs=(1, 2),
            config=tiny(size=28, channels=(2, 2), pooled=(13,)), folder=folder,
            teacher_config=sclc.TeacherConfig(
                channels=(2, 2), max_pool=True, features=2, hidden=(4,)
            ),
        )  # fmt: skip

    steps, draw = [], Batches.draw

    def stops(batches):
        if len(steps) == stop_at:
            signal.raise_signal(signal.SIGINT)
        steps.append(draw(batches))
        return steps[-1]

    whole = compare()
    monkeypatch.setattr(Batches, "draw", stops)
    with pytest.raises(KeyboardInterrupt, match="stopped after"):
        compare(tmp_path)
    assert compare(tmp_path) == whole
    assert len(steps) == 3 + 2 * 4


def test_planted_bugs_are_found():
    s, t = logits(5, 4), logits(5, 4, seed=1)
    right = slow_loss(s, t, LABELS, 4.0, 0.9)
    for old, new in (
        ("soft = temperature**2 * divergence.mean()", "soft = temperature * divergence.mean()"),
        ("(goal * answer).sum(1)", "(answer.exp() * goal.log()).sum(1)"),
    ):
        with planted(distillation, old, new) as bad:
            assert relative_error(bad.distillation_loss(s, t, LABELS, 4.0, 0.9).total, right) > 0.05
    x = torch.randn(6, 1, 9, 9, generator=torch.Generator().manual_seed(0))
    model = sclc.student(tiny(spatial=True), 1)
    with planted(
        training,
        "shifts = torch.eye(k * k, dtype=images.dtype).reshape(k * k, 1, k, k).flip(-2, -1)",
        "shifts = torch.eye(k * k, dtype=images.dtype).reshape(k * k, 1, k, k)",
    ) as bad:
        assert relative_error(bad.folded_logits(model, bad.fold(model, x)), model(x)) > 0.05


def test_bad_input(unchecked):
    s = torch.zeros(2, 3)
    with pytest.raises(ValueError, match="rows of features"):
        sclc.feature_matching_loss(torch.zeros(4, 3), torch.zeros(4, 2), torch.zeros(3, 2))
    for words, arguments in (
        ("must both be", (s, torch.zeros(2, 4), torch.zeros(2, dtype=torch.long))),
        ("temperature must be", (s, s, torch.zeros(2, dtype=torch.long), 0.0)),
        ("alpha must lie", (s, s, torch.zeros(2, dtype=torch.long), 1.0, 1.5)),
        ("without labels", (s, s, None, 1.0, 0.5)),
        ("labels must have shape", (s, s, torch.zeros(3, dtype=torch.long))),
    ):
        with pytest.raises(ValueError, match=words):
            sclc.distillation_loss(*arguments)
    with pytest.raises(ValueError, match=r"x must have shape \(batch, 1, 9, 9\)"):
        sclc.student(tiny(), 0)(torch.zeros(1, 1, 8, 8))
    for words, changes in (
        ("poolings for", {"pooled": (5, 3, 1)}),
        ("odd and at most", {"pooled": (6,)}),
        ("keep_borders is for", {"keep_borders": True}),
        ("odd kernel_size", {"keep_borders": True, "pooled": (), "kernel_size": 4}),
        ("dropout must lie", {"dropout": 1.0}),
        ("channels must name", {"channels": ()}),
    ):
        with pytest.raises(ValueError, match=words):
            sclc.SCLC(tiny(**changes))
    with pytest.raises(ValueError, match="fuse into one kernel"):
        sclc.student(tiny(), 0).fused_frontend(torch.zeros(1, 1, 9, 9))
    x, labels = easy_pictures(10)
    with pytest.raises(ValueError, match="nothing to learn from"):
        sclc.train(sclc.student(tiny(), 0), x, epochs=1)
    with pytest.raises(ValueError, match="labels are for 5 pictures, 10 came"):
        sclc.train(sclc.student(tiny(), 0), x, labels[:5], epochs=1)
    with pytest.raises(ValueError, match="shapes differ"):
        sclc.mean_iou(labels, labels[:5], 2)
    with pytest.raises(ValueError, match="every class needs a group"):
        sclc.simulate_scenes(np.zeros((2, 8, 8), np.uint8), np.array([0, 11]), 1)
    with pytest.raises(ValueError, match="they must agree"):
        sclc.simulate_scenes(np.zeros((2, 8, 8), np.uint8), np.array([0]), 1)
