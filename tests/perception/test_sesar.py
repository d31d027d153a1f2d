"""SESAR: equations as oracles, the encoder's modes, masks, decoders, training side by side."""

import copy
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation
from torch import nn

from neurotutor.data import skeletons
from neurotutor.perception import sesar
from neurotutor.perception.sesar import losses as losses_module
from neurotutor.perception.sesar import recurrent
from tests.harness import oracle, planted, relative_error

TINY = replace(
    sesar.SesarConfig.tutorial(),
    hidden=5,
    time=6,
    batch=8,
    unsupervised_epochs=3,
    joint_epochs=2,
    supervised_epochs=3,
    rounds=2,
    per_round=4,
)


def noise(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def network(features=7, actions=4, seed=0, **changes):
    return sesar.SESAR(features, actions, replace(TINY, **changes), seed=seed)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def slow_gru(layer, net, x, h):
    """One network of a layer over (time, features), gate by gate."""
    wi, wh, bi, bh = (
        value[net].detach().double().numpy()
        for value in (layer.input_weight, layer.weight, layer.input_bias, layer.bias)
    )
    n, states = len(h), []
    for frame in x:
        i, j = wi @ frame + bi, wh @ h + bh
        r, u = sigmoid(i[:n] + j[:n]), sigmoid(i[n : 2 * n] + j[n : 2 * n])
        c = np.tanh(i[2 * n :] + r * j[2 * n :])
        h = (1 - u) * c + u * h
        states.append(h)
    return np.array(states)


# --- preprocessing ------------------------------------------------------------------------------


@oracle("eq-sesar-view")
def test_equation_view():
    x = noise(5, 4, 3).double().numpy()
    fast = sesar.view_transform(x, pelvis=0, spine=1, hips=(2, 3))
    v1 = (x[0, 1] - x[0, 0]) / np.linalg.norm(x[0, 1] - x[0, 0])
    b = x[0, 2] - x[0, 3]
    v2 = b - (b @ v1) * v1
    v2 /= np.linalg.norm(v2)
    v3 = np.cross(v2, v1)
    matrix = np.column_stack([v2, v3, v1])
    slow = np.zeros_like(x)
    for t in range(5):
        for j in range(4):
            slow[t, j] = np.linalg.inv(matrix) @ (x[t, j] - x[0, 0])
    assert relative_error(fast, slow) < 1e-10


def test_view_forgets_where_and_how_the_body_stood():
    x = noise(6, 5, 3).double().numpy()
    turned = x @ Rotation.random(random_state=1).as_matrix().T + [3.0, -1.0, 2.0]
    arguments = {"pelvis": 0, "spine": 1, "hips": (2, 3)}
    here, there = (sesar.view_transform(each, **arguments) for each in (x, turned))
    assert np.allclose(here, there)
    for a, b in ((0, 4), (2, 3)):
        assert np.allclose(
            np.linalg.norm(here[:, a] - here[:, b], axis=1),
            np.linalg.norm(x[:, a] - x[:, b], axis=1),
        )


@pytest.mark.parametrize(
    ("change", "message"),
    [((1, 0), "spine"), ((2, 3), "hips"), ("along", "hips")],
)
def test_view_needs_two_axes(change, message):
    x = noise(2, 4, 3).double().numpy()
    if change == "along":
        x[0, 2] = x[0, 3] + 2 * (x[0, 1] - x[0, 0])
    else:
        x[0, change[0]] = x[0, change[1]]
    with pytest.raises(ValueError, match=message):
        sesar.view_transform(x, pelvis=0, spine=1, hips=(2, 3))


def test_lengths_and_scales():
    x = np.arange(99.0)[:, None, None] * np.ones((1, 2, 3))
    kept, real = sesar.official_length(x, 50)
    assert real == 50
    assert kept[-1, 0, 0] == 49  # the end of the sequence is lost
    assert sesar.resample(x, 50)[-1, 0, 0] == 98
    short, real = sesar.official_length(x[:7], 50)
    assert real == 7
    assert (short[7:] == 0).all()
    assert np.allclose(sesar.resample(x[:5], 9)[:, 0, 0], np.arange(9) / 2)
    stretched = sesar.min_max(noise(4, 3, 3).numpy())
    assert stretched.min() == -1
    assert stretched.max() == 1
    with pytest.raises(ValueError, match="one value"):
        sesar.min_max(np.ones((4, 3, 3)))
    aligned = sesar.yaw_align(noise(4, 3, 3).numpy(), 0, 1)
    across = aligned[0, 0] - aligned[0, 1]
    assert across[0] > 0
    assert abs(across[2]) < 1e-6
    with pytest.raises(ValueError, match="heading"):
        sesar.yaw_align(np.ones((2, 3, 3)), 0, 1)


def test_tasks_use_the_pool_alone_for_scaling():
    pool, test = skeletons.simulate(40, seed=0), skeletons.simulate(20, seed=1)
    task = sesar.simulated_task(pool, test)
    assert task.pool.shape == (40, 20, 48)
    assert task.pool.mean(dim=(0, 1)).abs().max() < 1e-5
    assert task.pool.std() == pytest.approx(1, abs=0.01)
    assert np.allclose(task.bodies(task.test), task.test_bodies, atol=1e-5)
    assert (task.pool_bodies[:, 0, 0] == 0).all()
    moved = replace(test, positions=test.positions * 3)
    again = sesar.simulated_task(pool, moved)
    assert torch.equal(task.pool, again.pool)
    with pytest.raises(ValueError, match="one length"):
        sesar.simulated_task(pool, skeletons.simulate(5, n_frames=30))


# --- the recurrent layer ------------------------------------------------------------------------


@oracle("eq-sesar-gru")
def test_equation_gru():
    layer = recurrent.GruLayer(3, 4, nets=2)
    x, start = noise(2, 6, 5, 3), noise(2, 5, 4, seed=1)
    fast = layer(x, start)
    slow = np.zeros(fast.shape)
    for net in range(2):
        for i in range(5):
            slow[net, :, i] = slow_gru(
                layer, net, x[net, :, i].double().numpy(), start[net, i].double().numpy()
            )
    assert relative_error(fast, slow) < 1e-5
    stepped = start
    for t in range(6):
        stepped = layer.step(x[:, t], stepped)
    assert torch.allclose(stepped, fast[:, -1], atol=1e-6)


def test_written_gradient_is_that_of_autograd():
    layer = recurrent.GruLayer(3, 4, nets=2).double()
    x = noise(2, 5, 3, 3).double().requires_grad_()
    start = noise(2, 3, 4, seed=1).double().requires_grad_()
    weight = noise(2, 5, 3, 4, seed=2).double()
    values = [x, start, *layer.parameters()]
    fast = torch.autograd.grad((layer(x, start) * weight).sum(), values)
    states, state = [], start
    for t in range(5):
        state = layer.step(x[:, t], state)
        states.append(state)
    slow = torch.autograd.grad((torch.stack(states, 1) * weight).sum(), values)
    for one, two in zip(fast, slow, strict=True):
        assert relative_error(one, two) < 1e-10


def test_a_bug_in_the_written_gradient_is_seen():
    with planted(recurrent, "torch.mul(before - new, update,", "torch.mul(new, update,") as wrong:
        right, other = recurrent.GruLayer(2, 3).double(), wrong.GruLayer(2, 3).double()
        other.load_state_dict(right.state_dict())
        x = noise(1, 4, 2, 2).double()
        one, two = (
            torch.autograd.grad(layer(x).sum(), layer.weight)[0] for layer in (right, other)
        )
    assert relative_error(two, one) > 1e-3


def test_independent_runs_share_the_operations():
    layers = [recurrent.GruLayer(3, 4) for _ in range(3)]
    state, _ = torch.func.stack_module_state(layers)
    x = noise(3, 1, 5, 2, 3)
    out = torch.vmap(lambda s, y: torch.func.functional_call(layers[0], s, (y,)))(state, x)
    for i, layer in enumerate(layers):
        assert torch.allclose(out[i], layer(x[i]), atol=1e-6)
    shared = torch.vmap(lambda s: torch.func.functional_call(layers[0], s, (x[0],)))(state)
    assert torch.allclose(shared[1], layers[1](x[0]), atol=1e-6)


# --- encoder ------------------------------------------------------------------------------------


def library_gru(encoder, features):
    """PyTorch's bidirectional GRU with the same weights."""
    hidden = encoder.layers[0].weight.shape[-1]
    gru = nn.GRU(features, hidden, len(encoder.layers), bidirectional=True, batch_first=True)
    for i, layer in enumerate(encoder.layers):
        for net, end in enumerate(("", "_reverse")):
            for ours, theirs in (
                ("input_weight", "weight_ih"),
                ("weight", "weight_hh"),
                ("input_bias", "bias_ih"),
                ("bias", "bias_hh"),
            ):
                getattr(gru, f"{theirs}_l{i}{end}").data = getattr(layer, ours).data[net].clone()
    return gru


def test_two_forward_is_a_bidirectional_network_stepped_frame_by_frame():
    model = network(mode="two-forward", layers=3)
    gru, x = library_gru(model.encoder, 7), noise(4, 6, 7)
    state = None
    with torch.no_grad():
        for t in range(6):
            out, state = gru(x[:, t : t + 1], state)
    assert torch.allclose(model.encode(x), out[:, 0], atol=1e-6)


def test_bidirectional_mode_is_the_library_s():
    model = network(layers=2)
    gru, x = library_gru(model.encoder, 7), noise(4, 6, 7)
    lengths = torch.tensor([6, 3, 1, 5])
    packed = nn.utils.rnn.pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
    with torch.no_grad():
        last = gru(packed)[1][-2:]
    assert torch.allclose(model.encode(x, lengths), torch.cat([*last], dim=1), atol=1e-6)
    assert torch.allclose(model.encode(x), model.encode(x, torch.full((4,), 6)), atol=1e-6)


@pytest.mark.parametrize("mode", ["bi", "two-forward"])
def test_padding_does_not_reach_the_latent(mode):
    model, x = network(mode=mode), noise(3, 6, 7)
    lengths = torch.tensor([4, 1, 6])
    garbage = x.clone()
    garbage[0, 4:] = 99.0
    garbage[1, 1:] = -99.0
    assert torch.equal(model.encode(x, lengths), model.encode(garbage, lengths))
    assert torch.allclose(model.encode(x[:1, :4]), model.encode(x[:1], lengths[:1]), atol=1e-6)
    assert torch.isfinite(model(x[:, :1]).reconstruction).all()


def test_bad_input_of_the_network(unchecked):
    model, x = network(), noise(2, 6, 7)
    for lengths in ([0, 3], [7, 3]):
        with pytest.raises(ValueError, match=r"1\.\.6"):
            model(x, torch.tensor(lengths))
    with pytest.raises(ValueError, match="one length for each"):
        model(x, torch.tensor([1]))
    with pytest.raises(ValueError, match="time >= 1, 7"):
        model(noise(2, 6, 8))
    with pytest.raises(ValueError, match="mode"):
        network(mode="both")
    with pytest.raises(ValueError, match="decoder"):
        network(decoder="FX")
    with pytest.raises(ValueError, match="hidden"):
        network(hidden=0)


# --- decoders -----------------------------------------------------------------------------------


@oracle("eq-sesar-fixed-zero")
def test_equation_fixed_zero():
    decoder, z = sesar.FixedZero(6, 7), noise(3, 6)
    fast = decoder(z, noise(3, 5, 7))
    out, bias = (each.detach().double().numpy() for each in (decoder.out.weight, decoder.out.bias))
    slow = np.zeros(fast.shape)
    for i in range(3):
        h = slow_gru(decoder.recurrent, 0, np.zeros((5, 1)), z[i].double().numpy())
        slow[i] = h @ out.T + bias
    assert relative_error(fast, slow) < 1e-5
    assert torch.equal(fast, decoder(z, noise(3, 5, 7, seed=9)))  # the frames do not reach it


@oracle("eq-sesar-fixed-state")
def test_equation_fixed_state():
    decoder, z, x = sesar.FixedState(6, 7), noise(3, 6), noise(3, 5, 7, seed=1)
    fast = decoder(z, x)
    out, bias = (each.detach().double().numpy() for each in (decoder.out.weight, decoder.out.bias))
    slow = np.zeros(fast.shape)
    for i in range(3):
        frame = x[i, 0].double().numpy()
        for t in range(5):
            state = slow_gru(decoder.recurrent, 0, frame[None], z[i].double().numpy())[0]
            frame = frame + out @ state + bias
            slow[i, t] = frame
    assert relative_error(fast, slow) < 1e-5


def test_fixed_state_without_output_layer_repeats_the_first_frame():
    decoder, x = sesar.FixedState(6, 7), noise(3, 5, 7)
    nn.init.zeros_(decoder.out.weight)
    nn.init.zeros_(decoder.out.bias)
    assert torch.equal(decoder(noise(3, 6), x), x[:, :1].expand(-1, 5, -1))


def test_frozen_weights_are_frozen():
    model, x = network(decoder="FW"), noise(9, 6, 7)
    before = copy.deepcopy(model.state_dict())
    sesar.reconstruction_loss(model(x).reconstruction, x).backward()
    assert all(value.grad is None for value in model.decoder.recurrent.parameters())
    assert model.decoder.out.weight.grad.abs().max() > 0
    unlabelled = torch.full((9,), sesar.UNLABELLED)
    for each in (model, network(decoder="FZ")):
        sesar.train_side_by_side(
            [each], [x], [unlabelled], alpha=0.0, epochs=2, config=TINY, seeds=[0]
        )
    after = model.state_dict()
    for name in before:
        same = torch.equal(before[name], after[name])
        assert same == (name.startswith(("decoder.recurrent", "classifier"))), name


# --- losses -------------------------------------------------------------------------------------


@oracle("eq-sesar-reconstruction")
def test_equation_reconstruction():
    a, b, lengths = noise(4, 6, 7), noise(4, 6, 7, seed=1), [6, 2, 1, 4]
    slow = 0.0
    for i, length in enumerate(lengths):
        for t in range(length):
            slow += float((a[i, t] - b[i, t]).abs().sum()) / length / 4
    assert relative_error(sesar.reconstruction_loss(a, b, torch.tensor(lengths)), slow) < 1e-5
    padded_a, padded_b = (torch.cat([each, noise(4, 3, 7, seed=5)], dim=1) for each in (a, b))
    padded_b[:, 6:] = 0
    assert torch.allclose(
        sesar.reconstruction_loss(padded_a, padded_b, torch.tensor(lengths)),
        sesar.reconstruction_loss(a, b, torch.tensor(lengths)),
    )
    full = torch.full((4,), 6)
    assert torch.allclose(sesar.reconstruction_loss(a, b, full), sesar.reconstruction_loss(a, b))


@oracle("eq-sesar-classification")
def test_equation_classification():
    logits, labels = noise(5, 3), torch.tensor([2, -1, 0, -1, 1])
    slow = 0.0
    for row, label in zip(logits.double().numpy(), labels.tolist(), strict=True):
        if label >= 0:
            slow -= math.log(math.exp(row[label]) / sum(math.exp(value) for value in row))
    assert relative_error(sesar.classification_loss(logits, labels), slow) < 1e-5
    assert sesar.classification_loss(logits, torch.full((5,), -1)) == 0


@oracle("eq-sesar-joint")
def test_equation_joint():
    redrawn, named = torch.tensor(2.0), torch.tensor(5.0)
    assert float(sesar.joint_loss(redrawn, named, 0.2)) == pytest.approx(0.2 * 5 + 0.8 * 2)


def test_a_bug_in_the_joint_loss_is_seen():
    with planted(losses_module, "(1 - alpha) * reconstruction", "alpha * reconstruction") as wrong:
        value = wrong.joint_loss(torch.tensor(2.0), torch.tensor(5.0), 0.2)
    assert float(value) != pytest.approx(2.6)


def test_alpha_zero_leaves_the_classifier_alone():
    model, x = network(), noise(4, 6, 7)
    out = model(x)
    named = sesar.classification_loss(out.logits, torch.tensor([0, 1, -1, 2]))
    sesar.joint_loss(sesar.reconstruction_loss(out.reconstruction, x), named, 0.0).backward()
    assert model.classifier.weight.grad.abs().max() == 0


# --- training side by side ----------------------------------------------------------------------


def test_side_by_side_is_one_after_another():
    pools = [noise(12, 6, 7, seed=i) for i in range(3)]
    labels = [torch.tensor([0, 1, 2, 3] + [-1] * 8).roll(i) for i in range(3)]
    arguments = {"alpha": 0.5, "epochs": 3, "config": replace(TINY, clip=1.0)}
    together = [network(seed=i) for i in range(3)]
    costs = sesar.train_side_by_side(together, pools, labels, seeds=[5, 6, 7], **arguments)
    for i in range(3):
        alone = network(seed=i)
        cost = sesar.train_side_by_side(
            [alone], pools[i : i + 1], labels[i : i + 1], seeds=[5 + i], **arguments
        )[0]
        assert np.allclose(cost.reconstruction, costs[i].reconstruction, rtol=1e-4)
        assert np.allclose(cost.classification, costs[i].classification, rtol=1e-4)
        for one, two in zip(alone.parameters(), together[i].parameters(), strict=True):
            assert torch.allclose(one, two, atol=1e-4)


def test_one_step_is_the_step_of_a_plain_loop():
    x, labels = noise(8, 6, 7).double(), torch.tensor([0, 1, 2, 3, -1, -1, -1, -1])
    config = replace(TINY, clip=0.5)
    fast, plain = network().double(), network().double()
    sesar.train_side_by_side([fast], [x], [labels], alpha=0.5, epochs=1, config=config, seeds=[0])
    optimiser = torch.optim.Adam(
        [each for each in plain.parameters() if each.requires_grad], lr=config.learning_rate
    )
    out = plain(x)
    sesar.joint_loss(
        sesar.reconstruction_loss(out.reconstruction, x),
        sesar.classification_loss(out.logits, labels),
        0.5,
    ).backward()
    nn.utils.clip_grad_norm_(plain.parameters(), 0.5)
    optimiser.step()
    for one, two in zip(fast.parameters(), plain.parameters(), strict=True):
        assert torch.allclose(one, two, atol=1e-7)


def test_labelled_sequences_can_stand_more_often_in_an_epoch():
    x, labels = noise(8, 6, 7), torch.tensor([0, 1, -1, -1, -1, -1, -1, -1])
    whole = replace(TINY, batch=20)
    arguments = {"alpha": 0.5, "epochs": 1, "config": whole, "seeds": [0]}
    once = sesar.train_side_by_side([network()], [x], [labels], **arguments)[0]
    often = sesar.train_side_by_side([network()], [x], [labels], repeats=4, **arguments)[0]
    assert often.classification[0] == pytest.approx(4 * once.classification[0], rel=1e-4)
    with pytest.raises(ValueError, match="as many"):
        sesar.train_side_by_side(
            [network(), network()],
            [x, x],
            [labels, labels.clamp(min=0)],
            repeats=2,
            **(arguments | {"seeds": [0, 1]}),
        )


def test_training_lowers_the_losses():
    pool = skeletons.simulate(40, seed=0)
    task = sesar.simulated_task(pool, skeletons.simulate(10, seed=1))
    config = replace(TINY, hidden=12, time=20, unsupervised_epochs=8, supervised_epochs=40)
    ((model, cost),) = sesar.pretrain([task.pool], 10, config, [0])
    assert cost.reconstruction[-1] < 0.9 * cost.reconstruction[0]
    assert (cost.classification == 0).all()
    (named,) = sesar.supervise([task.pool], [task.pool_labels], 10, config, [0])
    assert (sesar.predict(named, task.pool) == task.pool_labels).mean() > 0.4
    again = sesar.pretrain([task.pool], 10, config, [0])[0][0]
    assert torch.equal(model.encode(task.pool), again.encode(task.pool))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"alpha": 1.5}, "alpha"),
        ({"seeds": [0, 1]}, "as many as"),
        ({"epochs": 0}, "epochs"),
        ({"labels": [torch.zeros(3, dtype=torch.long)]}, "one shape"),
    ],
)
def test_bad_input_of_training(unchecked, changes, message):
    arguments = {
        "models": [network()],
        "pools": [noise(4, 6, 7)],
        "labels": [torch.zeros(4, dtype=torch.long)],
        "alpha": 0.5,
        "epochs": 1,
        "config": TINY,
        "seeds": [0],
    }
    with pytest.raises(ValueError, match=message):
        sesar.train_side_by_side(**(arguments | changes))


def test_feature_autoencoder():
    z = noise(60, 4) @ noise(4, 10, seed=1)
    model = sesar.squeeze(z, (32, 4), epochs=60, batch=16, learning_rate=3e-3)
    with torch.no_grad():
        assert model.squeeze(z).shape == (60, 4)
        assert nn.functional.mse_loss(model(z), z) < 0.5 * z.var()
    assert isinstance(model.squeeze[-1], nn.Tanh)
    assert isinstance(model.widen[-1], nn.Linear)
