"""The few expressions that SQLAlchemy Core does not have: parameters by number, verbatim types and calls.

Every identifier goes through the dialect's own quoting and every value is a ``Slot``.
"""

from dataclasses import dataclass
from typing import Any, TypeAlias

from sqlalchemy import ColumnElement, FromClause, Select, TableClause, cast, func, literal_column, types
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.elements import quoted_name
from sqlalchemy.sql.selectable import Subquery

from proxy.engine.plan.resolve import until_nul

# With a named style the compiler neither doubles percent signs nor searches its own text for parameters.
DIALECT = postgresql.dialect(paramstyle="named")  # type: ignore[no-untyped-call]


Rows: TypeAlias = Select[*tuple[Any, ...]]


class Slot(ColumnElement[Any]):
    """The bind parameter ``$number``, of the type that PostgreSQL infers."""

    inherit_cache = False
    type = types.NULLTYPE

    def __init__(self, number: int) -> None:
        self.number = number


class Call(ColumnElement[Any]):
    """A call of a function whose name comes from the catalog, already quoted there."""

    inherit_cache = False
    type = types.NULLTYPE

    def __init__(self, function: str, argument: ColumnElement[Any]) -> None:
        self.function = function
        self.argument = argument


class RowsOf(FromClause):
    """A set-returning call of a function from the catalog, to select from."""

    inherit_cache = False
    named_with_column = False

    def __init__(self, function: str, argument: ColumnElement[Any]) -> None:
        self.function = function
        self.argument = argument


@dataclass(frozen=True, slots=True)
class Given:
    """One argument of a call, by name or by position."""

    name: str | None
    value: ColumnElement[Any]
    variadic: bool = False


class FunctionCall(FromClause):
    """A function to select from; a ``scalar`` one gives its value as the column ``pgrst_scalar``.

    ``beside``: its arguments come from what stands before it in the same FROM.
    """

    inherit_cache = False
    named_with_column = False

    def __init__(
        self, function: str, given: tuple[Given, ...], label: str, *, scalar: bool, beside: bool = False
    ) -> None:
        self.function = function
        self.given = given
        self.label = label
        self.scalar = scalar
        self.beside = beside


class Recordset(FromClause):
    """``function(argument) AS _(name type, …)``: rows out of JSON."""

    inherit_cache = False
    named_with_column = False

    def __init__(
        self, function: str, argument: ColumnElement[Any], columns: tuple[tuple[str, str], ...]
    ) -> None:
        self.function = function
        self.argument = argument
        self.columns_with_types = columns


class BareInsert(postgresql.Insert):
    """``INSERT INTO relation SELECT``: as many rows of defaults as ``rows`` has, which has no column."""

    inherit_cache = False

    def __init__(self, target: TableClause, rows: Rows) -> None:
        super().__init__(target)
        self.rows = rows


class _Verbatim(types.UserDefinedType[Any]):
    """A type by the name that PostgreSQL is to read."""

    cache_ok = True

    def __init__(self, name: str) -> None:
        self.name = name

    def get_col_spec(self, **_: Any) -> str:
        return self.name


@compiles(Slot)
def _compile_slot(element: Slot, compiler: SQLCompiler, **options: Any) -> str:
    return f"${element.number}"


@compiles(RowsOf)
def _compile_rows_of(element: RowsOf, compiler: SQLCompiler, **options: Any) -> str:
    return f"{element.function}({compiler.process(element.argument)})"


@compiles(FunctionCall)
def _compile_function_call(element: FunctionCall, compiler: SQLCompiler, **options: Any) -> str:
    parts = []
    for given in element.given:
        variadic = "VARIADIC " if given.variadic else ""
        named = "" if given.name is None else f"{quote(given.name)} := "
        parts.append(f"{variadic}{named}{compiler.process(given.value)}")
    call = f"{element.function}({', '.join(parts)})"
    lateral = "LATERAL " if element.beside else ""
    return f"{lateral}{f'(SELECT {call} pgrst_scalar)' if element.scalar else call} {element.label}"


@compiles(Recordset)
def _compile_recordset(element: Recordset, compiler: SQLCompiler, **options: Any) -> str:
    columns = ", ".join(f"{quote(name)} {type_name}" for name, type_name in element.columns_with_types)
    return f"{element.function}({compiler.process(element.argument)}) AS _({columns})"


@compiles(BareInsert)
def _compile_bare_insert(element: BareInsert, compiler: SQLCompiler, **options: Any) -> str:
    # Core can insert one row of defaults, or the columns of a SELECT, but not a SELECT without columns.
    statement: str = compiler.visit_insert(element, **options)  # type: ignore[no-untyped-call]
    head = f"INSERT INTO {compiler.preparer.format_table(element.table)}"
    tail = statement.removeprefix(f"{head} DEFAULT VALUES")
    assert len(tail) < len(statement)
    return f"{head} {compiler.process(element.rows)}{tail}"


@compiles(Call)
def _compile_call(element: Call, compiler: SQLCompiler, **options: Any) -> str:
    return f"{element.function}({compiler.process(element.argument, **options)})"


def name(text: str) -> quoted_name:
    """``text`` as an identifier that is always quoted."""
    return quoted_name(until_nul(text), True)


def quote(*parts: str) -> str:
    """A qualified identifier as SQL text, every part quoted."""
    return ".".join(DIALECT.identifier_preparer.quote_identifier(until_nul(part)) for part in parts)


def quote_text(text: str) -> str:
    """``text``, which comes from the catalog, as a literal, whatever ``standard_conforming_strings`` is."""
    doubled = text.replace("'", "''")
    return "E'" + doubled.replace("\\", "\\\\") + "'" if "\\" in text else f"'{doubled}'"


def setting(key: str) -> ColumnElement[Any]:
    """The text of a setting, NULL where it is unset or empty."""
    found = func.current_setting(literal_column(quote_text(key)), literal_column("true"))
    return func.nullif(found, literal_column("''"))


def whole_row(row: Subquery) -> ColumnElement[Any]:
    """A row of a subquery as one value."""
    return literal_column(str(row.name))


def every_column(*qualifier: str) -> ColumnElement[Any]:
    """``qualifier.*``."""
    return literal_column(f"{quote(*qualifier)}.*")


def cast_to(expression: ColumnElement[Any], type_name: str) -> ColumnElement[Any]:
    """``CAST(expression AS type_name)``; the type's name stands unquoted, as PostgREST has it.

    The grammar lets only letters, digits, underscores, dollar signs and spaces into such a name.
    """
    return cast(expression, _Verbatim(type_name))
