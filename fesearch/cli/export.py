"""``fesearch export``: a trained model as a folder of its own."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from fesearch.cli.options import FormatOption, StorageOption
from fesearch.cli.output import detail, progress
from fesearch.errors import InputError
from fesearch.own import mentioned
from fesearch.paths import storage_url

if TYPE_CHECKING:
    from fesearch.card import Card


def export(
    study: Annotated[
        list[str],
        typer.Argument(
            help="As in `fesearch study list`, or a search over families; several of one division "
            "for an ensemble.",
            metavar="STUDY…",
        ),
    ],
    to: Annotated[Path, typer.Option("--to", help="Folder to write; not there yet, or empty.")],
    trial: Annotated[
        int | None, typer.Option("--trial", min=0, help="Its number; the best by default.")
    ] = None,
    ensemble: Annotated[
        int | None,
        typer.Option(
            "--ensemble", min=1, help="The mean of this many picks, selected by validation."
        ),
    ] = None,
    refit: Annotated[
        Literal["all", "val"] | None,
        typer.Option(
            "--refit",
            help="all: train it once more, on the rows of all parts; val: the model that "
            "`holdout --retrain` scored.",
        ),
    ] = None,
    program: Annotated[
        Literal["onnx", "torch"] | None,
        typer.Option("--program", help="Add the network as a program that runs without fesearch."),
    ] = None,
    gpus: Annotated[
        int, typer.Option("--gpus", min=0, max=1, help="1: train it on a GPU (with --refit).")
    ] = 0,
    storage: StorageOption = None,
    format: FormatOption = "table",
) -> None:
    """Write a trained model, its settings and its model card to a folder.

    The score it quotes is that of the model before --refit, and of an ensemble that of its mean on
    the rows it was selected by.
    """
    if gpus:
        if refit != "all":
            raise InputError(
                "--gpus is for training, and nothing is trained.", "Give --refit all too."
            )
        from fesearch.nets.device import require_gpus

        require_gpus(gpus)
    from fesearch.export import export as write

    with progress("features", "compounds") as report:
        card = write(
            study[0],
            storage_url(storage),
            to,
            trial=trial,
            ensemble=ensemble,
            others=study[1:],
            refit=refit == "all",
            joined=refit == "val",
            program=program,
            device="cuda" if gpus else "cpu",
            progress=report,
        )
    validation = f"val_{card.validation.metric}"
    test = card.test and card.test.scores.get(card.validation.metric)
    facts: dict[str, Any] = {
        "folder": str(to),
        **_origin(card),
        validation: card.validation.value,
        f"test_{card.validation.metric}": "sealed" if test is None and format == "table" else test,
        "target": card.target,
    }
    if card.refit is not None:
        facts["trained_on"] = f"all {card.refit} rows" if format == "table" else card.refit
    if card.joined is not None:
        facts["trained_on"] = f"{card.joined} rows" if format == "table" else card.joined
    if program is not None:
        facts["program"] = program
        each = (one.program.difference for one in card.members if one.program is not None)
        facts["program_difference"] = max(each)
    units = {validation: card.validation.unit, "target": f"({card.unit})"}
    units["program_difference"] = card.unit
    if test is not None:
        units[f"test_{card.validation.metric}"] = card.validation.unit
    detail(facts, format, units)
    if card.scored_another:
        print(
            "\nThe test score is of this config trained on training and validation part, which "
            "--refit val exports, and not of this model.",
            file=sys.stderr,
        )
    paths = (source.path for source in mentioned(*card.own))
    files = "".join(f" --family-file {path}" for path in paths)
    print(f"\nNext: fesearch predict {to} Fe2O3{files}", file=sys.stderr)


def _origin(card: "Card") -> dict[str, Any]:
    """Which trial it is, or which trials with how many picks."""
    if len(card.members) == 1:
        trained = card.trained
        return {"study": trained.study, "trial": trained.trial, "family": trained.family}
    picks = {f"{one.trained.study}:{one.trained.trial}": one.picks for one in card.members}
    return {
        "studies": list(dict.fromkeys(one.trained.study for one in card.members)),
        "families": list(card.families),
        "picks": picks,
    }
