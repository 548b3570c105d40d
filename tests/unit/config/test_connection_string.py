"""The connection settings of WS_DB and RS_DB."""

import re
from contextlib import suppress
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.config.connection_string import (
    Encryption,
    EntraIdentity,
    EntraLogin,
    IntegratedLogin,
    SqliteFile,
    SqlLogin,
    SqlServer,
    is_loopback,
    parse_connection,
)

GUIDE = "MYSERVER;Initial Catalog=RS_Demo;User Id=bridge;Password=pa55;"
AZURE = "Server=tcp:my.database.windows.net,1433;Initial Catalog=RS_Demo;"
LOGIN = SqlLogin(user="bridge", password="pa55")


def parsed(text: str) -> SqlServer:
    connection = parse_connection(text)
    assert isinstance(connection, SqlServer)
    return connection


def refused(text: str) -> str:
    with pytest.raises(ValueError, match=r"\S") as caught:
        parse_connection(text)
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None or caught.value.__suppress_context__
    return str(caught.value)


# The three forms


@pytest.mark.parametrize(
    "text",
    [
        GUIDE,
        "MYSERVER;Initial Catalog=RS_Demo;User Id=bridge;Password=pa55",
        "  MYSERVER ; initial catalog = RS_Demo ; USER ID = bridge ; password = pa55 ; ",
        "Server=MYSERVER;Database=RS_Demo;UID=bridge;PWD=pa55",
        "Data Source=MYSERVER;Initial Catalog=RS_Demo;User ID=bridge;Password=pa55",
        'data source="MYSERVER";initial catalog=\'RS_Demo\';user="bridge";password="pa55"',
        ";;Server=MYSERVER;;Database=RS_Demo;UserId=bridge;Pwd=pa55;;",
        "mssql+pyodbc://bridge:pa55@MYSERVER/RS_Demo",
        "mssql://bridge:pa55@MYSERVER/RS_Demo?driver=ODBC+Driver+18+for+SQL+Server",
        "mssql+pyodbc:///?odbc_connect="
        + quote_plus("Driver={ODBC Driver 18 for SQL Server};Server=MYSERVER;Database=RS_Demo;UID=bridge;PWD={pa55}"),
    ],
)
def test_every_form_names_the_same_database(text: str) -> None:
    assert parsed(text) == SqlServer(host="MYSERVER", database="RS_Demo", login=LOGIN)


def test_a_sqlite_file_is_named_by_its_url() -> None:
    assert parse_connection("sqlite:////data/rs.sqlite") == SqliteFile("sqlite:////data/rs.sqlite")


@pytest.mark.parametrize(
    ("server", "address"),
    [
        ("MYSERVER", ("MYSERVER", None, None)),
        (r"MYSERVER\FASTSTATS", ("MYSERVER", "FASTSTATS", None)),
        (r"tcp:my-server.example.com\SQL_1,14330", ("my-server.example.com", "SQL_1", 14330)),
        ("TCP:my.database.windows.net, 1433", ("my.database.windows.net", None, 1433)),
        ("10.0.0.4,1433", ("10.0.0.4", None, 1433)),
        ("[fd00::4],1433", ("fd00::4", None, 1433)),
        (".", ("localhost", None, None)),
        (r"(local)\SQLEXPRESS", ("localhost", "SQLEXPRESS", None)),
    ],
)
def test_a_server_has_a_host_and_optionally_an_instance_and_a_port(
    server: str, address: tuple[str, str | None, int | None]
) -> None:
    connection = parsed(f"{server};Initial Catalog=RS_Demo;User Id=bridge;Password=pa55;")
    assert (connection.host, connection.instance, connection.port) == address


def test_the_last_of_equal_keywords_wins_as_in_ado_net() -> None:
    assert parsed(f"{GUIDE}Database=RS_Other").database == "RS_Other"


# Quoting


@pytest.mark.parametrize(
    ("written", "password"),
    [
        ("plain=with=equals", "plain=with=equals"),
        ("it's\"", "it's\""),
        ("'a;b'", "a;b"),
        ('"a;b"', "a;b"),
        ("'it''s; so'", "it's; so"),
        ('"say ""so"""', 'say "so"'),
        ("'say \"so\"'", 'say "so"'),
        ("'  outer spaces  '", "  outer spaces  "),
        ("  no outer spaces  ", "no outer spaces"),
        ("{braces}", "{braces}"),
        ("Pässwörd☃", "Pässwörd☃"),
    ],
)
def test_a_value_is_quoted_as_in_ado_net(written: str, password: str) -> None:
    assert parsed(f"MYSERVER;Initial Catalog=RS_Demo;User Id=bridge;Password={written};").login == SqlLogin(
        user="bridge", password=password
    )


PASSWORDS = st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1).filter(str.strip)


