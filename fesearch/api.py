"""From a table of formulas to a model, in Python: what ``import fesearch`` gives.

All the command line does is one library call, and so is all of this:

    fesearch.search(df, target="e_form", family="irnet", trials=50)
    fesearch.open("irnet-mine").rank()

The studies are those of the command line, in the same store, and the rows of a table are kept
under a name: what was begun here can go on there, and the other way round.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fesearch import frame, handle
from fesearch.errors import InputError
from fesearch.handle import PortfolioHandle, StudyHandle
from fesearch.overviews import Studies
from fesearch.paths import artifacts_at, storage_url
from fesearch.portfolio import of_keys
from fesearch.record import nothing_usable
from fesearch.registry import short_name
from fesearch.store.results import Store
from fesearch.study import checked
from fesearch.studyfile import read

if TYPE_CHECKING:
    import pandas as pd

SOURCE = "fesearch.search"
"""What errors call a study of keyword arguments."""


def search(
    data: "pd.DataFrame | str | None" = None,
    target: str | None = None,
    *,
    study: str | None = None,
    formula: str | None = None,
    structure: str | None = None,
    id: str | None = None,
    columns: Sequence[str] = (),
    numbers: Sequence[str] = (),
    unit: str = "eV/atom",
    drop_bad: Path | str | None = None,
    storage: str | None = None,
    artifacts: Path | None = None,
    or_resume: bool = False,
    progress: bool = False,
    **keys: Any,
) -> StudyHandle | PortfolioHandle:
    """Search hyperparameters until the budget is spent; the study is kept in the store.

    >>> import pandas as pd, fesearch
    >>> rows = [{"formula": f"{a}{b}", "e_form": -0.1 * i * j} for i, a in enumerate(["Ti", "V",
    ...     "Cr", "Mn", "Fe"]) for j, b in enumerate(["Ni", "Cu", "Zn", "Al", "Si"])]
    >>> found = fesearch.search(
    ...     pd.DataFrame(rows), target="e_form", family="decision_tree", runner="inline"
    ... )
    >>> found
    <study 'decision_tree-frame-65e0b8031591': 1 COMPLETE, best validation MAE 0.2 eV/atom>

    Args:
        data: a table of pandas, or the name of a data set (``fesearch data list``). A table has a
            row for each compound; its rows are kept under a name made of their content.
        target: column to learn; of a data set its first by default.
        study: a shipped study, such as "smoke", or the path of a study file, whose keys those given
            here replace.
        formula, structure, id, columns, numbers, unit, drop_bad: of a table; see ``frame.keep``.
        storage: URL of the store; default as on the command line.
        artifacts: folder for data and weights; default as on the command line.
        or_resume: go on with a study of that name, where there is one.
        progress: show the live lines of the search on stderr; by default it is silent.
        keys: of a study file: family, trials, max_epochs, space, split, gpus … (see
            ``fesearch.study.Study``); ``families`` in place of ``family`` searches several under
            one budget, and gives a `PortfolioHandle`. The name is, by default, that of the
            family and of the data.

    Raises:
        InputError: a key, a column or a row is wrong, or there is a study of that name.
        NoResultError: no trial is usable.
        KeyboardInterrupt: it was interrupted; ``fesearch.open(name).resume()`` goes on.
    """
    with artifacts_at(artifacts):
        given = dict(keys) if study is None else read(study, keys)
        if data is not None and not isinstance(data, str):
            if target is None:
                raise InputError("No target column was given.", 'Name one, as in target="e_form".')
            data = frame.keep(
                data,
                target,
                formula=formula,
                structure=structure,
                id=id,
                columns=columns,
                numbers=numbers,
                unit=unit,
                drop_bad=drop_bad,
            ).name
        given |= {key: value for key, value in (("data", data), ("target", target)) if value}
        return _begun(given, storage_url(storage), artifacts, or_resume, progress)


def open(
    name: str, *, storage: str | None = None, artifacts: Path | None = None
) -> StudyHandle | PortfolioHandle:
    """A study of the store, or a search over many families.

    Raises:
        StudyNotFoundError: there is none of that name; the nearest is named.
    """
    from fesearch.search import standings

    url = storage_url(storage)
    if standings.members(name, url):
        return PortfolioHandle(name, url, artifacts)
    with Store.look(url) as store:
        store.study(name)
    return StudyHandle(name, url, artifacts)


def studies(*, storage: str | None = None) -> Studies:
    """All studies of the store.

    Raises:
        NoDatabaseError: there is no store.
    """
    with Store.look(storage_url(storage)) as store:
        return Studies(store.studies())


def _begun(
    keys: dict[str, Any], url: str, artifacts: Path | None, or_resume: bool, progress: bool
) -> StudyHandle | PortfolioHandle:
    """The study of these keys, searched."""
    if "families" in keys:
        keys.setdefault("name", f"families-{keys.get('data', 'miedema')}")
        return _families(keys, url, artifacts, or_resume, progress)
    from fesearch.search import start

    family = keys.setdefault("family", "irnet")
    keys.setdefault("name", f"{short_name(str(family))}-{keys.get('data', 'miedema')}")
    asked = checked(keys, SOURCE)
    with handle.shown(progress) as watchers:
        outcome = start.start(asked, url, or_resume=or_resume, watchers=watchers)
    handle.ended(asked.name, outcome.stopped)
    if not outcome.usable:
        raise nothing_usable(asked.name, outcome.results)
    return StudyHandle(asked.name, url, artifacts)


def _families(
    keys: dict[str, Any], url: str, artifacts: Path | None, or_resume: bool, progress: bool
) -> PortfolioHandle:
    """The same of keys with ``families``."""
    from fesearch.search import portfolio

    made = of_keys(keys, SOURCE)
    done = portfolio.begin(made, url, handle.looks(progress), or_resume=or_resume)
    handle.ended(made.name, done.stopped)
    found = PortfolioHandle(made.name, url, artifacts)
    found.rank()  # says that there is nothing to use, where there is nothing
    return found
