"""The rules find what they are for, and let pass what every server takes."""

import pytest

from tests.contract.tsql.rules import MOST_PARAMETERS, faults

INSERT = "INSERT INTO t (a) VALUES {}"
CLAIM = (
    "UPDATE q WITH (READPAST, UPDLOCK, ROWLOCK) SET s = ? OUTPUT inserted.id INTO @o "
    "WHERE q.id IN (SELECT TOP 5 q.id FROM q WHERE q.s = ? ORDER BY q.p, q.id) AND q.s = ?"
)
REFUSED = {
    "MERGE INTO a USING b ON a.x = b.x WHEN MATCHED THEN DELETE;": "MERGE",
    "CREATE UNIQUE INDEX i ON t (a) WITH (IGNORE_DUP_KEY = ON)": "IGNORE_DUP_KEY",
    "BULK INSERT t FROM 'x' WITH (FORMAT = 'CSV')": "loads no files",
    "SELECT a FROM OPENROWSET(BULK 'x', SINGLE_CLOB) AS b": "loads no files",
    "CREATE OR ALTER VIEW v AS SELECT a FROM t": "CREATE OR ALTER",
    "WITH c AS (SELECT TOP 1 a FROM t ORDER BY a) UPDATE c SET a = 1": "by way of a CTE",
    "WITH c AS (SELECT TOP 1 a FROM t ORDER BY a) DELETE FROM c": "by way of a CTE",
    "UPDATE t SET a = 1 OUTPUT deleted.a WHERE b = 1": "OUTPUT deleted",
    "SELECT a FROM t LIMIT 1": "LIMIT",
    "INSERT INTO t (a) VALUES (1) RETURNING a": "RETURNING",
    "SELECT a FROM t WHERE b = TRUE": "TRUE",
    "SELECT a || 'x' FROM t": "||",
    "SELECT a = 1, EXISTS (SELECT 1 FROM t) FROM t": "condition is no value",
    "SELECT NOT a IS NULL AS b FROM t": "condition is no value",
    "SELECT TOP 3 a FROM t": "takes any rows",
    "SELECT a FROM (SELECT a FROM t ORDER BY a) AS s": "needs TOP",
    "SELECT a FROM t WHERE a IN (SELECT a FROM t ORDER BY a)": "needs TOP",
    "CREATE TABLE t (a DATETIMEOFFSET)": "DATETIMEOFFSET",
    INSERT.format(", ".join(["(1)"] * 1001)): "1001 rows",
    "INSERT INTO t (a) OUTPUT inserted.id VALUES (1)": "error 334",
    "UPDATE dbo.t SET a = 1 OUTPUT inserted.id WHERE b = 1": "error 334",
    "SELECT FROM WHERE": "cannot read it",
    "CREATE ROLE r": "knows nothing",
}
TAKEN = [
    CLAIM,
    "DECLARE @o TABLE (i BIGINT); INSERT INTO t (a) OUTPUT inserted.id INTO @o VALUES (1); SELECT i FROM @o",
    "SAVE TRANSACTION sa_savepoint_1",
    "INSERT INTO bridge.t (a) OUTPUT inserted.id SELECT p0 FROM (VALUES (?, 0), (?, 1)) AS s(p0, n) ORDER BY n",
    "INSERT INTO t (a) SELECT a FROM s WHERE NOT EXISTS (SELECT 1 FROM t WHERE t.a = s.a)",
    "SELECT CASE WHEN EXISTS (SELECT 1 FROM t) THEN 1 ELSE 0 END AS b",
    "SELECT [limit], 'MERGE || TRUE' AS b FROM t ORDER BY a",
    INSERT.format(", ".join(["(1)"] * 1000)),
    "SET XACT_ABORT ON",
]


@pytest.mark.parametrize("statement", REFUSED)
def test_what_some_server_refuses_is_found(statement: str) -> None:
    assert REFUSED[statement] in "; ".join(faults(statement))


@pytest.mark.parametrize("statement", TAKEN)
def test_what_every_server_takes_passes(statement: str) -> None:
    assert faults(statement, parameters=MOST_PARAMETERS) == []


def test_more_parameters_than_a_request_takes_are_found() -> None:
    assert faults("SELECT ?", parameters=MOST_PARAMETERS + 1) != []
