"""All studies of one database in another, with the projections that people look at."""

import optuna

from fesearch.search.mirror import in_database, refuse_taken
from fesearch.store import upkeep
from fesearch.store.results import Store


def copy(url: str, to: str) -> list[str]:
    """Copy all studies into another database, empty or not; weights stay where they are.

    Our tables are copied whole or not at all, Optuna's after them: what lacks there is written
    when a study is resumed.

    Returns:
        the names of the studies.

    Raises:
        InputError: see ``upkeep.copy``; or somebody else has an Optuna study of a name there.
    """
    with Store.look(url) as store:
        for summary in store.studies():
            refuse_taken(to, summary.study.name)
    names = upkeep.copy(url, to)
    there, here = in_database(url), in_database(to)
    try:
        known = {summary.study_name for summary in optuna.get_all_study_summaries(there)}
        for name in names:
            if name in known:
                optuna.copy_study(from_study_name=name, from_storage=there, to_storage=here)
    finally:
        for storage in (there, here):
            storage.engine.dispose()
    return names
