"""Studies as plain values, and their insertion elsewhere with ids made anew.

The tables of a study are lists of rows of JSON types. Ids hold within them alone. Leases and
requests to stop are no part of them: nobody drives a copy. Nor is the time between two turns of a
search over many families: a copy of one that is over may have that left.
"""

import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, TypeAlias

import sqlalchemy as sa

from fesearch.errors import InputError, quoted
from fesearch.record import ResultKey
from fesearch.store.database import Database, first_line
from fesearch.store.looks import insert_look, looked_at
from fesearch.store.schema import (
    DIVISIONS,
    KEYS,
    LOOKS,
    MEMBERS,
    PREFIX,
    QUEUE,
    REPORTS,
    STUDIES,
    STUDY_KEYS,
    TRIALS,
    Json,
    UtcTime,
)
from fesearch.store.studies import add_division, add_key, insert_missing
from fesearch.store.types import Division, StudyState

Row: TypeAlias = dict[str, Any]
Tables: TypeAlias = Mapping[str, list[Row]]

PORTABLE = {
    table.name.removeprefix(PREFIX): table
    for table in (DIVISIONS, MEMBERS, KEYS, STUDIES, STUDY_KEYS, TRIALS, REPORTS, QUEUE, LOOKS)
}
"""What ``Tables`` are made of, by name, each after those that it refers to."""
_ROWS_AT_ONCE = 1000


class Transfer(Database):
    """The part of the store that hands out whole studies and takes them in."""

    def portable(self, name: str) -> Tables:
        """A study, everything its numbers belong to, and the looks at its test rows."""
        with self.steady() as connection:
            query = sa.select(STUDIES.c.id).where(STUDIES.c.name == name)
            return _study(connection, connection.execute(query).scalar_one())

    def receive(self, studies: Iterable[Tables]) -> list[str]:
        """Insert studies, all of them or none; one that was being driven is stopped here.

        Returns:
            their names.

        Raises:
            InputError: a name is taken, rows are not as ``portable`` makes them, or a unit is
                another here.
        """
        with self.write() as connection:
            try:
                return [name for tables in studies for name in _insert(connection, tables)]
            except sa.exc.IntegrityError as error:
                raise damaged(first_line(error)) from None

    def send(
        self, to: "Transfer", changed: Callable[[Tables], Tables] = lambda tables: tables
    ) -> list[str]:
        """Insert all studies and looks of this store into another, all of them or none.

        Args:
            changed: what each study is there; as it is here by default.

        Returns:
            the names of the studies.

        Raises:
            InputError: there are studies of their names already.
        """
        with self.steady() as connection:
            query = sa.select(STUDIES.c.name, STUDIES.c.id).order_by(STUDIES.c.id)
            found = dict(connection.execute(query).all())
            to.refuse_taken(found)

            def each() -> Iterator[Tables]:
                for study_id in found.values():
                    yield changed(_study(connection, study_id))
                yield _record(connection)

            return to.receive(each())

    def refuse_taken(self, names: Iterable[str]) -> None:
        """Go on only where no study has one of these names.

        Raises:
            InputError: some have.
        """
        with self.read() as connection:
            there = set(connection.scalars(sa.select(STUDIES.c.name)))
        taken = ", ".join(quoted(name) for name in names if name in there)
        if taken:
            raise InputError(
                f"There are studies of these names already: {taken}.",
                "Give another database.",
            )


def damaged(what: str) -> InputError:
    """The error for rows that are no study."""
    return InputError(f"These are not the rows of a study: {what}.", "Use an unchanged copy.")


