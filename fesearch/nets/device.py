"""GPUs: how many there are, and if none can be used, why."""

from pathlib import Path

from fesearch.errors import InputError

ON_CPU = "to run on the CPU leave --gpus out"
SIGNS = tuple(map(Path, ("/proc/driver/nvidia/version", "/dev/dxg", "/dev/kfd")))
"""Of drivers: NVIDIA's, that of Windows beneath Linux, AMD's. Without any there is no GPU."""


def gpu_count() -> int:
    """CUDA devices this torch can use; torch takes seconds to load and is asked last."""
    if not any(sign.exists() for sign in SIGNS):
        return 0
    import torch

    return torch.cuda.device_count() if torch.cuda.is_available() else 0


def devices() -> list[tuple[str, int]]:
    """Name and bytes of memory of each CUDA device that this torch can use."""
    if not gpu_count():
        return []
    import torch

    found = map(torch.cuda.get_device_properties, range(torch.cuda.device_count()))
    return [(one.name, one.total_memory) for one in found]


def problem() -> InputError | None:
    """Why GPUs that seem to be there cannot be used; None where there are none, or all is well."""
    driver = _driver()
    if driver is None or gpu_count():
        return None
    import torch

    return no_gpu(1, built_for=torch.version.cuda, driver=driver)


def require_gpus(wanted: int) -> None:
    """Refuse more GPUs than there are.

    Raises:
        InputError: says how many there are, or why none can be used, and what to type.
    """
    available = gpu_count()
    if available >= wanted:
        return
    if available:
        raise InputError(
            f"{wanted} GPUs are asked for, but there are {available}.",
            f"Give --gpus {available}; {ON_CPU}.",
        )
    import torch

    raise no_gpu(wanted, built_for=torch.version.cuda, driver=_driver())


def no_gpu(wanted: int, *, built_for: str | None, driver: str | None) -> InputError:
    """The error for GPUs of which none can be used.

    Args:
        built_for: the CUDA version torch was built for, None for a torch without CUDA.
        driver: what the NVIDIA driver says of itself, None where there is no driver.
    """
    import torch

    asked = f"{wanted} GPUs are asked for, but"
    if driver is None:
        return InputError(
            f"{asked} there is no NVIDIA GPU (or no driver) on this machine: 0 were found.",
            f"Check with nvidia-smi; {ON_CPU}.",
        )
    if built_for is None:
        return InputError(
            f"{asked} this torch ({torch.__version__}) has no CUDA: 0 can be used.",
            f"Install a torch with CUDA (see pytorch.org, Get Started); {ON_CPU}.",
        )
    return InputError(
        f"{asked} the NVIDIA driver ({driver}) is too old for CUDA {built_for}: 0 can be used.",
        f"Update the driver, or install a torch for an older CUDA; {ON_CPU}.",
    )


def _driver(path: Path = Path("/proc/driver/nvidia/version")) -> str | None:
    try:
        return path.read_text().splitlines()[0].strip()
    except (OSError, IndexError):
        return None
