"""Set-based writes that the ORM has no form for: many rows of given values, inserted or updated by one
statement.

``unnest`` on PostgreSQL, ``json_each`` on SQLite. Through ``bulk_create`` and ``bulk_update`` the same work
took 5 to 20 times as long; ``tests/sql/test_sql_rows.py`` holds both to the same result.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from django.db import transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Exists, Expression, Field, Model, OuterRef

from notifications.sql.arrays import given_rows, sql_type
from notifications.sql.dialect import column, is_postgresql, table
from notifications.sql.statements import Statement

Row = tuple[Any, ...]
Values = Sequence[Row]


def insert_rows(
    model: type[Model], columns: Sequence[str], rows: Values, *, ignore_conflicts: bool = False
) -> None:
    """Insert rows, in their order. One statement, or none; arguments as for ``insertion``."""
    if rows:
        with transaction.get_connection().cursor() as cursor:
            cursor.execute(*insertion(model, columns, rows, ignore_conflicts=ignore_conflicts))


def insertion(
    model: type[Model], columns: Sequence[str], rows: Values, *, ignore_conflicts: bool = False
) -> Statement:
    """What inserts rows, one at least, in their order; columns that are not named take their database
    default.

    Args:
        model: whose table.
        columns: attribute names of its fields (``inbox_id`` for a foreign key).
        rows: one tuple of Python values for each row, in the order of ``columns``.
        ignore_conflicts: leave out rows that are there already, instead of failing.
    """
    db = transaction.get_connection()
    target = _target(model, tuple(columns), db.vendor)
    given = _one(target, rows[0], db) if len(rows) == 1 else _many(target, rows, db)
    values = ", ".join(given.values)
    return Statement(
        f"INSERT INTO {target.table} ({', '.join(target.names)}) "
        # Without a condition SQLite would take ON CONFLICT for that of a join.
        + (f"SELECT {values} {given.source} WHERE true" if given.source else f"VALUES ({values})")
        + (" ON CONFLICT DO NOTHING" if ignore_conflicts else ""),
        given.params,
    )


def insert_row(row: Model) -> None:
    """Insert one row of a model whose database makes the primary key, and note that key on it. One statement.

    As ``row.save(force_insert=True)``, without its signals; a column that has a default in the database and
    no value on the row takes that default.
    """
    db = transaction.get_connection()
    inserting = _inserting(row, db)
    with db.cursor() as cursor:
        if is_postgresql(db):
            cursor.execute(f"{inserting.sql} RETURNING {column(type(row), 'pk')}", inserting.params)
            row.pk = cursor.fetchone()[0]
        else:
            cursor.execute(*inserting)
            row.pk = cursor.lastrowid
    row._state.adding, row._state.db = False, db.alias


def insert_with_children(
    row: Model, model: type[Model], link: str, columns: Sequence[str], children: Values, *, owner: str = ""
) -> int:
    """Insert one row as ``insert_row`` does, and rows of another model that point to it.

    Transaction: their own, both or neither; inside a caller's they are part of that. One statement on
    PostgreSQL, where a trip takes longer than the work; two on SQLite, three with ``owner``.

    Args:
        row: what they point to.
        model: whose rows they are.
        link: the attribute name of the field that points (``event_id``).
        columns: attribute names of the other fields that are given.
        children: one tuple of Python values for each, one at least, in the order of ``columns``.
        owner: another foreign key, one of the columns, that is to be followed now. The database does so when
            the transaction ends.

    Returns:
        How many of the children have an owner that exists; without ``owner``, how many there are.
    """
    db = transaction.get_connection()
    if not is_postgresql(db):
        with transaction.atomic(savepoint=False):
            insert_row(row)
            insert_rows(model, (*columns, link), [(*child, row.pk) for child in children])
        return _owned_count(row, model, link, owner) if owner else len(children)
    counted, followed = "children", column(model, owner or link)
    if owner:
        owners: Any = _field(model, owner).related_model
        counted += f" JOIN {table(owners)} o ON o.{column(owners, 'pk')} = children.{followed}"
    inserting, key = _inserting(row, db), column(type(row), "pk")
    target = _target(model, tuple(columns), db.vendor)
    given = _many(target, children, db)
    statement = f"""
        WITH parent AS ({inserting.sql} RETURNING {key}), children AS (
            INSERT INTO {target.table} ({", ".join(target.names)}, {column(model, link)})
            SELECT {", ".join(given.values)}, parent.{key} {given.source}, parent RETURNING {followed}
        )
        SELECT {key}, (SELECT count(*) FROM {counted}) FROM parent"""  # noqa: S608 (names, placeholders)
    with db.cursor() as cursor:
        cursor.execute(statement, [*inserting.params, *given.params])
        row.pk, count = cursor.fetchone()
    row._state.adding, row._state.db = False, db.alias
    return int(count)


def _owned_count(row: Model, model: type[Model], link: str, owner: str) -> int:
    owners: Any = _field(model, owner).related_model
    has_owner = Exists(owners._base_manager.filter(pk=OuterRef(owner)))
    return model._base_manager.filter(has_owner, **{link: row.pk}).count()


def _inserting(row: Model, db: BaseDatabaseWrapper) -> Statement:
    target = _target(type(row), _given_by_program(type(row)), db.vendor)
    given = _one(target, [getattr(row, field.attname) for field in target.fields], db)
    return Statement(
        f"INSERT INTO {target.table} ({', '.join(target.names)}) VALUES ({', '.join(given.values)})",  # noqa: S608 (names, placeholders)
        given.params,
    )


@lru_cache(maxsize=64)
def _given_by_program(model: type[Model]) -> tuple[str, ...]:
    """The columns that the database leaves to the program: no key, and no expression such as the time."""
    return tuple(
        field.attname
        for field in model._meta.concrete_fields
        if not field.primary_key and not isinstance(field.db_default, Expression)
    )


def update_rows(
    model: type[Model], columns: Sequence[str], rows: Values, *, where_null: Sequence[str] = ()
) -> int:
    """Update the rows whose primary key is each tuple's first value; how many that were. One statement, or
    none.

    Arguments as for ``updating``.
    """
    if not rows:
        return 0
    with transaction.get_connection().cursor() as cursor:
        cursor.execute(*updating(model, columns, rows, where_null=where_null))
        return int(cursor.rowcount)


def updating(
    model: type[Model], columns: Sequence[str], rows: Values, *, where_null: Sequence[str] = ()
) -> Statement:
    """What updates the rows, one at least, whose primary key is each tuple's first value.

    Args:
        model: whose table.
        columns: attribute names of its fields; the first is the primary key.
        rows: one tuple of Python values for each row, in the order of ``columns``.
        where_null: only rows in which these are null.
    """
    db = transaction.get_connection()
    # The key comes last, where the statement has it.
    target = _target(model, (*columns[1:], columns[0]), db.vendor)
    rows = [(*row[1:], row[0]) for row in rows]
    given = _one(target, rows[0], db) if len(rows) == 1 else _many(target, rows, db)
    assignments = ", ".join(map("{} = {}".format, target.names[:-1], given.values))
    condition = f"{target.table}.{target.names[-1]} = {given.values[-1]}"
    if where_null:
        # Inside a CASE, or PostgreSQL takes a partial index on nulls, which it believes to be empty, and
        # walks it for each row.
        nulls = _target(model, tuple(where_null), db.vendor)
        are_null = " AND ".join(f"{nulls.table}.{name} IS NULL" for name in nulls.names)
        condition += f" AND CASE WHEN {are_null} THEN 1 END = 1"
    return Statement(
        f"UPDATE {target.table} SET {assignments} {given.source} WHERE {condition}",  # noqa: S608 (names, placeholders)
        given.params,
    )


class _Target(NamedTuple):
    """Columns of a table, as statements name them."""

    table: str
    names: tuple[str, ...]
    fields: tuple[Field[Any, Any], ...]
    types: tuple[str, ...]


class _Given(NamedTuple):
    """Rows as parts of a statement: an expression for each column, where these come from, and the
    parameters.
    """

    values: list[str]
    source: str
    params: list[Any]


@lru_cache(maxsize=64)
def _target(model: type[Model], columns: tuple[str, ...], vendor: str) -> _Target:
    fields = tuple(_field(model, column) for column in columns)
    names = tuple(column(model, name) for name in columns)
    types = tuple(map(sql_type, fields)) if is_postgresql() else ()
    return _Target(table(model), names, fields, types)


def _one(target: _Target, row: Sequence[Any], db: BaseDatabaseWrapper) -> _Given:
    params = [field.get_db_prep_save(cell, db) for field, cell in zip(target.fields, row, strict=True)]
    return _Given(["%s"] * len(row), "", params)


def _many(target: _Target, rows: Values, db: BaseDatabaseWrapper) -> _Given:
    """A column that holds one value in all rows is sent once, as a constant."""
    cells_of = list(zip(*rows, strict=True))
    is_sent_once = [_is_constant(cells) for cells in cells_of]
    is_sent_once[-1] &= not all(is_sent_once)  # a FROM clause needs a column
    constants: list[Any] = []
    values: list[str] = []
    arrays: list[int] = []
    for index, field in enumerate(target.fields):
        if is_sent_once[index]:
            constants.append(field.get_db_prep_save(cells_of[index][0], db))
            values.append(f"CAST(%s AS {target.types[index]})" if target.types else "%s")
        else:
            values.append(f"r.c{len(arrays)}")
            arrays.append(index)
    fields = {f"c{number}": target.fields[index] for number, index in enumerate(arrays)}
    source, params = given_rows("r", fields, [cells_of[index] for index in arrays])
    return _Given(values, f"FROM {source}", [*constants, *params])


def _is_constant(cells: Row) -> bool:
    first = cells[0]
    # The last one first: what varies shows there.
    return bool(cells[-1] == first) and all(cell is first or cell == first for cell in cells)


def _field(model: type[Model], attname: str) -> Field[Any, Any]:
    return next(field for field in model._meta.concrete_fields if attname in (field.attname, field.name))