@given(PASSWORDS, st.sampled_from("'\""))
def test_every_password_can_be_quoted(password: str, mark: str) -> None:
    quoted = mark + password.replace(mark, mark * 2) + mark
    login = parsed(f"MYSERVER;Initial Catalog=RS_Demo;User Id=bridge;Password={quoted};Encrypt=true").login
    assert login == SqlLogin(user="bridge", password=password)


@given(PASSWORDS)
def test_every_password_can_be_written_in_a_url(password: str) -> None:
    login = parsed(f"mssql+pyodbc://bridge:{quote(password, safe='')}@MYSERVER/RS_Demo").login
    assert login == SqlLogin(user="bridge", password=password)


@given(PASSWORDS)
def test_every_password_reaches_the_driver_unchanged_and_adds_no_keyword(password: str) -> None:
    server = SqlServer(host="MYSERVER", database="RS_Demo", login=SqlLogin(user="bridge", password=password))
    written = server.odbc_string("Driver 18")
    # Parsing the string again yields what the driver reads.
    assert parsed(f"mssql+pyodbc:///?odbc_connect={quote_plus(written)}") == server


# Encryption


def test_a_connection_is_encrypted_and_its_certificate_verified_by_default() -> None:
    server = parsed(GUIDE)
    assert server.encryption is Encryption.YES
    written = server.odbc_string("driver")
    assert "Encrypt=yes;" in written
    assert "TrustServerCertificate=no;" in written


@pytest.mark.parametrize(
    ("written", "encryption"),
    [("true", "yes"), ("yes", "yes"), ("Mandatory", "yes"), ("strict", "strict"), ("Strict", "strict")],
)
def test_encryption_can_be_set(written: str, encryption: str) -> None:
    assert parsed(f"{GUIDE}Encrypt={written};TrustServerCertificate=false").encryption == encryption


@pytest.mark.parametrize(
    "more",
    ["Encrypt=no", "Encrypt=false", "Encrypt=Optional", "TrustServerCertificate=true", "trust server certificate=1"],
)
def test_weaker_encryption_is_refused_except_on_this_machine(more: str) -> None:
    assert "encrypted" in refused(f"{GUIDE}{more};")
    for host in ("localhost", "127.0.0.1,1433", "(local)", "[::1]"):
        assert is_loopback(parsed(f"{host};Initial Catalog=RS_Demo;User Id=bridge;Password=pa55;{more};").host)


@pytest.mark.parametrize("host", ["localhost.example.com", "127.0.0.1.example.com", "0.0.0.0", "10.0.0.1"])  # noqa: S104
def test_a_host_that_resembles_a_loopback_address_is_not_this_machine(host: str) -> None:
    assert "encrypted" in refused(f"{host};Initial Catalog=RS_Demo;User Id=bridge;Password=pa55;Encrypt=no")


def test_the_name_in_the_certificate_and_the_certificate_itself_can_be_set() -> None:
    server = parsed(f"{GUIDE}Encrypt=strict;HostNameInCertificate=sql.example.com;ServerCertificate=/etc/sql.pem")
    written = server.odbc_string("driver")
    assert "HostNameInCertificate=sql.example.com" in written
    assert "ServerCertificate=/etc/sql.pem" in written


# Logins


def test_a_managed_identity_may_be_named_by_its_client_id() -> None:
    text = f"{AZURE}Authentication=Active Directory Managed Identity"
    assert parsed(text).login == EntraLogin(identity=EntraIdentity.MANAGED_IDENTITY)
    named = parsed(f"{text};User Id=0000-1111").login
    assert named == EntraLogin(identity=EntraIdentity.MANAGED_IDENTITY, client_id="0000-1111")
    assert parsed(f"{AZURE}Authentication=ActiveDirectoryMsi").login == parsed(text).login


def test_a_developer_logs_in_with_their_own_account() -> None:
    login = parsed(f"{AZURE}Authentication=Active Directory Default").login
    assert login == EntraLogin(identity=EntraIdentity.DEFAULT)


@pytest.mark.parametrize("value", ["true", "SSPI", "yes"])
def test_a_windows_account_or_a_kerberos_ticket_needs_no_password(value: str) -> None:
    server = parsed(f"MYSERVER;Initial Catalog=RS_Demo;Integrated Security={value}")
    assert server.login == IntegratedLogin()
    assert "Trusted_Connection=yes" in server.odbc_string("driver")


def test_the_driver_gets_no_login_in_addition_to_a_token() -> None:
    written = parsed(f"{AZURE}Authentication=Active Directory Managed Identity;User Id=0000").odbc_string("driver")
    assert not re.search("UID|PWD|Authentication|Trusted_Connection|0000", written)


def test_a_password_is_not_shown_when_a_connection_is_printed() -> None:
    assert "pa55" not in f"{parsed(GUIDE)!r} {parsed(GUIDE)}"


