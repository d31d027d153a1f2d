"""The 4f bench: its identity, its failures, energy, and the two exposures of a signed kernel."""

import math

import numpy as np
import pytest
import torch

from neurotutor.perception import sclc
from neurotutor.perception.sclc import optics
from tests.harness import oracle, planted, relative_error

PITCH, FOCAL = 8e-6, 0.02


def bench(n=64, model="fresnel"):
    return sclc.Optical4f.matched(n, PITCH, FOCAL, model)


def uniform(*shape, seed=0):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def complex_error(a, b):
    return float((a - b).abs().max() / b.abs().max())


@oracle("eq-sclc-bench")
def test_equation_bench():
    """Six planes, each as a sum over plane waves, on a grid that is small enough for matrices."""
    n, wavelength = 8, 6e-7
    system = sclc.Optical4f(n, PITCH, FOCAL, wavelength)
    position = (np.arange(n) - n / 2) * PITCH
    frequency = np.array([(k if k < n / 2 else k - n) / (n * PITCH) for k in range(n)])
    waves = np.exp(2j * np.pi * np.outer(np.arange(n) * PITCH, frequency))
    travel = np.exp(2j * np.pi * FOCAL / wavelength) * np.exp(
        -1j * np.pi * wavelength * FOCAL * (frequency[:, None] ** 2 + frequency**2)
    )
    lens = np.exp(-1j * np.pi * (position[:, None] ** 2 + position**2) / (wavelength * FOCAL))

    def space(u):
        amplitudes = waves.conj() @ u @ waves.conj().T / n**2
        return waves @ (travel * amplitudes) @ waves.T

    field, mask = uniform(n, n), torch.complex(normal(n, n, seed=1), normal(n, n, seed=2))
    u = mask.numpy() * space(lens * space(field.numpy()))
    u = space(lens * space(u))
    assert complex_error(system(field, mask), torch.from_numpy(u)) < 1e-10
    planes = system.planes(field, mask)
    assert tuple(planes) == sclc.PLANES
    assert complex_error(planes["camera"], torch.from_numpy(u)) < 1e-10


@oracle("eq-sclc-identity")
@pytest.mark.parametrize("n", [16, 64, 128])
def test_equation_identity(n):
    """A matched bench: the flipped circular convolution, as a sum of shifted pictures."""
    system = bench(n)
    assert system.matching == pytest.approx(1, abs=1e-12)
    field, kernel = uniform(n, n), normal(3, 4, seed=1)
    expected = sum(
        kernel[a, b] * field.roll((a - 1, b - 1), (0, 1)) for a in range(3) for b in range(4)
    )
    expected = system.phase * torch.from_numpy(
        np.roll(expected.numpy()[::-1, ::-1], (1, 1), (0, 1)).copy()
    )
    assert complex_error(system(field, kernel=kernel), expected) < 1e-9
    assert complex_error(system.ideal(field, sclc.kernel_to_mask(kernel, n)), expected) < 1e-12


def test_one_half_of_the_bench_is_the_fourier_transform():
    system = bench(64)
    field = uniform(64, 64)
    factor = -1j * np.exp(4j * np.pi * FOCAL / system.wavelength)
    assert complex_error(system.transform(field), factor * sclc.centred_dft(field)) < 1e-9


def test_without_a_mask_the_picture_arrives_upside_down():
    field = uniform(32, 32)
    arrived = bench(32)(field)
    assert complex_error(arrived / bench(32).phase, sclc.flip(field) + 0j) < 1e-9
    assert complex_error(bench(32)(field, torch.ones(32, 32)), arrived) < 1e-12


@pytest.mark.parametrize("model", ["fresnel", "exact"])
def test_space_and_lenses_keep_the_energy(model):
    system = bench(64, model)
    field = torch.complex(normal(64, 64), normal(64, 64, seed=1))
    energy = field.abs().square().sum()
    for name, after in system.planes(field).items():
        assert after.abs().square().sum() == pytest.approx(energy.item(), rel=1e-10), name


