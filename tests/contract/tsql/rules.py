"""What a statement may not hold: SQL Server, Azure SQL or Babelfish for PostgreSQL would refuse it.

docs/why/sources.md, SQL 1 lists what each of them takes.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Final

import sqlglot
from sqlglot import ErrorLevel, TokenType, exp
from sqlglot.dialects.tsql import TSQL

#: A request takes 2,100, of which the driver needs some to say what they are.
MOST_PARAMETERS: Final = 2_097
MOST_ROWS: Final = 1_000

#: Words that are no part of what all three take, and why.
_WORDS: Final = {
    "MERGE": "Babelfish has no MERGE",
    "IGNORE_DUP_KEY": "Babelfish has no IGNORE_DUP_KEY",
    "BULK": "Babelfish loads no files",
    "DATETIMEOFFSET": "pyodbc cannot read DATETIMEOFFSET",
    "LIMIT": "only SQLite has LIMIT",
    "RETURNING": "only SQLite has RETURNING",
    "TRUE": "T-SQL has no TRUE",
    "FALSE": "T-SQL has no FALSE",
    "||": "SQL Server before 2025 has no ||",
}
_CREATE_OR_ALTER: Final = ("CREATE", "OR", "ALTER")
#: What stands in quotes may hold any word.
_QUOTED: Final = frozenset({TokenType.STRING, TokenType.NATIONAL_STRING, TokenType.IDENTIFIER})


#: What SQLAlchemy sends for a savepoint, which all three take.
_SAVEPOINT: Final = re.compile(r"(?:SAVE|ROLLBACK) TRANSACTION \w+|IF @@TRANCOUNT = 0 BEGIN TRANSACTION")


def faults(statement: str, parameters: int = 0) -> list[str]:
    """What is wrong with a statement; nothing, if every server takes it."""
    return list(_faults(statement, parameters))


def _faults(statement: str, parameters: int) -> Iterator[str]:
    if _SAVEPOINT.fullmatch(statement):
        return
    if parameters > MOST_PARAMETERS:
        yield f"{parameters} parameters: SQL Server takes 2,100"
    tokens = list(TSQL().tokenize(statement))
    words = ["" if token.token_type in _QUOTED else token.text.upper() for token in tokens]
    yield from (_WORDS[word] for word in words if word in _WORDS)
    if _CREATE_OR_ALTER in zip(words, words[1:], words[2:], strict=False):
        yield "Babelfish has no CREATE OR ALTER"
    try:
        trees = sqlglot.parse(statement, read="tsql", error_level=ErrorLevel.RAISE)
    except sqlglot.ParseError as error:
        yield f"sqlglot cannot read it: {error.errors[0]['description']}"
        return
    if "OUTPUT" in words and "INTO" not in words[words.index("OUTPUT") :] and "bridge" not in _schemas(trees):
        yield "OUTPUT without INTO on a table that may have triggers (error 334)"
    for tree in trees:
        if tree is None:
            yield "it is empty"
        else:
            yield from _faults_of(tree)


def _schemas(trees: Iterable[exp.Expr | None]) -> set[str]:
    """The schemas of the tables that statements change."""
    changes = (exp.Insert, exp.Update, exp.Delete)
    targets = (one.this.find(exp.Table) for tree in trees if tree is not None for one in tree.find_all(*changes))
    return {target.db for target in targets if target is not None}


def _faults_of(tree: exp.Expr) -> Iterator[str]:
    if any(True for _ in tree.find_all(exp.Command)):
        yield "sqlglot takes it for a command of which it knows nothing"
    if isinstance(tree, (exp.Update, exp.Delete)) and tree.this.name in {one.alias for one in tree.find_all(exp.CTE)}:
        yield "Babelfish changes no table by way of a CTE"
    if any(one.table.lower() == "deleted" for one in tree.find_all(exp.Column)):
        yield "Babelfish has no OUTPUT deleted outside dbo"
    for rows in tree.find_all(exp.Values):
        if isinstance(rows.parent, exp.Insert) and len(rows.expressions) > MOST_ROWS:
            yield f"{len(rows.expressions)} rows of values: SQL Server takes 1,000"
    for select in tree.find_all(exp.Select):
        if any(_is_condition(one.unalias()) for one in select.expressions):
            yield "a condition is no value in T-SQL"
        cut = select.args.get("limit") or select.args.get("offset")
        ordered = select.args.get("order")
        if cut and not ordered:
            yield "TOP without ORDER BY takes any rows"
        if ordered and not cut and isinstance(select.parent, (exp.Subquery, exp.CTE, exp.In, exp.Exists)):
            yield "ORDER BY in a subquery needs TOP"


def _is_condition(node: exp.Expr) -> bool:
    return isinstance(node.unnest(), (exp.Predicate, exp.Connector, exp.Not, exp.Exists))
