"""A trained network as a program that runs without fesearch: ONNX, or torch's own .pt2."""

import io
import logging
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal, Protocol, cast, runtime_checkable

import numpy as np
import torch
from torch import nn

from fesearch.errors import InputError
from fesearch.family import Predictor
from fesearch.folds import Mean
from fesearch.nets.train import CHUNK
from fesearch.nets.whole import WholeMean
from fesearch.optional import require

Kind = Literal["onnx", "torch"]

TOLERANCE: Mapping[Kind, float] = {"onnx": 1e-5, "torch": 1e-6}
"""Largest difference from the model, in standard deviations of the target. The kernels of
onnxruntime add in an order of their own; those of torch are the model's."""
LARGEST = 2**31 - 1
"""Bytes of an ONNX file: protobuf has no more."""


@runtime_checkable
class Portable(Protocol):
    """A predictor that a program can be made of, see ``Family.program``."""

    def whole(self) -> nn.Module:
        """All that it does: features ``x`` (n, d) float32 -> predictions (n,) float64."""


@dataclass(frozen=True)
class Program:
    """A program that was run and found equal to its model.

    Attributes:
        content: of its file.
        difference: the largest between their predictions, in the unit of the target.
        rows: number of those that both have predicted.
    """

    kind: Kind
    content: bytes
    difference: float
    rows: int


def program_of(predictor: Predictor, kind: Kind, x: np.ndarray, *, scale: float) -> Program:
    """A predictor on the CPU as a program.

    Args:
        predictor: a ``Portable``, or the mean of such.
        x: (n, d) features on which the two are compared.
        scale: standard deviation of the target.

    Raises:
        InputError: a package is not installed, the file would be too large, or the program
            predicts something else.
    """
    require_packages(kind)
    content = written(_whole(predictor), kind, width=x.shape[1])
    found = difference(predictor, content, kind, x)
    if not found <= TOLERANCE[kind] * scale:
        raise InputError(
            f"The program ({kind}) differs from the model by {found:.3g}, and by more than "
            f"{TOLERANCE[kind]:g} of the target's standard deviation, {scale:.3g}.",
            "Give the other --program, or leave it out.",
        )
    return Program(kind, content, found, len(x))


def require_packages(kind: Kind) -> None:
    """Refuse a kind whose packages are not installed.

    Raises:
        InputError: the hint is the pip line.
    """
    for name in ("onnx", "onnxscript", "onnxruntime") if kind == "onnx" else ():
        require(name, "onnx")


def written(module: nn.Module, kind: Kind, *, width: int) -> bytes:
    """The file of a module of features ``x`` (n, width), for every n.

    Raises:
        InputError: it is larger than its format allows.
    """
    example = torch.zeros(2, width)  # of one row torch would make a program of that row alone
    rows = {"x": {0: torch.export.Dim("rows")}}
    module.eval().requires_grad_(False)
    with _quiet():
        exported = torch.export.export(module, (example,), dynamic_shapes=rows)
        return _as_onnx(exported) if kind == "onnx" else _as_torch(exported)


def difference(predictor: Predictor, content: bytes, kind: Kind, x: np.ndarray) -> float:
    """The largest on all rows, on one alone, and on one of which no feature is known."""
    run = _run_onnx(content) if kind == "onnx" else _run_torch(content)
    chunks = np.array_split(x, range(CHUNK, len(x), CHUNK))
    cases = (*chunks, x[:1], np.full_like(x[:1], np.nan))
    return float(np.max([np.abs(run(case) - predictor(case)).max() for case in cases]))


def _whole(predictor: Predictor) -> nn.Module:
    if isinstance(predictor, Mean):
        return WholeMean([_whole(one) for one in predictor.predictors])
    return cast(Portable, predictor).whole()


def _as_torch(exported: torch.export.ExportedProgram) -> bytes:
    file = io.BytesIO()
    torch.export.save(exported, file)
    return file.getvalue()


def _as_onnx(exported: torch.export.ExportedProgram) -> bytes:
    made = torch.onnx.export(exported, dynamo=True, verbose=False)
    assert made is not None, "without a path it is given back"
    proto = made.model_proto
    if (size := proto.ByteSize()) > LARGEST:
        raise InputError(
            f"The model takes {size} bytes as ONNX, which has {LARGEST} at most.",
            "Give --program torch, or leave it out.",
        )
    return cast(bytes, proto.SerializeToString())


def _run_torch(content: bytes) -> Callable[[np.ndarray], np.ndarray]:
    with _quiet():
        module = torch.export.load(io.BytesIO(content)).module()

    def run(x: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            found: np.ndarray = module(torch.tensor(x)).numpy()
        return found

    return run


def _run_onnx(content: bytes) -> Callable[[np.ndarray], np.ndarray]:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    return lambda x: cast(np.ndarray, session.run(None, {"x": x})[0])


@contextmanager
def _quiet() -> Iterator[None]:
    """Without what torch says of its own packages and calls while it exports."""
    logger = logging.getLogger("torch")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