def test_waves_that_are_too_fine_decay():
    """Below half a wavelength of pitch the highest frequencies cannot travel."""
    system = sclc.Optical4f(16, 2e-7, 1e-6, 6e-7, "exact")
    transfer = system.transfer(1e-6).abs()
    assert transfer[8, 8] < 1e-4 and transfer[0, 0] == pytest.approx(1)


def seen(system, field, mask):
    return system(field, mask).abs().square()


def test_odd_grids_and_other_wavelengths_break_the_identity():
    for n, factor, above, below in ((64, 1.0, 0.999, 1.1), (63, 1.0, -1, 0.5), (64, 1.19, -1, 0.5)):
        system = bench(n)
        field, mask = uniform(n, n), sclc.kernel_to_mask(normal(5, 5, seed=1), n)
        other = sclc.Optical4f(n, PITCH, FOCAL, factor * system.wavelength)
        found = sclc.correlation(seen(other, field, mask), system.ideal(field, mask).abs().square())
        assert above < found < below, (n, factor)


def test_the_exact_bench_hardly_differs_at_a_small_aperture():
    # 256 points of 8 um at f = 20 mm: a numerical aperture of 0.05.
    n = 256
    system, field = bench(n, "exact"), torch.zeros(n, n, dtype=torch.float64)
    hill = torch.hann_window(64, dtype=torch.float64)
    field[96:160, 96:160] = hill[:, None] * hill
    mask = sclc.kernel_to_mask(uniform(5, 5, seed=2), n)
    ideal = system.ideal(field, mask).abs().square()
    assert sclc.correlation(seen(system, field, mask), ideal) > 0.9999


@oracle("eq-sclc-signed")
def test_equation_signed():
    n = 32
    field, kernel = uniform(n, n), normal(3, 3, seed=4)
    expected = sum(
        kernel[a, b] * field.roll((a - 1, b - 1), (0, 1)) for a in range(3) for b in range(3)
    )
    assert relative_error(bench(n).signed(field, kernel), expected) < 1e-9
    positive = bench(n)(field, kernel=kernel.clamp(min=0)).abs().square()
    negative = bench(n)(field, kernel=(-kernel).clamp(min=0)).abs().square()
    assert relative_error(sclc.flip(positive.sqrt() - negative.sqrt()), expected) < 1e-9


def test_a_layer_of_channels_is_a_circular_convolution():
    n = 16
    x, kernel = uniform(2, n, n), normal(3, 2, 3, 3, seed=5)
    expected = sclc.spectral_conv2d(x[None], kernel, "circular")[0].roll((-1, -1), (-2, -1))
    assert relative_error(sclc.optical_conv2d(bench(n), x, kernel), expected) < 1e-9


def test_colours_add_as_squares():
    n = 16
    x, kernels = uniform(3, n, n), normal(3, 3, 3, seed=6)
    single = [
        sclc.spectral_conv2d(u[None, None], k[None, None], "circular")[0, 0].roll((-1, -1), (0, 1))
        for u, k in zip(x, kernels, strict=True)
    ]
    found = sclc.colour_intensity([bench(n)] * 3, x, kernels)
    assert relative_error(found, sum(each**2 for each in single)) < 1e-9
    published = [227 * 2.5e-6**2 / (w * 3e-3) for w in (633e-9, 532e-9, 442e-9)]
    systems = [sclc.Optical4f(227, 2.5e-6, 3e-3, w) for w in (633e-9, 532e-9, 442e-9)]
    assert [s.matching for s in systems] == pytest.approx(published)


def test_tiled_kernels_answer_side_by_side():
    n = 32
    kernels = uniform(4, 3, 3)
    field = torch.zeros(n, n, dtype=torch.float64)
    field[16, 16] = 1  # on the axis: the answer is the tiled kernel itself
    tiled = sclc.tile_kernels(kernels, n)
    answer = sclc.flip((bench(n)(field, kernel=tiled) / bench(n).phase).real)
    for number, (top, left) in enumerate([(6, 6), (6, 22), (22, 6), (22, 22)]):
        # The canvas's entry 15 lies on the axis, so everything arrives one point further.
        window = answer[top + 1 : top + 4, left + 1 : left + 4]
        assert relative_error(window, kernels[number]) < 1e-8