@pytest.mark.parametrize(("seconds", "kept"), [(None, 15), ("5", 5), ("30", 30), ("0", 30), ("900", 30), ("28800", 30)])
def test_the_connect_timeout_is_limited(seconds: str | None, kept: int) -> None:
    assert parsed(GUIDE + (f"Connect Timeout={seconds}" if seconds else "")).connect_seconds == kept


def test_keywords_without_effect_are_ignored() -> None:
    more = "Persist Security Info=True;Pooling=false;Min Pool Size=5;MultipleActiveResultSets=True;Application Name=x;"
    assert parsed(GUIDE + more) == parsed(GUIDE)


# Refusals, without a value

SECRET = "qqq"
NAMED = f"MYSERVER;Initial Catalog=RS_{SECRET};User Id={SECRET};Password={SECRET};"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (SECRET, "expected"),
        ("", "expected"),
        (f"MYSERVER;User Id={SECRET};Password={SECRET}", "no Database"),
        (f"Database={SECRET};User Id={SECRET};Password={SECRET}", "no Server"),
        (f"MYSERVER;Database={SECRET}", "the login is missing"),
        (f"MYSERVER;Database={SECRET};User Id={SECRET}", "the login is missing"),
        (f"MYSERVER;Database={SECRET};User Id={SECRET};Password=", "the login is missing"),
        (f"{NAMED}{SECRET}", "part 5"),
        (f"{NAMED}{SECRET}=1", "keyword 5"),
        (f"MYSERVER;Database=x;User Id=u;Password=a;{SECRET}=b", "a value with ; must be quoted"),
        (f"MYSERVER;Database=x;User Id=u;Password='{SECRET}", "part 4"),
        (f"MYSERVER;Database=x;User Id=u;Password='{SECRET}'{SECRET}", "part 4"),
        (f"MYSERVER;Database=x;User Id=u;Password='{SECRET}\n'", "Password has a control character"),
        (f"MYSERVER;Database=x;User Id={SECRET}\x00;Password=p", "User Id has a control character"),
        (rf"\\.\pipe\{SECRET};Database=x;User Id=u;Password=p", "must be reached by TCP"),
        (f"np:{SECRET};Database=x;User Id=u;Password=p", "must be reached by TCP"),
        (rf"(localdb)\{SECRET};Database=x;User Id=u;Password=p", "must be reached by TCP"),
        (f"{SECRET}}}x;Database=x;User Id=u;Password=p", "Server must have the form"),
        (f"MYSERVER,{SECRET};Database=x;User Id=u;Password=p", "Server must have the form"),
        ("MYSERVER,0;Database=x;User Id=u;Password=p", "Server must have the form"),
        ("MYSERVER,65536;Database=x;User Id=u;Password=p", "Server must have the form"),
        (f"MYSERVER\\{SECRET} {SECRET};Database=x;User Id=u;Password=p", "Server must have the form"),
        (f"{NAMED}Encrypt={SECRET}", "Encrypt must be"),
        (f"{NAMED}TrustServerCertificate={SECRET}", "TrustServerCertificate must be"),
        (f"{NAMED}Integrated Security={SECRET}", "Integrated Security must be"),
        (f"{NAMED}Connect Timeout={SECRET}", "Connect Timeout must be"),
        (f"{NAMED}Authentication={SECRET}", "Authentication must be"),
        (f"{NAMED}Authentication=Active Directory Password", "Authentication must be"),
        (f"{NAMED}Authentication=Active Directory Managed Identity", "no Password"),
        (f"{NAMED}Authentication=Sql Password;Integrated Security=SSPI", "exclude each other"),
        (f"Driver={{ODBC Driver 18 for SQL Server}};Server=x;PWD={SECRET}", "odbc_connect"),
        (f"postgresql://{SECRET}@x/y", "begins with mssql"),
        (f"mssql+pymssql://u:{SECRET}@x/y", "begins with mssql"),
        (f"mssql+pyodbc://u:{SECRET}@MYSERVER:12{SECRET}/y", "not a SQLAlchemy URL"),
        (f"mssql+pyodbc://u:{SECRET}@/y", "no Server"),
        (f"mssql+pyodbc://u:{SECRET}@MYSERVER/", "no Database"),
        (f"mssql+pyodbc://u:{SECRET}@MYSERVER/y?{SECRET}=1", "is unknown"),
        (f"mssql+pyodbc:///?odbc_connect=Server%3Dx%3BPWD%3D%7B{SECRET}", "part 2"),
        ("sqlite://", "begins with mssql"),
    ],
)
def test_an_invalid_setting_is_refused_with_the_reason_and_without_a_value(text: str, reason: str) -> None:
    said = refused(text)
    assert reason in said
    assert SECRET not in said


@given(st.text())
def test_any_text_after_a_server_is_parsed_or_refused(text: str) -> None:
    with suppress(ValueError):
        assert isinstance(parse_connection(f"MYSERVER;{text}"), SqlServer)
