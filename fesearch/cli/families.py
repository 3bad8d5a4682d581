"""``fesearch families``: what can be searched, and over which values."""

from typing import Annotated

import typer

from fesearch.cli.options import FamilyFileOption, FormatOption, group
from fesearch.cli.output import page, progress, show
from fesearch.errors import FesearchError
from fesearch.family import FAMILIES, PRESETS, Family, Preset
from fesearch.own import family_of, run_files
from fesearch.space import Value

app = group()


@app.command("list")
def list_families(family_file: FamilyFileOption = None, format: FormatOption = "table") -> None:
    """All model families, with the source of each."""
    run_files(family_file or ())
    rows = [
        {
            "name": family.name,
            "title": family.title,
            "features": family.features,
            "resource": family.resource.unit,
            "gpu": family.gpu,
            "source": family.source,
        }
        for family in FAMILIES
    ]
    show(rows, ["name", "title", "resource", "source"], format)


@app.command("show")
def show_family(
    family: Annotated[str, typer.Argument(help="Its name, as in `fesearch families list`.")],
    preset: Annotated[Preset | None, typer.Option("--preset", help="Show this space only.")] = None,
    family_file: FamilyFileOption = None,
    format: FormatOption = "table",
) -> None:
    """The search space of a family: as its source prints it, and wider."""
    run_files(family_file or ())
    shown = FAMILIES.get(family)
    presets = [preset] if preset else list(PRESETS)
    facts = {
        "name": shown.name,
        "title": shown.title,
        "source": shown.source,
        "features": shown.features,
        "resource": f"{shown.resource.amount(shown.resource.maximum)}, or as its config says",
        "first_trial": shown.best,
        **({"then": starts} if (starts := _starts(shown, presets)) else {}),
        "configs": {name: shown.space(name).size() or "infinite" for name in presets},
    }
    if shown.settable:
        facts["settable"] = {name: str(entry) for name, entry in shown.settable.items()}
    names = dict.fromkeys(n for one in reversed(presets) for n in shown.space(one).parameters)
    rows = [_parameter(shown, name, presets) for name in names]
    page(facts, "parameters", rows, ["parameter", *presets, "source"], format)


@app.command("check")
def check_family(
    family: Annotated[
        str, typer.Argument(help="A Python file that declares FAMILY (it is run), or a name.")
    ],
    format: FormatOption = "table",
) -> None:
    """Ask of a family what every family must do, by training small models of it."""
    from fesearch.contract.checks import CHECKS
    from fesearch.contract.examine import examine

    checked = family_of(family) if family.endswith(".py") else FAMILIES.get(family)
    findings = []
    with progress(checked.name, "checks") as report:
        for finding in examine(checked):
            findings.append(finding)
            report(len(findings), len(CHECKS))
    show([vars(finding) for finding in findings], ["result", "check", "reason"], format)
    if failed := sum(finding.result == "failed" for finding in findings):
        raise FesearchError(
            f"{checked.name} fails {failed} of {len(findings)} checks.",
            f"For tracebacks type: fesearch -v families check {family}",
        )


def _starts(family: Family, presets: list[Preset]) -> list[dict[str, Value]]:
    """The configs that are tried after the best one, in the widest of the presets."""
    return family.firsts(family.space(presets[-1]))[1:]


def _parameter(family: Family, name: str, presets: list[Preset]) -> dict[str, str | None]:
    """A row: the values of one parameter in each preset, and where they are from."""
    entries = {preset: family.space(preset).parameters.get(name) for preset in presets}
    sources = dict.fromkeys(entry.source for entry in entries.values() if entry and entry.source)
    values: dict[str, str | None] = {
        preset: str(entry) if entry else None for preset, entry in entries.items()
    }
    return {"parameter": name, **values, "source": "; ".join(sources)}
