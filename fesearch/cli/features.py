"""``fesearch features``: what models see of a compound."""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from fesearch import featurecache, library, structurecache
from fesearch.cli.options import FormatOption, group
from fesearch.cli.output import detail, progress, show
from fesearch.dataset import Dataset
from fesearch.errors import counted
from fesearch.features import Features, build
from fesearch.featureset import FEATURE_SETS, NO_STRUCTURE, FeatureSet, Inputs

app = group()

_SHOWN = 3  # rows named in a warning

Data = Annotated[str, typer.Argument(help="A data set, as in `fesearch data list`.")]
Sets = Annotated[
    str,
    typer.Option("--features", help="As in `fesearch features list`; several as A+B."),
]


@app.command("list")
def list_features(format: FormatOption = "table") -> None:
    """All feature sets: what each is computed from, its size in the cache, and its source.

    Several together are written A+B. Options follow a name: element_sequence:longest=12, or
    magpie_voronoi:limit=300,workers=8 (seconds for a structure, and processes at once).
    """
    sizes: dict[str, int] = {}
    for cached in featurecache.cached():
        sizes[cached.name] = sizes.get(cached.name, 0) + cached.bytes
    rows = [
        {
            "name": declared.name,
            "title": declared.title,
            "columns": _width(declared),
            "needs": declared.needs,
            "cached_bytes": sizes.get(declared.name, 0) + structurecache.size(declared.name),
            "source": declared.source,
        }
        for declared in FEATURE_SETS
    ]
    show(rows, ["name", "title", "columns", "needs", "cached_bytes", "source"], format)


@app.command("build")
def build_features(
    data: Data,
    features: Sets = "magpie",
    format: FormatOption = "table",
) -> None:
    """Compute the features of a data set into the cache, so that a study starts at once."""
    dataset = library.load(data)
    built = _built(dataset, features)
    facts: dict[str, Any] = {
        "features": built.name,
        "data": data,
        "rows": len(built.matrix),
        "columns": len(built.names),
        "rows_lacking": len(built.lacking),
        "constant": list(built.constant),
        "rows_not_finite": dict(built.non_finite),
        "digest": built.digest,
    }
    if format == "json":
        facts["lacking"] = {dataset.ids[row]: why for row, why in sorted(built.lacking.items())}
    detail(facts, format)


@app.command("export")
def export_features(
    data: Data,
    to: Annotated[Path, typer.Option("--to", help="FILE.parquet, FILE.csv or FILE.csv.gz.")],
    features: Sets = "magpie",
) -> None:
    """Write the features of a data set, with ids and formulas, for other programs."""
    from fesearch import featuretable

    featuretable.checked(to)
    dataset = library.load(data)
    built = _built(dataset, features)
    featuretable.write(dataset, built, to)
    count = len(built.names)
    print(
        f"Wrote {counted(count, 'feature')} of {counted(len(dataset), 'row')} to {to}.",
        file=sys.stderr,
    )


@app.command("clear")
def clear_features() -> None:
    """Empty the cache; what is needed again is computed again."""
    freed = featurecache.clear() + structurecache.clear()
    print(f"Freed {freed / 1e6:.1f} MB.")


def _width(declared: FeatureSet) -> int | None:
    """The number of its columns, where the data do not decide that."""
    return None if declared.needs == "columns" else len(declared.names())


def _built(dataset: Dataset, name: str) -> Features:
    """The features of a data set; rows that lack them are told on stderr."""
    with progress(name, "rows") as report:
        built = build(name, Inputs.of(dataset), report)
    if built.lacking:
        print(_warning(dataset, built), file=sys.stderr)
    return built


def _warning(dataset: Dataset, built: Features) -> str:
    """What is told of rows that lack features: those that failed before those without structure."""
    lacking = sorted(built.lacking.items(), key=lambda item: (item[1] == NO_STRUCTURE, item[0]))
    without = sum(why == NO_STRUCTURE for _, why in lacking)
    reasons = [f"{dataset.ids[row]} ({why})" for row, why in lacking]
    more = f"; and {len(reasons) - _SHOWN} more" if len(reasons) > _SHOWN else ""
    return (
        f"Warning: {len(lacking)} of {len(dataset)} rows lack features, {len(lacking) - without} "
        f"failed and {without} have no structure: {'; '.join(reasons[:_SHOWN])}{more}."
    )
