"""Spectral convolution, pooling and fusing, against slow literal sums and against SciPy."""

import math

import numpy as np
import pytest
import torch
from scipy.signal import convolve2d, resample

from neurotutor.perception import sclc
from neurotutor.perception.sclc import spectral
from tests.harness import oracle, planted, relative_error


def random(*shape, seed=0, dtype=torch.float64):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def slow_full(x, kernel):
    """Sum over channels and places of the kernel, by loops."""
    batch, inputs, height, width = x.shape
    outputs, _, rows, columns = kernel.shape
    y = np.zeros((batch, outputs, height + rows - 1, width + columns - 1))
    for o in range(outputs):
        for i in range(inputs):
            for a in range(rows):
                for b in range(columns):
                    moved = kernel[o, i, a, b] * x[:, i]
                    y[:, o, a : a + height, b : b + width] += moved
    return y


@oracle("eq-sclc-convolution")
def test_equation_convolution():
    x, kernel = random(2, 3, 6, 7), random(4, 3, 3, 4, seed=1)
    full = slow_full(x.numpy(), kernel.numpy())
    assert relative_error(sclc.spectral_conv2d(x, kernel, "full"), full) < 1e-13
    assert relative_error(sclc.spectral_conv2d(x, kernel), full[..., 1:7, 1:8]) < 1e-13
    assert relative_error(sclc.spectral_conv2d(x, kernel, n=(9, 11)), full[..., 1:7, 1:8]) < 1e-13


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 8])
@pytest.mark.parametrize("mode", ["same", "full"])
def test_agrees_with_scipy_for_odd_and_even_kernels(size, mode):
    x, kernel = random(1, 1, 9, 11), random(1, 1, size, size, seed=2)
    expected = convolve2d(x[0, 0], kernel[0, 0], mode=mode)
    assert relative_error(sclc.spectral_conv2d(x, kernel, mode)[0, 0], expected) < 1e-13
    assert relative_error(sclc.spatial_conv2d(x, kernel, mode)[0, 0], expected) < 1e-13


@pytest.mark.parametrize("n", [None, 8, 10])
def test_circular_is_a_sum_of_rolled_pictures(n):
    x, kernel = random(1, 1, 8, 8), random(1, 1, 5, 5, seed=3)
    size = n or 8
    padded = torch.zeros(size, size, dtype=x.dtype)
    padded[:8, :8] = x[0, 0]
    expected = sum(
        kernel[0, 0, a, b] * padded.roll((a, b), (0, 1)) for a in range(5) for b in range(5)
    )
    found = sclc.spectral_conv2d(x, kernel, "circular", n=n)[0, 0]
    assert relative_error(found, expected) < 1e-13


