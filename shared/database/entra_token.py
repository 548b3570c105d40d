"""Microsoft Entra tokens, with which an identity opens a connection to a SQL Server.

One credential for every identity, shared by all connections: azure-identity caches a token and fetches the next
before it expires, so asking for one at every new connection costs nothing and never gives a stale one.
"""

import struct
import threading
from typing import Final

from azure.core.credentials import TokenCredential
from azure.core.exceptions import AzureError
from azure.identity import DefaultAzureCredential, ManagedIdentityCredential

from shared.config.connection_string import EntraIdentity, EntraLogin
from shared.errors import EntraTokenUnavailable

#: The connection attribute SQL_COPT_SS_ACCESS_TOKEN of Microsoft's ODBC driver.
ACCESS_TOKEN_ATTRIBUTE: Final = 1256
_SCOPE: Final = "https://database.windows.net/.default"


class EntraTokens:
    """Tokens for databases. Safe to share between threads.

    Args:
        client_id: of the user-assigned identity that is meant when a connection string names none; without it
            the system-assigned one.
    """

    def __init__(self, client_id: str | None = None) -> None:
        self._client_id = client_id
        self._credentials: dict[EntraLogin, TokenCredential] = {}
        self._lock = threading.Lock()

    def access_token(self, login: EntraLogin) -> bytes:
        """A valid token, as the driver takes it: its length in bytes (4, little end first), then UTF-16-LE.

        Raises:
            EntraTokenUnavailable: Entra gave none.
        """
        try:
            token = self.credential(login).get_token(_SCOPE).token
        except AzureError as error:
            # Its text can hold tenant and user.
            raise EntraTokenUnavailable(identity=login.identity, reason=type(error).__name__) from None
        encoded = token.encode("utf-16-le")
        return struct.pack("<I", len(encoded)) + encoded

    def credential(self, login: EntraLogin) -> TokenCredential:
        """What gives tokens for this login, to a driver that asks for them itself."""
        with self._lock:
            if login not in self._credentials:
                self._credentials[login] = _credential(login.identity, login.client_id or self._client_id)
            return self._credentials[login]


def _credential(identity: EntraIdentity, client_id: str | None) -> TokenCredential:
    match identity:
        case EntraIdentity.MANAGED_IDENTITY:
            return ManagedIdentityCredential(client_id=client_id)
        case EntraIdentity.DEFAULT:
            return DefaultAzureCredential(managed_identity_client_id=client_id)