def _study(connection: sa.Connection, study_id: int) -> Tables:
    own = STUDY_KEYS.c.study_id == study_id
    keys = _rows(connection, KEYS, KEYS.c.id.in_(sa.select(STUDY_KEYS.c.key_id).where(own)))
    at = [looked_at(key["data"], key["target"], key["split"]) for key in keys]
    looks = _rows(connection, LOOKS, sa.or_(*at))
    divided = {(row["data"], row["split"]) for row in (*keys, *looks)}
    return {
        **_divisions(connection, divided),
        "keys": keys,
        "studies": _rows(connection, STUDIES, STUDIES.c.id == study_id),
        "study_keys": _rows(connection, STUDY_KEYS, own),
        "trials": _rows(connection, TRIALS, TRIALS.c.study_id == study_id, TRIALS.c.number),
        "reports": _rows(connection, REPORTS, REPORTS.c.study_id == study_id, REPORTS.c.sequence),
        "queue": _rows(connection, QUEUE, QUEUE.c.study_id == study_id),
        "looks": looks,
    }


def _record(connection: sa.Connection) -> Tables:
    """All looks, those of deleted studies too."""
    looks = _rows(connection, LOOKS, sa.true())
    divided = {(row["data"], row["split"]) for row in looks}
    return {**_divisions(connection, divided), "looks": looks}


def _divisions(connection: sa.Connection, divided: set[tuple[str, str]]) -> Tables:
    """Divisions by (data, fingerprint), and all members of the repeated ones they belong to."""
    wanted, members = set(divided), []
    for data in sorted({data for data, _ in divided}):
        rows = _rows(connection, MEMBERS, MEMBERS.c.data == data)
        mine = {fingerprint for one, fingerprint in divided if one == data}
        parents = {row["parent"] for row in rows if {row["parent"], row["fingerprint"]} & mine}
        family = [row for row in rows if row["parent"] in parents]
        members += family
        wanted |= {(data, row[word]) for row in family for word in ("parent", "fingerprint")}
    given = sa.tuple_(DIVISIONS.c.data, DIVISIONS.c.fingerprint).in_(sorted(wanted))
    return {"divisions": _rows(connection, DIVISIONS, given), "members": members}


def _rows(
    connection: sa.Connection,
    table: sa.Table,
    condition: sa.ColumnElement[bool],
    *order: sa.ColumnElement[Any],
) -> list[Row]:
    """Rows of a table as plain values, in the order given or that of their keys."""
    query = sa.select(table).where(condition).order_by(*(order or table.primary_key.columns))
    return [
        {name: _plain(value) for name, value in row.items()}
        for row in connection.execute(query).mappings()
    ]


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value


def _insert(connection: sa.Connection, tables: Tables) -> list[str]:
    """Insert one study, or none but its looks.

    Returns:
        its name.
    """
    rows = {name: _checked(name, tables.get(name, [])) for name in PORTABLE}
    for row in rows["divisions"]:
        add_division(connection, Division(**row))
    for row in rows["members"]:
        insert_missing(connection, MEMBERS, row)
    keys = {row["id"]: _key(connection, row) for row in rows["keys"]}
    studies = {row["id"]: _new_study(connection, row, keys) for row in rows["studies"]}
    if len(studies) > 1:
        raise damaged("there are several")
    to = {"study_id": _following(studies), "key_id": _following(keys)}
    _add(connection, STUDY_KEYS, rows["study_keys"], to)
    _add(connection, TRIALS, rows["trials"], to)
    trials = _numbered(connection, rows["trials"], studies.values())
    _add(connection, REPORTS, rows["reports"], {**to, "trial_id": _following(trials)})
    _add(connection, QUEUE, rows["queue"], to)
    for row in rows["looks"]:
        _look(connection, row)
    return [row["name"] for row in rows["studies"]]


def _key(connection: sa.Connection, row: Row) -> int:
    key = ResultKey(row["data"], row["target"], row["metric"], row["split"])
    return add_key(connection, key, row["unit"], row["direction"])


def _new_study(connection: sa.Connection, row: Row, keys: Mapping[int, int]) -> int:
    """Insert the row of a study, and return its id."""
    if not row["name"].isprintable():
        raise damaged(f"one is called {quoted(row['name'])}")
    state = StudyState.STOPPED if row["state"] is StudyState.RUNNING else row["state"]
    new = {**row, "key_id": _following(keys)(row["key_id"]), "state": state}
    del new["id"]
    return int(connection.execute(sa.insert(STUDIES).returning(STUDIES.c.id), new).scalar_one())


