"""``fesearch study start --prepare``: data and features built, and nothing started."""

from typing import Any

from fesearch.cli.output import Format, detail, page, progress
from fesearch.cli.portfolio import LeftOut
from fesearch.portfolio import Portfolio
from fesearch.study import Study


def prepare_study(study: Study, format: Format) -> None:
    """Build what a study needs, and print what it would be trained on."""
    detail(_facts(study), format)


def prepare_all(made: Portfolio, format: Format) -> None:
    """The same for each family of a search over many."""
    from fesearch.search.portfolio import of_each

    missing = LeftOut()
    rows = of_each(made, lambda study: {"name": study.name, **_facts(study)}, missing.note)
    facts = {"name": made.name, "left_out": missing.why}
    page(facts, "families", rows, ["name", "data", "target", "features", "rows"], format)


def _facts(study: Study) -> dict[str, Any]:
    from fesearch.search.prepare import prepare

    with progress("features", "compounds") as report:
        prepared = prepare(study, report)
    split = prepared.split
    return {
        "data": prepared.dataset.name,
        "data_hash": prepared.dataset.hash,
        "target": prepared.target,
        "features": f"{prepared.features.name}, {len(prepared.features.names)} columns",
        "split": split.spec,
        "split_fingerprint": split.fingerprint,
        "test_fingerprint": prepared.division.test,
        "rows": {"train": len(split.train), "val": len(split.val), "test": len(split.test)},
    }
