"""``fesearch predict``: an exported model at work; it needs no database."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from fesearch.cli.options import FamilyFileOption, FormatOption
from fesearch.cli.output import show
from fesearch.errors import InputError


def predict(
    folder: Annotated[Path, typer.Argument(help="That fesearch export wrote.")],
    formulas: Annotated[
        list[str] | None, typer.Argument(help="Such as Fe2O3 NaCl.", metavar="FORMULA…")
    ] = None,
    file: Annotated[
        Path | None, typer.Option("--file", help="CSV with a column of formulas, plain or gzip.")
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
        Path | None, typer.Option("--to", help="CSV to write: the file with predictions added.")
    ] = None,
    family_file: FamilyFileOption = None,
    format: FormatOption = "table",
) -> None:
    """Predict formulas, or a whole file of them, with an exported model.

    A model that reads structures or numeric columns of its training data needs a file with them.
    """
    if bool(formulas) == (file is not None):
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
    from fesearch.bundle import open_bundle
    from fesearch.own import run_files

    run_files(family_file or ())
    bundle = open_bundle(folder)
    if file is not None and to is not None:
        from fesearch.predict import Columns, predict_file

        done = predict_file(bundle, file, to, Columns(column or "formula", structure))
        _warn(done.unseen)
        print(f"Wrote {done.rows} predictions of {bundle.card.target} to {to}.", file=sys.stderr)
        return
    asked = formulas or []
    rows = [
        {"formula": text, "prediction": value, "unit": bundle.card.unit}
        for text, value in zip(asked, bundle.predict(asked).tolist(), strict=True)
    ]
    _warn(sorted(bundle.unseen(asked)))
    show(rows, ["formula", "prediction", "unit"], format)


def _warn(unseen: Sequence[str]) -> None:
    if unseen:
        print(
            f"Warning: the model has never seen {', '.join(unseen)}; do not rely on predictions "
            "for compounds that contain them.",
            file=sys.stderr,
        )
