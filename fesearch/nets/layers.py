"""Layers of a fully connected network, as a depth or as a text says; needs no torch.

Widths are those of IRNet (Jha et al., KDD 2019, doi:10.1145/3292500.3330703, Table 1). The printed
table has 1024 in the 256-wide row of its deepest network; the published code has 256, used here.

The text is the one of IRNet's published code: ``1024BARx4-512BARx3-…-1`` is four layers of 1024
with batch norm (B), activation (A) and a shortcut around each (R), and so on to the output. Every
layer has an activation, and a B without an A is the norm after it: ``1024BRx4``. ``1024BAx4R`` has
one shortcut around its four layers, as SRNet has; ``1024x4D``, as ElemNet writes it, has
activations alone, and dropout behind the run. That code's ``dropouts`` are the shares that are
kept, one a run; ``dropout`` here is the share that is dropped, behind every run with a D.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
from typing import Literal

from fesearch.errors import InputError, quoted

Shortcut = Literal["none", "block", "layer"]
Norm = Literal["before", "after"]

WIDTHS = (1024, 512, 256, 128, 64, 32, 16)
PUBLISHED_COUNTS = {
    17: (4, 3, 3, 3, 2, 1, 0),
    24: (4, 4, 4, 4, 3, 2, 2),
    48: (8, 8, 8, 8, 8, 4, 3),
}
"""Total depth -> hidden layers of each of WIDTHS; the output layer, 1 wide, is the last."""
SHALLOWEST, DEEPEST = 3, 48
"""Layers of a network, its output layer among them."""
BLOCK = 4
"""Most layers under one shortcut: SRNet divides its runs of eight equal layers into two blocks."""
DROPOUTS = 4
"""Widths that are followed by dropout: "after the first four stacks" (IRNet 4.1.1)."""
NARROWEST = 8
"""A scaled layer is never narrower than this."""
WIDEST = 1 << 14
"""Of a layer in a text."""

_RUN = re.compile(r"([1-9][0-9]{0,5})(|A|BA|B)(R?)x([1-9][0-9]?)(R?)(D?)")
_HINT = "Write it like 1024BARx4-512BARx3-256BARx3-1: width, B norm, A activation, R shortcut."


@dataclass(frozen=True)
class Run:
    """Layers of equal width, one behind the other.

    Attributes:
        width: units of each.
        count: number of layers.
        norm: batch norm before or after the activation, or None.
        shortcut: around each layer, around all of them as one block, or none.
        dropout: whether it follows the run.
    """

    width: int
    count: int
    norm: Norm | None
    shortcut: Shortcut
    dropout: bool = False

    def __str__(self) -> str:
        letters = {"before": "BA", "after": "B", None: "A"}[self.norm]
        inner, outer = ("R" if self.shortcut == kind else "" for kind in ("layer", "block"))
        return f"{self.width}{letters}{inner}x{self.count}{outer}{'D' if self.dropout else ''}"


def parse(text: str) -> tuple[Run, ...]:
    """The runs of a text such as ``1024BARx4-512BARx3-1``.

    Raises:
        InputError: it is no such text, or its layers are fewer than 3 or more than 48.
    """
    *hidden, output = text.split("-")
    if output == "1R":
        raise InputError(
            f"'layers' is {quoted(text)}, and its output 1R has a ReLU.",
            "Write -1 at its end, and add --set space.output_activation=relu.",
        )
    found = [_RUN.fullmatch(part) for part in hidden]
    if output != "1" or not all(found):
        wrong = next((p for p, f in zip(hidden, found, strict=True) if not f), output)
        raise _wrong(text, wrong)
    runs = tuple(_run(text, match) for match in found if match)
    depth = 1 + sum(run.count for run in runs)
    if not SHALLOWEST <= depth <= DEEPEST:
        raise InputError(
            f"'layers' is {quoted(text)}, {depth} layers.",
            f"Give {SHALLOWEST} to {DEEPEST} layers.",
        )
    return runs


def written(runs: Sequence[Run]) -> str:
    """The text of runs, with the output layer; ``parse`` reads it."""
    return "-".join([*map(str, runs), "1"])


def _run(text: str, match: "re.Match[str]") -> Run:
    width, letters, inner, count, outer, dropout = match.groups()
    if int(width) > WIDEST or (inner and outer):
        raise _wrong(text, match[0])
    norms: dict[str, Norm] = {"BA": "before", "B": "after"}
    shortcut: Shortcut = "layer" if inner else "block" if outer else "none"
    return Run(int(width), int(count), norms.get(letters), shortcut, bool(dropout))


def _wrong(text: str, part: str) -> InputError:
    return InputError(f"'layers' is {quoted(text)}, and {quoted(part)} is no run of layers.", _HINT)


def tapered(
    depth: int, width: float, shortcut: Shortcut, norm: Norm | None, dropout: bool
) -> tuple[Run, ...]:
    """The runs of a network of ``depth`` layers with the published widths times ``width``.

    A run of more than four layers under block shortcuts is divided into blocks of four at most.
    """
    runs: list[Run] = []
    for index, (wide, layers) in enumerate(groupby(taper(depth))):
        count = len(list(layers))
        scaled = max(NARROWEST, round(wide * width))
        size = BLOCK if shortcut == "block" else count
        for start in range(0, count, size):
            last = start + size >= count
            dropped = dropout and last and index < DROPOUTS
            runs.append(Run(scaled, min(size, count - start), norm, shortcut, dropped))
    return tuple(runs)


def taper(depth: int) -> tuple[int, ...]:
    """Hidden widths of a network of ``depth`` layers, its output layer among them.

    The papers list 17, 24 and 48 layers and give no rule for others. This rule is ours: for every
    width, the number of layers at least that wide is interpolated linearly in depth between the
    neighbouring published networks (below 17, between no layer at all and 17) and rounded. It
    gives exactly the published lists, ``depth - 1`` layers and non-increasing widths everywhere.

    Raises:
        InputError: the depth is outside 3 … 48.
    """
    if not SHALLOWEST <= depth <= DEEPEST:
        raise InputError(f"A network has depth {depth}.", "Give a depth of 3 to 48 layers.")
    anchors = {1: (0,) * len(WIDTHS), **PUBLISHED_COUNTS}
    low, high = next((a, b) for a, b in pairwise(anchors) if a <= depth <= b)
    widths: list[int] = []
    at_least_low = at_least_high = 0
    for width, count_low, count_high in zip(WIDTHS, anchors[low], anchors[high], strict=True):
        at_least_low += count_low
        at_least_high += count_high
        share = (depth - low) * (at_least_high - at_least_low) / (high - low)
        at_least = int(at_least_low + share + 0.5)
        widths += [width] * (at_least - len(widths))
    return tuple(widths)