@pytest.mark.parametrize("size", [3, 4])
def test_a_single_one_in_the_middle_changes_nothing(size):
    x = random(2, 1, 7, 7)
    kernel = torch.zeros(1, 1, size, size, dtype=x.dtype)
    kernel[0, 0, (size - 1) // 2, (size - 1) // 2] = 1
    assert relative_error(sclc.spectral_conv2d(x, kernel), x) < 1e-14


def test_circular_convolution_moves_with_the_picture():
    x, kernel = random(1, 2, 8, 8), random(3, 2, 3, 3, seed=4)
    moved = sclc.spectral_conv2d(x.roll((2, 3), (-2, -1)), kernel, "circular")
    still = sclc.spectral_conv2d(x, kernel, "circular").roll((2, 3), (-2, -1))
    assert relative_error(moved, still) < 1e-13


def test_gradients_are_right():
    x = random(1, 2, 4, 5).requires_grad_()
    kernel = random(2, 2, 3, 2, seed=5).requires_grad_()
    for mode in ("same", "full"):
        assert torch.autograd.gradcheck(
            lambda a, b, m=mode: sclc.spectral_conv2d(a, b, m), (x, kernel)
        )
    assert torch.autograd.gradcheck(lambda a: sclc.spectral_pool2d(a, 3), (x,))


def test_single_precision_agrees_with_sliding():
    x = random(2, 3, 28, 28, dtype=torch.float32)
    kernel = random(4, 3, 7, 7, seed=1, dtype=torch.float32)
    assert relative_error(sclc.spectral_conv2d(x, kernel), sclc.spatial_conv2d(x, kernel)) < 1e-5


def test_imaginary_kernels_are_dead_weight_until_layers_stay_complex():
    x = random(1, 1, 9, 9)
    first, second = (
        torch.complex(random(1, 1, 3, 3, seed=s), random(1, 1, 3, 3, seed=s + 9)) for s in (1, 2)
    )
    one = sclc.spectral_conv2d(x, first)
    assert relative_error(one.real, sclc.spectral_conv2d(x, first.real)) < 1e-13
    both = sclc.spectral_conv2d(sclc.spectral_conv2d(x, first), second).real
    of_real_parts = sclc.spectral_conv2d(sclc.spectral_conv2d(x, first.real), second.real)
    assert relative_error(both, of_real_parts) > 0.1


def test_three_products_multiply():
    a, b = (torch.complex(random(5, seed=s), random(5, seed=s + 7)) for s in (1, 2))
    product = sclc.three_products(a, b)
    assert (product - a * b).abs().max() < 1e-13


@oracle("eq-sclc-pool")
def test_equation_pool():
    x, m = random(8, 8), 5
    h = (m - 1) // 2
    expected = np.zeros((m, m), complex)
    for a in range(m):
        for b in range(m):
            for f in range(-h, h + 1):
                for g in range(-h, h + 1):
                    coefficient = sum(
                        x[i, j].item() * np.exp(-2j * math.pi * (f * i + g * j) / 8)
                        for i in range(8)
                        for j in range(8)
                    )
                    wave = np.exp(2j * math.pi * (f * a + g * b) / m)
                    expected[a, b] += (m / 8) ** 2 / m**2 * coefficient * wave
    assert np.abs(expected.imag).max() < 1e-12
    assert relative_error(sclc.spectral_pool2d(x, m), expected.real) < 1e-12
    matrix = sclc.pooling_matrix(8, m)
    assert relative_error(matrix @ x @ matrix.T, expected.real) < 1e-12


@pytest.mark.parametrize("shape", [(28, 28), (13, 20), (15, 15)])
def test_pooling_is_fourier_resampling(shape):
    x = random(2, *shape)
    expected = resample(resample(x.numpy(), 13, axis=1), 13, axis=2)
    assert relative_error(sclc.spectral_pool2d(x, 13), expected) < 1e-13


def test_pooling_keeps_constants_and_odd_sizes_and_does_not_care_about_steps():
    assert (
        relative_error(sclc.spectral_pool2d(torch.full((9, 9), 3.0), 5), np.full((5, 5), 3)) < 1e-6
    )
    x = random(15, 15)
    assert relative_error(sclc.spectral_pool2d(x, 15), x) < 1e-13
    wide = random(28, 28)
    twice = sclc.spectral_pool2d(sclc.spectral_pool2d(wide, 15), 7)
    assert relative_error(twice, sclc.spectral_pool2d(wide, 7)) < 1e-12
    spectrum = sclc.crop_spectrum(torch.fft.fft2(wide), 7)
    assert torch.fft.ifft2(spectrum).imag.abs().max() < 1e-12


def test_pooling_matrix_has_the_rank_of_what_is_left():
    matrix = sclc.pooling_matrix(28, 13)
    assert np.linalg.matrix_rank(matrix.numpy()) == 13
    layer = sclc.SpectralPool2d(28, 13)
    x = random(2, 3, 28, 28, dtype=torch.float32)
    assert relative_error(layer(x), sclc.spectral_pool2d(x, 13)) < 1e-5


def test_energy_kept_grows_to_one():
    x = random(4, 15, 15)
    shares = [sclc.energy_kept(x, m) for m in (1, 5, 9, 15)]
    assert shares[0] < 1e-12 and shares == sorted(shares) and abs(shares[-1] - 1) < 1e-12


@oracle("eq-sclc-fuse")
def test_equation_fuse():
    first, second = random(3, 2, 3, 3), random(4, 3, 3, 3, seed=1)
    expected = np.zeros((4, 2, 5, 5))
    for o in range(4):
        for p in range(2):
            for j in range(3):
                expected[o, p] += convolve2d(second[o, j], first[j, p])
    assert relative_error(sclc.fuse_kernels([first, second]), expected) < 1e-13


@pytest.mark.parametrize("kind", ["real", "complex"])
def test_three_layers_are_one_kernel(kind):
    shapes = [(4, 2, 3, 3), (5, 4, 3, 3), (3, 5, 3, 3)]
    kernels = [random(*shape, seed=s) for s, shape in enumerate(shapes)]
    if kind == "complex":
        kernels = [torch.complex(k, random(*k.shape, seed=s + 50)) for s, k in enumerate(kernels)]
    x = random(2, 2, 10, 10, seed=8)
    layered = x
    for kernel in kernels:
        layered = sclc.spectral_conv2d(layered, kernel, "full")
    fused = sclc.fuse_kernels(kernels)
    assert fused.shape[-2:] == (7, 7)
    once = sclc.spectral_conv2d(x, fused, "full")
    assert (once - layered).abs().max() < 1e-12 * layered.abs().max()


def test_a_small_grid_spoils_the_first_rows_and_columns_only():
    x = random(1, 1, 28, 28)
    fused = sclc.fuse_kernels([random(1, 1, 3, 3, seed=s) for s in range(3)])
    right = sclc.spectral_conv2d(x, fused, "full")[0, 0, :30, :30]
    wrapped = sclc.spectral_conv2d(x, fused, "circular", n=30)[0, 0]
    wrong = (wrapped - right).abs() > 1e-10 * right.abs().max()
    assert wrong[:4].all() and wrong[:, :4].all() and not wrong[4:, 4:].any()


def test_planted_bugs_are_found():
    x, kernel = random(1, 1, 8, 8), random(1, 1, 4, 4, seed=1)
    expected = convolve2d(x[0, 0], kernel[0, 0], mode="same")
    with planted(
        spectral,
        "top, left = (rows - 1) // 2, (columns - 1) // 2\n    return",
        "top, left = rows // 2, columns // 2\n    return",
    ) as bad:
        assert relative_error(bad.spectral_conv2d(x, kernel)[0, 0], expected) > 0.1
    with planted(spectral, "size * size / (height * width)", "1.0") as bad:
        assert relative_error(bad.spectral_pool2d(torch.ones(9, 9), 3), np.ones((3, 3))) > 1
    kernels = [random(1, 1, 3, 3, seed=s) for s in (1, 2)]
    with planted(
        spectral, 'kernel, mode="full").transpose', 'kernel, mode="same").transpose'
    ) as bad:
        assert bad.fuse_kernels(kernels).shape != sclc.fuse_kernels(kernels).shape


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"kernel": torch.zeros(1, 2, 3, 3)}, ValueError, "x has 1 channels, the kernel takes 2"),
        ({"n": 9}, ValueError, "n must be at least"),
        ({"n": 7, "mode": "circular"}, ValueError, "n must be at least"),
        ({"mode": "valid"}, ValueError, "mode must be one of"),
        ({"x": np.zeros((1, 1, 8, 8))}, TypeError, "x must be a tensor"),
        ({"x": torch.zeros(8, 8)}, ValueError, "four axes"),
        ({"x": torch.zeros(1, 1, 8, 8, dtype=torch.int64)}, TypeError, "floating-point"),
    ],
)
def test_bad_input_of_the_convolution(unchecked, arguments, error, words):
    given = {"x": torch.zeros(1, 1, 8, 8), "kernel": torch.ones(1, 1, 3, 3), **arguments}
    with pytest.raises(error, match=words):
        sclc.spectral_conv2d(**given)


def test_bad_input_of_pooling_and_fusing(unchecked):
    for size in (4, 11):
        with pytest.raises(ValueError, match="odd and at most 9"):
            sclc.spectral_pool2d(torch.zeros(9, 9), size)
    with pytest.raises(ValueError, match="odd"):
        sclc.pooling_matrix(8, 8)
    with pytest.raises(TypeError, match="x must be a tensor"):
        sclc.spectral_pool2d([[1.0]], 1)
    with pytest.raises(ValueError, match="nothing to fuse"):
        sclc.fuse_kernels([])
    with pytest.raises(ValueError, match="layer 2 takes 3 channels, the one before gives 2"):
        sclc.fuse_kernels([torch.zeros(2, 1, 3, 3), torch.zeros(1, 3, 3, 3)])
    with pytest.raises(ValueError, match="leave spatial at False"):
        sclc.SpectralConv2d(1, 1, 3, complex_kernel=True, spatial=True)
