"""The precision in which a network is trained; what is scored is computed in fp32 always.

"fp32": every product in IEEE single precision. "tf32": on CUDA, products of matrices, convolutions
and recurrent layers are of numbers rounded to 10 bits, and summed in fp32; on a CPU, which has no
such thing, it is fp32. "bf16": the forward pass under torch's autocast, which takes products of
numbers rounded to 7 bits, on a CPU too (but for ``recurrent`` layers on older ones). In all three,
weights, gradients of weights, loss and optimizer are fp32.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

import torch


@contextmanager
def training(precision: str, device: torch.device) -> Iterator[None]:
    """Steps inside are computed with TF32 if the precision says so, and nothing after them."""
    if device.type == "cuda":
        _allow_tf32(precision == "tf32")
    try:
        yield
    finally:
        if device.type == "cuda":
            compute_in_fp32()


def forward(precision: str, device: torch.device) -> AbstractContextManager[object]:
    """What a forward pass of training is computed under.

    Without a cache of rounded weights: each is used once a step, and a captured graph must not
    hold what was made outside of it.
    """
    if precision != "bf16":
        return nullcontext()
    return torch.autocast(device.type, torch.bfloat16, cache_enabled=False)


def recurrent(device: torch.device) -> AbstractContextManager[object]:
    """What a recurrent layer is computed under; its products are of fp32 where bf16 has none.

    On CPUs without AVX-512 an LSTM of oneDNN raises under torch's autocast.
    """
    if device.type != "cpu" or not torch.is_autocast_enabled("cpu"):
        return nullcontext()
    return torch.autocast("cpu", enabled=torch.backends.cpu.get_cpu_capability() == "AVX512")


def compute_in_fp32() -> None:
    """No TF32 on CUDA: torch's default for convolutions and recurrent layers has it."""
    _allow_tf32(False)


def _allow_tf32(allowed: bool) -> None:
    """By the older of torch's settings: ``torch.export`` fails where the newer are not alike."""
    torch.backends.cuda.matmul.allow_tf32 = allowed
    torch.backends.cudnn.allow_tf32 = allowed