def _numbered(
    connection: sa.Connection, rows: Iterable[Row], studies: Iterable[int]
) -> dict[int, int]:
    """The ids that trials had, and have here."""
    query = sa.select(TRIALS.c.number, TRIALS.c.id).where(TRIALS.c.study_id.in_(list(studies)))
    new = dict(connection.execute(query).all())
    return {row["id"]: new[row["number"]] for row in rows}


def _add(
    connection: sa.Connection,
    table: sa.Table,
    rows: list[Row],
    to: Mapping[str, Callable[[int], int]],
) -> None:
    """Insert rows with the ids that theirs have become; their own, if any, is made anew."""
    own = {"id"} if "id" in table.c else set()
    for start in range(0, len(rows), _ROWS_AT_ONCE):
        new = [
            {name: to[name](value) if name in to else value for name, value in row.items()}
            for row in rows[start : start + _ROWS_AT_ONCE]
        ]
        for row in new:
            for name in own:
                del row[name]
        connection.execute(sa.insert(table), new)


def _following(ids: Mapping[int, int]) -> Callable[[int], int]:
    def new(old: int) -> int:
        if old not in ids:
            raise damaged(f"a row names {old}, which is not there")
        return ids[old]

    return new


def _look(connection: sa.Connection, row: Row) -> None:
    """Insert a look that is not on record here, numbered on where there have been others."""
    same = [LOOKS.c[name] == row[name] for name in ("data", "target", "split", "study", "trial")]
    same.append(LOOKS.c.looked_at == row["looked_at"])
    if not connection.scalar(sa.select(sa.exists().where(*same))):
        given = {name: value for name, value in row.items() if name not in ("id", "sequence")}
        insert_look(connection, given)


def _checked(name: str, rows: list[Row]) -> list[Row]:
    """Rows of plain values as the columns of a table hold them; what lacks is as a default.

    Raises:
        InputError: a column that there is not, or a value that it cannot hold.
    """
    columns = PORTABLE[name].c
    for row in rows:
        for key in row:
            if key not in columns:
                raise damaged(f"{name} have no {quoted(str(key))}")
    return [
        {column.name: _value(name, column, row.get(column.name)) for column in columns}
        for row in rows
    ]


def _value(table: str, column: "sa.Column[Any]", value: Any) -> Any:
    """A plain value as a column holds it."""
    if value is None and column.server_default is not None:
        value = json.loads(str(column.server_default.arg))  # type: ignore[attr-defined]
    try:
        return None if value is None and column.nullable else _read(column.type, value)
    except (TypeError, ValueError, OverflowError):
        raise damaged(f"{table}.{column.name} is {quoted(repr(value))}") from None


def _read(kind: Any, value: Any) -> Any:
    """A plain value as a type of column holds it; ValueError where it cannot."""
    if isinstance(kind, Json):
        return value if isinstance(value, dict) else _refuse()
    if isinstance(kind, UtcTime):
        time = datetime.fromisoformat(value)
        return time.astimezone(UTC) if time.tzinfo is not None else _refuse()
    if isinstance(kind, sa.Enum):
        assert kind.enum_class is not None
        return kind.enum_class(value)
    if isinstance(kind, sa.Boolean):
        return value if isinstance(value, bool) else _refuse()
    if isinstance(kind, sa.Integer):
        bits = 63 if isinstance(kind, sa.BigInteger) else 31
        fits = isinstance(value, int) and not isinstance(value, bool) and abs(value) < 1 << bits
        return value if fits else _refuse()
    if isinstance(kind, sa.Double):
        fits = isinstance(value, int | float) and not isinstance(value, bool)
        return float(value) if fits and math.isfinite(value) else _refuse()
    assert isinstance(kind, sa.Text)
    fits = isinstance(value, str) and "\0" not in value
    return value.encode().decode() if fits else _refuse()  # lone surrogates cannot be encoded


def _refuse() -> Any:
    raise ValueError
