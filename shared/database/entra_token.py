"""Microsoft Entra tokens, with which an identity opens a connection to a SQL Server.

Each identity has one credential, shared by all connections: azure-identity caches a token and fetches the next before
it expires, so a request at every new connection is cheap and never returns a stale token.
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
        client_id: the user-assigned identity to use when a connection string names none; None: the system-assigned
            identity.
    """

    def __init__(self, client_id: str | None = None) -> None:
        self._client_id = client_id
        self._credentials: dict[EntraLogin, TokenCredential] = {}
        self._lock = threading.Lock()

    def access_token(self, login: EntraLogin) -> bytes:
        """A valid token as the driver expects it: its length in bytes (4 bytes, little-endian), then UTF-16-LE.

        Raises:
            EntraTokenUnavailable: Entra issued none.
        """
        try:
            token = self.credential(login).get_token(_SCOPE).token
        except (AzureError, ValueError, AttributeError) as error:
            # Its text can hold tenant and user. The library does not expect every answer: a page ends in a ValueError.
            raise EntraTokenUnavailable(identity=login.identity, reason=type(error).__name__) from None
        encoded = token.encode("utf-16-le")
        return struct.pack("<I", len(encoded)) + encoded

    def credential(self, login: EntraLogin) -> TokenCredential:
        """The credential of this login, for a driver that requests tokens itself."""
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
