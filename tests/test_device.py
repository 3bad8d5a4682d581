"""GPUs that are asked for and not there: how many there are, why, and what to type."""

from pathlib import Path

import pytest
import torch

from fesearch.errors import InputError
from fesearch.nets import device


def refused(wanted: int) -> tuple[str, str]:
    with pytest.raises(InputError) as caught:
        device.require_gpus(wanted)
    return caught.value.message, caught.value.hint


@pytest.fixture
def gpus(monkeypatch: pytest.MonkeyPatch) -> object:
    """Lets torch find so many GPUs, built for a CUDA version, beside a driver of these words."""

    def found(count: int, built_for: str | None, driver: str | None) -> None:
        monkeypatch.setattr(torch.cuda, "is_available", lambda: count > 0)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: count)
        monkeypatch.setattr(torch.version, "cuda", built_for)
        monkeypatch.setattr(device, "_driver", lambda: driver)
        monkeypatch.setattr(device, "SIGNS", (Path("/proc"),) if driver else ())

    return found


def test_enough_gpus_are_enough(gpus) -> None:
    gpus(4, "12.8", "NVRM version: 570")
    device.require_gpus(4)
    assert device.gpu_count() == 4


def test_too_few_are_counted(gpus) -> None:
    gpus(2, "12.8", "NVRM version: 570")
    assert refused(4) == (
        "4 GPUs are asked for, but there are 2.",
        "Give --gpus 2; to run on the CPU leave --gpus out.",
    )


def test_no_device(gpus) -> None:
    gpus(0, "12.8", None)
    assert refused(4) == (
        "4 GPUs are asked for, but there is no NVIDIA GPU (or no driver) on this machine: "
        "0 were found.",
        "Check with nvidia-smi; to run on the CPU leave --gpus out.",
    )


def test_a_torch_without_cuda(gpus) -> None:
    gpus(0, None, "NVRM version: 570")
    assert refused(1) == (
        f"1 GPUs are asked for, but this torch ({torch.__version__}) has no CUDA: 0 can be used.",
        "Install a torch with CUDA (see pytorch.org, Get Started); to run on the CPU leave "
        "--gpus out.",
    )


def test_a_driver_too_old(gpus) -> None:
    gpus(0, "12.8", "NVRM version: 390")
    assert refused(1) == (
        "1 GPUs are asked for, but the NVIDIA driver (NVRM version: 390) is too old for CUDA "
        "12.8: 0 can be used.",
        "Update the driver, or install a torch for an older CUDA; to run on the CPU leave "
        "--gpus out.",
    )


@pytest.mark.parametrize("content", [None, "", "NVRM version: 570\nGCC version: 12\n"])
def test_what_the_driver_says(content: str | None, tmp_path: Path) -> None:
    path = tmp_path / "version"
    if content is not None:
        path.write_text(content)
    assert device._driver(path) == ("NVRM version: 570" if content else None)
