"""``fesearch features``: what models see of a formula."""

from typing import Annotated

import typer

from fesearch import featurecache, featureset, library, structurecache
from fesearch.cli.options import FormatOption, group
from fesearch.cli.output import detail, progress, show
from fesearch.features import build

app = group()


@app.command("list")
def list_features(format: FormatOption = "table") -> None:
    """All feature sets, with the source of each and what of them is in the cache."""
    sizes: dict[str, int] = {}
    for cached in featurecache.cached():
        sizes[cached.name] = sizes.get(cached.name, 0) + cached.bytes
    rows = [
        {
            "name": declared.name,
            "title": declared.title,
            "cached_bytes": sizes.get(declared.name, 0) + structurecache.size(declared.name),
            "source": declared.source,
        }
        for declared in featureset.FEATURE_SETS
    ]
    show(rows, ["name", "title", "cached_bytes", "source"], format)


@app.command("build")
def build_features(
    data: Annotated[str, typer.Argument(help="A data set, as in `fesearch data list`.")],
    features: Annotated[
        str, typer.Option("--features", help="As in `fesearch features list`.")
    ] = "magpie",
    format: FormatOption = "table",
) -> None:
    """Compute the features of a data set into the cache, so that a study starts at once."""
    rows = featureset.Inputs.of(library.load(data))
    with progress(features, "formulas") as report:
        built = build(features, rows, report)
    facts = {
        "features": built.name,
        "data": data,
        "rows": len(built.matrix),
        "columns": len(built.names),
        "constant": list(built.constant),
        "rows_not_finite": dict(built.non_finite),
        "digest": built.digest,
    }
    detail(facts, format)


@app.command("clear")
def clear_features() -> None:
    """Empty the cache; what is needed again is computed again."""
    freed = featurecache.clear() + structurecache.clear()
    print(f"Freed {freed / 1e6:.1f} MB.")
