"""``fesearch store``: a backup of the database, an upgrade, a copy elsewhere."""

from pathlib import Path
from typing import Annotated

import typer

from fesearch.cli.options import FormatOption, StorageOption, group
from fesearch.cli.output import detail
from fesearch.paths import storage_url

app = group()


@app.command("backup")
def backup_store(
    to: Annotated[Path, typer.Option("--to", help="A new SQLite file.")],
    storage: StorageOption = None,
    format: FormatOption = "table",
) -> None:
    """Write all studies into a new file, whole or not at all; they may be running."""
    from fesearch.store import upkeep

    upkeep.backup(storage_url(storage), to)
    detail({"backup": str(to), "bytes": to.stat().st_size}, format)


@app.command("upgrade")
def upgrade_store(storage: StorageOption = None, format: FormatOption = "table") -> None:
    """Bring the database to the schema of this version, an SQLite file after a backup beside it."""
    from fesearch.store import upkeep

    before, now, kept = upkeep.bring_up(storage_url(storage))
    detail({"from": before, "to": now, "backup": None if kept is None else str(kept)}, format)


@app.command("copy")
def copy_store(
    to: Annotated[str, typer.Option("--to", help="The other database, as an SQLAlchemy URL.")],
    storage: StorageOption = None,
    format: FormatOption = "table",
) -> None:
    """Copy all studies into another database, empty or not, with weights and logs of their own.

    What is removed on one side stays on the other. Weights take room once, as long as both have
    them, where the file system of the artifacts knows hard links.
    """
    from fesearch.search import copies

    names = copies.copy(storage_url(storage), to)
    detail({"studies": len(names), "names": names}, format)
