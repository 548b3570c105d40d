"""The connection settings of databases, parsed into one typed object. Pure: no connection is made.

Three forms name a SQL Server or an Azure SQL database:

- the form of the integration guide: `<Server>;Initial Catalog=RS_<System>;User Id=…;Password=…;`
- a full ADO.NET connection string, with that standard's quoting: a value with `;`, quotes or outer spaces is in
  single or double quotes, and the same quote inside is doubled; `==` in a keyword is one `=`; the last of equal
  keywords wins
- a SQLAlchemy URL, `mssql+pyodbc://user:password@server:1433/database?…`, or one with a complete ODBC string in
  `odbc_connect`

`sqlite:///<file>` names a SQLite file. Messages name keywords of the standard, never a value: it may be a secret.
"""

import ipaddress
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

#: Seconds that opening a connection may take. Apteco's strings allow many minutes; a step is retried automatically.
_CONNECT_SECONDS: Final = 15
_MAX_CONNECT_SECONDS: Final = 30
_MAX_PORT: Final = 65535

#: Keywords of ADO.NET and of ODBC, without spaces and underscores, by their name here.
_KEYWORDS: Final[Mapping[str, str]] = {
    **dict.fromkeys(("server", "datasource", "address", "addr", "networkaddress"), "Server"),
    **dict.fromkeys(("database", "initialcatalog"), "Database"),
    **dict.fromkeys(("userid", "uid", "user"), "User Id"),
    **dict.fromkeys(("password", "pwd"), "Password"),
    **dict.fromkeys(("integratedsecurity", "trustedconnection"), "Integrated Security"),
    "authentication": "Authentication",
    "encrypt": "Encrypt",
    "trustservercertificate": "TrustServerCertificate",
    "hostnameincertificate": "HostNameInCertificate",
    "servercertificate": "ServerCertificate",
    **dict.fromkeys(("connecttimeout", "connectiontimeout", "timeout"), "Connect Timeout"),
    "multisubnetfailover": "MultiSubnetFailover",
}
#: Keywords without effect here: the bridge has its own pool, driver and name, and always writes.
_WITHOUT_EFFECT: Final = frozenset(
    {
        *("app", "applicationname", "workstationid", "wsid", "driver", "persistsecurityinfo", "applicationintent"),
        *("pooling", "minpoolsize", "maxpoolsize", "connectionlifetime", "loadbalancetimeout", "poolblockingperiod"),
        *("enlist", "multipleactiveresultsets", "marsconnection", "asynchronousprocessing", "packetsize"),
        *("connectretrycount", "connectretryinterval", "commandtimeout", "longasmax", "keepalive", "keepaliveinterval"),
    }
)
_TRUE: Final = frozenset({"true", "yes", "1"})
_FALSE: Final = frozenset({"false", "no", "0"})

#: Protocols other than TCP, and files instead of servers.
_OTHER_PROTOCOL: Final = re.compile(r"(?:np|lpc|admin):|\\\\|\(localdb\)", re.IGNORECASE)
_HOST: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,252}[A-Za-z0-9])?")
_INSTANCE: Final = re.compile(r"[A-Za-z_#][\w#$]{0,15}", re.ASCII)

_ADO_PAIR: Final = re.compile(
    r"""
    \s* (?P<keyword> (?: [^=;] | == )+ ) = (?!=) \s*
    (?: "(?P<double> (?: [^"] | "" )* )" | '(?P<single> (?: [^'] | '' )* )' | (?P<plain> [^;"'][^;]* )? )
    \s* (?: ; | \Z )
    """,
    re.VERBOSE,
)
_ODBC_PAIR: Final = re.compile(
    r"\s*(?P<keyword>[^=;{}]+)=\s*(?:\{(?P<braced>(?:[^}]|\}\})*)\}|(?P<plain>(?:[^;{][^;]*)?))\s*(?:;|\Z)"
)


