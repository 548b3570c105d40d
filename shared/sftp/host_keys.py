"""The host keys of the SFTP site: which ones are pinned, and the check of each connection against them."""

import base64
import binascii
import hashlib
import re
from collections.abc import Callable, Sequence
from typing import Final

from paramiko import PKey, Transport
from paramiko.ssh_exception import IncompatiblePeer

from shared.errors import SettingsInvalid, SftpHostKeyRefused

#: Signature algorithms of a key type, where they have other names than the type.
_ALGORITHMS: Final = {"ssh-rsa": ("rsa-sha2-512", "rsa-sha2-256")}
_FINGERPRINT: Final = re.compile(r"SHA256:[A-Za-z0-9+/]{43}")


class PinnedHostKeys:
    """The host keys that the site may show.

    Args:
        text: the keys, one per line or separated by `;`: known_hosts lines or fingerprints (`SHA256:…`).
            Every key is accepted as this site's, whatever host its line names.

    Raises:
        SettingsInvalid: an entry cannot be read, or there is none.
    """

    def __init__(self, text: str) -> None:
        self._fingerprints = set[str]()
        self._algorithms = set[str]()
        self._types_known = True
        entries = [entry.strip() for entry in re.split(r"[;\n]", text.replace("\\n", "\n"))]
        for number, entry in enumerate(filter(None, entries), start=1):
            if entry.startswith("#"):
                continue
            if _FINGERPRINT.fullmatch(entry.rstrip("=")):
                self._fingerprints.add(entry.rstrip("="))
                self._types_known = False
            else:
                self._add_line(number, entry)
        if not self._fingerprints:
            raise SettingsInvalid(reason="SFTP_HOST_KEYS pins no host key")

    def _add_line(self, number: int, line: str) -> None:
        try:
            _hosts, kind, key, *_comment = line.split()
            blob = base64.b64decode(key, validate=True)
        except (ValueError, binascii.Error):
            kind, blob = "", b""
        # A key begins with its type. Markers (@revoked, @cert-authority) shift the fields and fail this check.
        if not kind or blob[4 : 4 + len(kind)] != kind.encode():
            raise SettingsInvalid(
                reason=f"entry {number} of SFTP_HOST_KEYS is neither a known_hosts line nor a SHA256 fingerprint"
            )
        self._fingerprints.add("SHA256:" + base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("="))
        self._algorithms.update(_ALGORITHMS.get(kind, (kind,)))

    def __contains__(self, key: PKey) -> bool:
        return key.fingerprint in self._fingerprints

    def prefer(self, algorithms: Sequence[str]) -> list[str]:
        """The algorithms in the order of a first connection: those of pinned types first."""
        return sorted(algorithms, key=lambda algorithm: algorithm not in self._algorithms)

    def remaining(self, offered: Sequence[str], used: str) -> list[str]:
        """The algorithms to offer after the site has shown a key that is not pinned.

        A site shows one key per connection, of the first type that the client offers. It may have a pinned key of
        another type; a fingerprint does not reveal the type of its key.

        Args:
            offered: the algorithms of this connection.
            used: the one by which the site proved its key.
        """
        same_type = next((algorithms for algorithms in _ALGORITHMS.values() if used in algorithms), (used,))
        return [
            algorithm
            for algorithm in offered
            if algorithm not in same_type and (algorithm in self._algorithms or not self._types_known)
        ]


class HostKeyCheck:
    """Checks the host key of a site on each connection, before the login."""

    def __init__(self, host: str, pinned: PinnedHostKeys) -> None:
        self._host = host
        self._pinned = pinned
        #: Algorithms to offer, the one that led to a pinned key first; None before the first connection.
        self._offer: list[str] | None = None

    def connect(self, open_transport: Callable[[], Transport], *, timeout: float) -> Transport:
        """A connection on which the site has proved a pinned host key.

        Args:
            open_transport: opens a connection, its keys not yet exchanged.
            timeout: seconds for the key exchange.

        Raises:
            SftpHostKeyRefused: the site has no key that is pinned.
            IncompatiblePeer: there is no common algorithm.
        """
        offer = self._offer
        first_shown: str | None = None
        while offer is None or offer:
            transport = open_transport()
            options = transport.get_security_options()
            if offer is None:
                offer = self._pinned.prefer(options.key_types)
            supported, options.key_types = options.key_types, offer
            try:
                transport.start_client(timeout=timeout)
            except IncompatiblePeer:
                if first_shown is None:
                    raise
                break  # the site has no key of the remaining types
            key, used = transport.get_remote_server_key(), str(transport.host_key_type)
            if key in self._pinned:
                self._offer = sorted(supported, key=lambda algorithm: algorithm != used)
                return transport
            transport.close()
            first_shown = first_shown or key.fingerprint
            offer = self._pinned.remaining(offer, used)
        raise SftpHostKeyRefused(host=self._host, fingerprint=first_shown or "none")