def test_camera_counts_photons_without_bias():
    intensity = torch.full((200, 200), 0.5, dtype=torch.float64)
    generator = torch.Generator().manual_seed(0)
    counted = sclc.camera(intensity, photons=100.0, generator=generator)
    assert counted.mean() == pytest.approx(0.5, abs=0.002)
    assert counted.var() == pytest.approx(0.5 / 100, rel=0.05)
    assert torch.equal(sclc.camera(intensity), intensity)
    noisy = sclc.camera(intensity, read_noise=0.01, generator=generator)
    assert noisy.std() == pytest.approx(0.01, rel=0.05)


def test_masks():
    mask = sclc.kernel_to_mask(normal(5, 5), 32)
    plate = sclc.phase_only(mask)
    assert torch.allclose(plate.abs(), torch.ones(32, 32, dtype=torch.float64))
    assert torch.allclose(torch.angle(plate), torch.angle(mask))
    hole = sclc.low_pass(9, 2)
    assert hole.sum() == 13 and hole[4, 4] == 1 and hole[4, 7] == 0
    centre = sclc.kernel_to_mask(torch.ones(1, 1), 8)
    assert torch.allclose(centre, torch.ones(8, 8, dtype=torch.complex128))


def test_arrays_come_back_as_arrays():
    field = uniform(16, 16).numpy()
    result = bench(16)(field, kernel=np.ones((3, 3)))
    assert isinstance(result, np.ndarray) and result.shape == (16, 16)


def test_planted_bugs_are_found():
    field, kernel = uniform(32, 32), normal(3, 3, seed=1)
    for old, new in (
        ("return torch.exp(-1j * math.pi * squared", "return torch.exp(1j * math.pi * squared"),
        ("return torch.exp(1j * (travel - math.pi", "return torch.exp(1j * (travel + math.pi"),
        ("top, left = n // 2 - (rows - 1) // 2,", "top, left = n // 2 - rows // 2 - 1,"),
    ):
        with planted(optics, old, new) as bad:
            system = bad.Optical4f.matched(32, PITCH, FOCAL)
            right = bench(32).ideal(field, sclc.kernel_to_mask(kernel, 32))
            assert complex_error(system(field, kernel=kernel), right) > 0.01


def test_bad_input(unchecked):
    with pytest.raises(ValueError, match="model must be"):
        sclc.Optical4f(8, PITCH, FOCAL, 5e-7, "ray")
    with pytest.raises(ValueError, match="wavelength must be a finite number > 0"):
        sclc.Optical4f(8, PITCH, FOCAL, -5e-7)
    with pytest.raises(TypeError, match="n must be a whole number"):
        sclc.Optical4f(8.5, PITCH, FOCAL, 5e-7)
    system = bench(8)
    with pytest.raises(ValueError, match="field must end with 8 x 8"):
        system(torch.zeros(7, 7))
    with pytest.raises(ValueError, match="mask must be 8 x 8"):
        system(torch.zeros(8, 8), torch.ones(4, 4))
    with pytest.raises(ValueError, match="not both"):
        system(torch.zeros(8, 8), torch.ones(8, 8), kernel=torch.ones(1, 1))
    with pytest.raises(ValueError, match="NaN"):
        system(torch.full((8, 8), math.nan))
    with pytest.raises(TypeError, match="field must be a tensor or an array"):
        system([[1.0]])
    with pytest.raises(ValueError, match="must not be negative"):
        system.signed(-torch.ones(8, 8), torch.ones(3, 3))
    with pytest.raises(ValueError, match="kernel must fit on 8 x 8"):
        sclc.kernel_to_mask(torch.ones(9, 9), 8)
    with pytest.raises(ValueError, match="cannot be negative"):
        sclc.camera(-torch.ones(2, 2))
    with pytest.raises(ValueError, match="does not fit into a cell of 4"):
        sclc.tile_kernels(torch.ones(4, 5, 5), 8)
    with pytest.raises(ValueError, match="constant picture"):
        sclc.correlation(torch.ones(3), torch.rand(3))
    with pytest.raises(ValueError, match="x has 2 channels"):
        sclc.optical_conv2d(system, torch.ones(2, 8, 8), torch.ones(1, 1, 3, 3))
