"""What the tables of the ledger have in common: their schema, their names and types of columns."""

from sqlalchemy import BigInteger, DateTime, Integer, LargeBinary, MetaData
from sqlalchemy.dialects.mssql import BINARY, DATETIME2

#: Names that do not depend on the server, so that a later migration can say which one it means.
_NAMES = {
    "pk": "pk_%(table_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
}
metadata = MetaData(schema="bridge", naming_convention=_NAMES)

#: SQLite makes only `INTEGER` primary keys grow by themselves.
Id = BigInteger().with_variant(Integer, "sqlite")
#: SQL Server would make `VARBINARY` of it, which is longer by two bytes a row.
Hash = LargeBinary(16).with_variant(BINARY(16), "mssql")
#: A shorter hash.
ShortHash = LargeBinary(8).with_variant(BINARY(8), "mssql")
#: A SHA-256 digest.
Digest = LargeBinary(32).with_variant(BINARY(32), "mssql")
#: A time as `Response` keeps it: without zone, in that of the database server. It is only copied, never compared.
WallTime = DateTime().with_variant(DATETIME2(precision=3), "mssql")  # type: ignore[no-untyped-call]  # theirs
