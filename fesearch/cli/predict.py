"""``fesearch predict``: an exported model at work; it needs no database."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from fesearch.cli.options import FamilyFileOption, FormatOption, StorageOption
from fesearch.cli.output import Column, Format, progress, show
from fesearch.errors import InputError, counted, printable
from fesearch.paths import storage_url

if TYPE_CHECKING:
    from fesearch.bundle import Bundle
    from fesearch.sealed import Met


def predict(
    folder: Annotated[Path, typer.Argument(help="That fesearch export wrote.")],
    compounds: Annotated[
        list[str] | None,
        typer.Argument(help="Formulas such as Fe2O3, or CIF files.", metavar="COMPOUND…"),
    ] = None,
    file: Annotated[
        Path | None,
        typer.Option("--file", help="A table with a column of formulas: CSV, JSON lines, Parquet."),
    ] = None,
    column: Annotated[
        str | None, typer.Option("--formula", help="That column; 'formula' by default.")
    ] = None,
    structure: Annotated[
        str | None,
        typer.Option(
            "--structure", help="Column of structures (JSON or CIF paths), if it reads them."
        ),
    ] = None,
    to: Annotated[
        Path | None, typer.Option("--to", help="Table to write: the file with predictions added.")
    ] = None,
    on_bad: Annotated[
        Literal["error", "keep", "drop"] | None,
        typer.Option(
            "--on-bad",
            help="Rows that cannot be predicted: write nothing, keep them with the reason in a "
            "column 'error', or leave them out.",
            show_default="error",
        ),
    ] = None,
    interval: Annotated[
        float | None,
        typer.Option("--interval", help="Add the ends of intervals that cover this share: 0.9."),
    ] = None,
    gpus: Annotated[int, typer.Option("--gpus", min=0, help="Predict on this many.")] = 0,
    family_file: FamilyFileOption = None,
    storage: StorageOption = None,
    format: FormatOption = "table",
) -> None:
    """Predict compounds, or a whole file of them, with an exported model.

    A model that reads structures or numeric columns of its training data needs a file with them, or
    CIF files. A file may have millions of rows. Typed again after a kill, the same command goes on.
    No database is needed; where the model's study is in one, predictions of compounds of its test
    part are put on record there.
    """
    if bool(compounds) == (file is not None):
        raise InputError(
            "Give formulas, or a file of them; not both, not neither.",
            f"Type: fesearch predict {folder} Fe2O3, or --file in.csv --to out.csv",
        )
    if (file is None) != (to is None):
        raise InputError("--file and --to belong together.", "Give --file in.csv --to out.csv")
    for option, name in (("--formula", column), ("--structure", structure)):
        if name is not None and file is None:
            raise InputError(
                f"{option} names a column, but there is no --file.",
                f"Give --file, or leave {option} out.",
            )
    if on_bad is not None and file is None:
        raise InputError(
            "--on-bad is for the rows of a file, and there is none.",
            "Give --file, or leave --on-bad out.",
        )
    from fesearch.own import run_files

    run_files(family_file or ())
    bundle = _opened(folder, gpus)
    if file is None or to is None:
        _print(bundle, compounds or [], interval, storage, format)
        return
    from fesearch.predict import Columns, predict_file

    with progress("predictions", "rows") as report:
        done = predict_file(
            bundle,
            file,
            to,
            Columns(column or "formula", structure),
            on_bad=on_bad or "error",
            level=interval,
            progress=report,
            meet=lambda met: _record(bundle, met, storage),
        )
    _warn(done.unseen)
    if done.resumed:
        print(
            f"Went on behind the {counted(done.resumed, 'row')} of an earlier call.",
            file=sys.stderr,
        )
    if done.bad:
        were = "was" if done.bad == 1 else "were"
        kept = "kept with the reason in the column 'error'"
        what = f"{were} {'left out' if on_bad == 'drop' else kept}"
        rest = f"; and {done.bad - len(done.first)} more" if done.bad > len(done.first) else ""
        print(
            f"Warning: {counted(done.bad, 'row')} cannot be predicted and {what}: "
            f"{'; '.join(done.first)}{rest}.",
            file=sys.stderr,
        )
    print(
        f"Wrote {counted(done.rows, 'prediction')} of {printable(bundle.card.target)} to {to}.",
        file=sys.stderr,
    )


def _opened(folder: Path, gpus: int) -> "Bundle":
    from fesearch.bundle import open_bundle

    if not gpus:
        return open_bundle(folder)
    from fesearch.family import FAMILIES
    from fesearch.nets.device import require_gpus

    require_gpus(gpus)
    bundle = open_bundle(folder, [f"cuda:{place}" for place in range(gpus)])
    if not any(FAMILIES.get(name).gpu for name in bundle.card.families):
        raise InputError(
            f"The model is a {' and a '.join(bundle.card.families)}, which computes on CPUs.",
            "Leave --gpus out.",
        )
    return bundle


def _print(
    bundle: "Bundle",
    compounds: Sequence[str],
    level: float | None,
    storage: str | None,
    format: Format,
) -> None:
    from fesearch import formula, structure
    from fesearch.predict import columns
    from fesearch.sealed import met_in
    from fesearch.structure import Structures

    texts = [
        structure.from_cif(Path(word)) if word.lower().endswith(".cif") else ""
        for word in compounds
    ]
    formulas = [
        structure.formula_of(text) if text else word
        for word, text in zip(compounds, texts, strict=True)
    ]
    given = Structures.of(texts) if bundle.card.reads_structures and any(texts) else None
    answer = bundle.answer(formulas, given)
    bundle.refuse_lacking(answer, compounds)
    numbers = dict(columns(bundle, answer, level))
    rows = [
        {
            "formula": text,
            **{name: values[row] for name, values in numbers.items()},
            "unit": bundle.card.unit,
        }
        for row, text in enumerate(formulas)
    ]
    if sealed := met_in(bundle.sealed, map(formula.reduced, formulas)):
        _record(bundle, sealed, storage)
    _warn(sorted(bundle.unseen(formulas)))
    shown: list[Column | str] = ["formula", *numbers, "unit"]
    show(rows, shown, format)


def _record(bundle: "Bundle", met: "Met", storage: str | None) -> None:
    """Say how many compounds are of the test part, once that is on record."""
    from fesearch.glance import recorded

    print(recorded(bundle.card, met, storage_url(storage)), file=sys.stderr)


def _warn(unseen: Sequence[str]) -> None:
    if unseen:
        print(
            f"Warning: the model has never seen {', '.join(unseen)}; do not rely on predictions "
            "for compounds that contain them.",
            file=sys.stderr,
        )