class EntraIdentity(StrEnum):
    """Whose Entra token opens the connection."""

    #: The app's managed identity, assigned by Azure.
    MANAGED_IDENTITY = "managed identity"
    #: The first available: environment, managed identity, the developer's login.
    DEFAULT = "default"


class Encryption(StrEnum):
    """The driver's `Encrypt`."""

    YES = "yes"
    #: TDS 8: TLS before the first byte of the database's own protocol.
    STRICT = "strict"
    #: Only on this machine.
    NO = "no"


@dataclass(frozen=True, slots=True, kw_only=True)
class SqlLogin:
    """A login that the server itself keeps."""

    user: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class EntraLogin:
    """A token from Microsoft Entra; `client_id` names a user-assigned identity."""

    identity: EntraIdentity
    client_id: str | None = None


@dataclass(frozen=True, slots=True)
class IntegratedLogin:
    """The Kerberos ticket or Windows account of the process."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SqlServer:
    """A database of SQL Server or Azure SQL, and how to log in to it.

    Attributes:
        connect_seconds: how long opening a connection may take, at most 30.
        certificate_host: the name in the server's certificate, if it is not `host`.
        certificate_file: the server's certificate itself, for `Encryption.STRICT`.
    """

    host: str
    database: str
    login: SqlLogin | EntraLogin | IntegratedLogin
    port: int | None = None
    instance: str | None = None
    encryption: Encryption = Encryption.YES
    trust_certificate: bool = False
    certificate_host: str | None = None
    certificate_file: str | None = None
    connect_seconds: int = _CONNECT_SECONDS
    multi_subnet_failover: bool = False

    def odbc_string(self, driver: str) -> str:
        """The string for the ODBC driver, named by name or by the path of its library; a token is passed beside it."""
        more = {
            "APP": "Broadcast Bridge",
            # Long texts are sent as NVARCHAR(MAX), not as NTEXT, which cannot be compared with a column.
            "LongAsMax": "yes",
            # A server that vanished without a word is noticed within seconds, not after half a minute or more.
            "KeepAlive": "5",
            "KeepAliveInterval": "1",
        }
        return _joined({"Driver": driver, **self._keywords(), **more})

    def mssql_python_string(self) -> str:
        """The string for mssql-python, which sets the driver and the program's name itself."""
        return _joined(self._keywords())

    def _keywords(self) -> dict[str, str]:
        server = f"tcp:{self.host}"
        if self.port is not None:
            server += f",{self.port}"
        elif self.instance is not None:
            server += f"\\{self.instance}"
        values = {
            "Server": server,
            "Database": self.database,
            "Encrypt": self.encryption,
            "TrustServerCertificate": "yes" if self.trust_certificate else "no",
        }
        if self.certificate_host is not None:
            values["HostNameInCertificate"] = self.certificate_host
        if self.certificate_file is not None:
            values["ServerCertificate"] = self.certificate_file
        if self.multi_subnet_failover:
            values["MultiSubnetFailover"] = "yes"
        match self.login:
            case SqlLogin(user=user, password=password):
                values |= {"UID": user, "PWD": password}
            case IntegratedLogin():
                values["Trusted_Connection"] = "yes"
            case EntraLogin():
                pass  # the token is passed beside the string: the driver refuses it together with a login
        return values


@dataclass(frozen=True, slots=True)
class SqliteFile:
    """A SQLite database, by its SQLAlchemy URL."""

    url: str


def parse_connection(text: str) -> SqlServer | SqliteFile:
    """The database that a setting names.

    Raises:
        ValueError: it is invalid or not supported; the message shows no value.
    """
    if re.match(r"[A-Za-z][\w+.-]*://", text):
        return _from_url(text)
    if text.lower().startswith("driver="):
        raise ValueError("an ODBC string goes into a URL: mssql+pyodbc:///?odbc_connect=<the string, URL-encoded>")
    if ";" not in text and "=" not in text:
        raise ValueError(
            "expected <Server>;Initial Catalog=<Database>;…, an ADO.NET connection string, "
            "or a SQLAlchemy URL: mssql+pyodbc://… or sqlite:///<file>"
        )
    guide_form = "=" not in text.partition(";")[0]
    return _from_keywords(_by_name(_pairs(f"Server={text}" if guide_form else text, _ADO_PAIR)))


