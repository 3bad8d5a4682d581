"""``fesearch data split``: what a division would look like, before a study is made on it."""

from typing import Annotated

import numpy as np
import typer

from fesearch import library, splits
from fesearch.cli.options import FormatOption
from fesearch.cli.output import Column, Format, page
from fesearch.dataset import Dataset
from fesearch.features import available
from fesearch.split import Repeated, Split, make, members
from fesearch.splitspec import SplitSpec

_BLOCKS = (splits.__doc__ or "").strip().split("\n\n")[1:]
#: With the kinds of divisions as ``splits`` lists them; \b keeps typer from filling their lines.
HELP = "\n\n\b\n".join(
    ["Show the parts of a division: rows, fingerprint, and what they have in common.", *_BLOCKS]
)


def split_data(
    name: Annotated[str, typer.Argument(help="Its name, as in `fesearch data list`.")],
    split: Annotated[
        str, typer.Option("--split", help="KIND:option=value,option=value; see above.")
    ] = "random",
    target: Annotated[
        str | None, typer.Option("--target", help="Column to learn, which sigma=5 looks at.")
    ] = None,
    format: FormatOption = "table",
) -> None:
    """Divide a data set and show the parts."""
    spec = SplitSpec.parse(split)
    data = library.load(name)
    target = target or next(iter(data.targets))
    data.target(target)

    def having(features: str) -> np.ndarray:
        return available(features, data)

    if spec.count is not None and spec.member is None:
        _show_members(data, members(data, spec, target=target, having=having), format)
    else:
        _show_parts(data, make(data, spec, target=target, having=having), format)


def _show_parts(data: Dataset, split: Split, format: Format) -> None:
    formulas, systems = split.crossing["formulas"], split.crossing["systems"]
    facts = {
        "data": data.name,
        "split": split.spec,
        "fingerprint": split.fingerprint,
        "parent": split.parent,
        "member": split.member,
        "formulas": formulas.distinct,
        "formulas_crossing": formulas.crossing,
        "systems": systems.distinct,
        "systems_crossing": systems.crossing,
    }
    sizes = {"train": len(split.train), "val": len(split.val), "test": len(split.test)}
    told = {
        "val": (formulas.val_rows, systems.val_rows),
        "test": (formulas.test_rows, systems.test_rows),
    }
    rows = [
        {
            "part": part,
            "rows": size,
            "share": size / split.rows,
            "formula_in_training": _share(told[part][0], size) if part in told else None,
            "system_in_training": _share(told[part][1], size) if part in told else None,
        }
        for part, size in {**sizes, "unused": split.rows - sum(sizes.values())}.items()
    ]
    columns = ["part", "rows", "share", "formula_in_training", "system_in_training"]
    page(facts, "parts", rows, columns, format)
    split.log_leakage()


def _show_members(data: Dataset, repeated: Repeated, format: Format) -> None:
    rows = [
        {
            "member": split.member,
            "train": len(split.train),
            "val": len(split.val),
            "test": len(split.test),
            "unused": split.rows - len(split.train) - len(split.val) - len(split.test),
            "formulas_crossing": split.crossing["formulas"].crossing,
            "systems_crossing": split.crossing["systems"].crossing,
            "formula_in_training": _share(split.crossing["formulas"].test_rows, len(split.test)),
            "fingerprint": split.fingerprint,
        }
        for split in repeated.members
    ]
    facts = {"data": data.name, "split": repeated.spec, "fingerprint": repeated.fingerprint}
    columns: list[Column | str] = [*list(rows[0])[:-1], Column("fingerprint", letters=12)]
    page(facts, "members", rows, columns, format)
    max(repeated.members, key=lambda one: one.crossing["formulas"].test_rows).log_leakage()


def _share(rows: int, size: int) -> float | None:
    """Of the rows of a part; None of an empty part."""
    return rows / size if size else None
