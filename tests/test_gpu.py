"""A GPU gives what a CPU does, and bears what a GPU has to; rehearsed on the CPU."""

import gpu_checks
import pytest
import torch

HAVE_MPS = torch.backends.mps.is_available()
DEVICES = [
    "cpu",
    pytest.param(
        "mps" if HAVE_MPS else "cuda",
        marks=[
            pytest.mark.gpu,
            pytest.mark.skipif(
                not (HAVE_MPS or torch.cuda.is_available()),
                reason="PyTorch finds no GPU on this machine",
            ),
        ],
    ),
]
pytestmark = pytest.mark.filterwarnings("ignore::n2d.NoiseWarning")


@pytest.mark.slow
@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("check", gpu_checks.CHECKS, ids=lambda check: check.__name__)
def test_on_a_gpu(check, device):
    assert all(value == value for value in check(device).values())


def test_overlap_is_a_share_of_time():
    assert gpu_checks.overlap([(0, 10)], [(2, 4), (3, 6), (20, 30)]) == 0.4
    assert gpu_checks.overlap([], [(0, 1)]) == 0