def is_loopback(host: str) -> bool:
    """Whether this is the present machine, so that no network is used."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def _from_url(text: str) -> SqlServer | SqliteFile:
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):
        raise ValueError("this is not a SQLAlchemy URL: mssql+pyodbc://… or sqlite:///<file>") from None
    if url.get_backend_name() == "sqlite" and url.database:
        return SqliteFile(text)
    if url.drivername not in {"mssql", "mssql+pyodbc"}:
        raise ValueError("a SQLAlchemy URL begins with mssql+pyodbc:// or is sqlite:///<file>")
    return _from_keywords(_by_name(_pairs_of_url(url)))


def _pairs_of_url(url: URL) -> Iterator[tuple[str, str]]:
    query = {keyword: value if isinstance(value, str) else value[-1] for keyword, value in url.query.items()}
    if "odbc_connect" in query:
        yield from _pairs(query.pop("odbc_connect"), _ODBC_PAIR)
    parts = {
        "Server": url.host and (f"{url.host},{url.port}" if url.port else url.host),
        "Database": url.database,
        "User Id": url.username,
        "Password": url.password,
    }
    yield from ((keyword, value) for keyword, value in parts.items() if value)
    yield from query.items()


def _pairs(text: str, pair: re.Pattern[str]) -> Iterator[tuple[str, str]]:
    """Keywords and values of a connection string."""
    at, number = 0, 0
    while text[at:].strip("; \t\r\n"):
        if text[at] in "; \t\r\n":  # an extra semicolon is allowed
            at += 1
            continue
        number += 1
        match = pair.match(text, at)
        if match is None:
            # The keyword is not shown either: what follows an unquoted ';' in a password looks like one.
            raise ValueError(
                f"part {number} of the connection string is not keyword=value; a value with ; must be quoted"
            )
        yield match["keyword"].strip().replace("==", "="), _value(match.groupdict())
        at = match.end()


def _value(match: Mapping[str, str | None]) -> str:
    """The value of a pair, without its quotes."""
    for name, quote in (("double", '"'), ("single", "'"), ("braced", "}")):
        if (quoted := match.get(name)) is not None:
            return quoted.replace(quote * 2, quote)
    return (match["plain"] or "").rstrip()


def _by_name(pairs: Iterator[tuple[str, str]]) -> dict[str, str]:
    """The values by the names of their keywords, without empty ones."""
    named: dict[str, str] = {}
    for number, (keyword, value) in enumerate(pairs, 1):
        name = re.sub(r"[\s_]", "", keyword).lower()
        if name in _WITHOUT_EFFECT:
            continue
        if name not in _KEYWORDS:
            raise ValueError(f"keyword {number} of the connection string is unknown; a value with ; must be quoted")
        if any(character < " " for character in value):
            raise ValueError(f"{_KEYWORDS[name]} has a control character")
        named[_KEYWORDS[name]] = value
    return {name: value for name, value in named.items() if value}


def _from_keywords(values: Mapping[str, str]) -> SqlServer:
    for required in ("Server", "Database"):
        if required not in values:
            raise ValueError(f"the connection string has no {required}")
    host, instance, port = _server(values["Server"])
    encryption = _encryption(values.get("Encrypt", "true"))
    trust = _flag(values, "TrustServerCertificate")
    if not is_loopback(host) and (encryption is Encryption.NO or trust):
        raise ValueError(
            "connections must be encrypted and the server's certificate verified: leave out Encrypt and "
            "TrustServerCertificate; if the certificate has another name, set HostNameInCertificate"
        )
    return SqlServer(
        host=host,
        instance=instance,
        port=port,
        database=values["Database"],
        login=_login(values),
        encryption=encryption,
        trust_certificate=trust,
        certificate_host=values.get("HostNameInCertificate"),
        certificate_file=values.get("ServerCertificate"),
        connect_seconds=_connect_seconds(values.get("Connect Timeout")),
        multi_subnet_failover=_flag(values, "MultiSubnetFailover"),
    )


def _server(value: str) -> tuple[str, str | None, int | None]:
    r"""Host, instance and port of `[tcp:]host[\instance][,port]`."""
    if _OTHER_PROTOCOL.match(value):
        raise ValueError("Server must be reached by TCP: [tcp:]host[\\instance][,port]")
    rest, comma, digits = re.sub(r"^tcp:", "", value, flags=re.IGNORECASE).partition(",")
    name, backslash, instance = rest.strip().partition("\\")
    port = int(digits) if re.fullmatch(r"\s*[0-9]{1,5}\s*", digits) else None
    if (
        (comma and (port is None or not 0 < port <= _MAX_PORT))
        or (backslash and not _INSTANCE.fullmatch(instance))
        or not (host := _host(name))
    ):
        raise ValueError("Server must have the form [tcp:]host[\\instance][,port]")
    return host, instance or None, port


def _host(name: str) -> str | None:
    if name.lower() in {".", "(local)"}:
        return "localhost"
    try:
        return str(ipaddress.ip_address(name.removeprefix("[").removesuffix("]")))
    except ValueError:
        return name if _HOST.fullmatch(name) else None


def _login(values: Mapping[str, str]) -> SqlLogin | EntraLogin | IntegratedLogin:
    method = re.sub(r"[\s_]", "", values.get("Authentication", "sqlpassword")).lower()
    user, password = values.get("User Id"), values.get("Password")
    integrated = values.get("Integrated Security", "false").lower()
    if integrated == "sspi" or _flag(values, "Integrated Security"):
        if "Authentication" in values:
            raise ValueError("Integrated Security and Authentication exclude each other")
        return IntegratedLogin()
    match method:
        case "sqlpassword":
            if user is None or password is None:
                raise ValueError(
                    "the login is missing: User Id and Password, or Authentication=Active Directory Managed Identity, "
                    "or Authentication=Active Directory Default"
                )
            return SqlLogin(user=user, password=password)
        case "activedirectorymanagedidentity" | "activedirectorymsi":
            identity = EntraIdentity.MANAGED_IDENTITY
        case "activedirectorydefault":
            identity = EntraIdentity.DEFAULT
        case _:
            raise ValueError(
                "Authentication must be Sql Password, Active Directory Managed Identity or Active Directory Default, "
                "which also uses a service principal from AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_CLIENT_SECRET"
            )
    if password is not None:
        raise ValueError("a managed identity has no Password")
    return EntraLogin(identity=identity, client_id=user)


def _encryption(value: str) -> Encryption:
    match value.lower():
        case "strict":
            return Encryption.STRICT
        case "mandatory" | "true" | "yes" | "1":
            return Encryption.YES
        case "optional" | "false" | "no" | "0":
            return Encryption.NO
    raise ValueError("Encrypt must be true, false or strict")


def _flag(values: Mapping[str, str], name: str) -> bool:
    value = values.get(name, "false").lower()
    if value not in _TRUE | _FALSE | ({"sspi"} if name == "Integrated Security" else set()):
        raise ValueError(f"{name} must be true or false")
    return value in _TRUE


def _connect_seconds(value: str | None) -> int:
    if value is None:
        return _CONNECT_SECONDS
    if not re.fullmatch(r"[0-9]{1,6}", value):
        raise ValueError("Connect Timeout must be a number of seconds")
    # 0 means no limit.
    return min(int(value) or _MAX_CONNECT_SECONDS, _MAX_CONNECT_SECONDS)


def _joined(values: Mapping[str, str]) -> str:
    return ";".join(f"{keyword}={_braced(value)}" for keyword, value in values.items())


def _braced(value: str) -> str:
    """A value of an ODBC string. Words are not braced, because not every parser accepts braces around them."""
    if re.fullmatch(r"[A-Za-z0-9_.:,/\\-]+", value):
        return value
    return "{" + value.replace("}", "}}") + "}"
