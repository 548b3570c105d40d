"""Keys of the SFTP site: the private key that logs in, and the pinned host keys."""

import base64
import binascii
import hashlib
import io
import re
from collections.abc import Sequence
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
    load_ssh_private_key,
)
from paramiko import ECDSAKey, Ed25519Key, PKey, RSAKey

from shared.errors import SettingsInvalid

_KEY_CLASSES: Final = ((RSAPrivateKey, RSAKey), (Ed25519PrivateKey, Ed25519Key), (EllipticCurvePrivateKey, ECDSAKey))
#: Algorithms by which a host proves that it has a key of this type, where they are named differently.
_PROOFS: Final = {"ssh-rsa": ("rsa-sha2-512", "rsa-sha2-256")}
_FINGERPRINT: Final = re.compile(r"SHA256:[A-Za-z0-9+/]{43}")


def private_key(text: str, passphrase: str | None) -> PKey:
    """The private key in a text: RSA, Ed25519 or ECDSA, in PEM (PKCS#1, SEC 1 or PKCS#8) or OpenSSH format.

    Args:
        text: the key. Line breaks written as a backslash and an n, as some editors of app settings write
            them, are understood.
        passphrase: its passphrase; ignored when it has none.

    Raises:
        SettingsInvalid: the text is no such key, or the passphrase does not open it.
    """
    data = text.replace("\\n", "\n").strip().encode()
    load = load_ssh_private_key if b"OPENSSH PRIVATE KEY" in data else load_pem_private_key
    for password in (passphrase, None) if passphrase else (None,):
        try:
            loaded = load(data, password.encode() if password else None)
            # paramiko reads fewer formats, so it is given the one that it knows for every kind of key.
            plain = loaded.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()).decode()
            of_kind = next(of_kind for kind, of_kind in _KEY_CLASSES if isinstance(loaded, kind))
            return of_kind.from_private_key(io.StringIO(plain))
        except Exception:  # noqa: BLE001, S112 - many kinds, and their texts can hold parts of the key
            continue
    raise SettingsInvalid(
        reason="SFTP_PRIVATE_KEY is no private key (RSA, Ed25519 or ECDSA) in PEM or OpenSSH format, "
        "or SFTP_PRIVATE_KEY_PASSPHRASE does not open it"
    )


class PinnedHostKeys:
    """The host keys that are the site's.

    Args:
        text: the keys, one a line or separated by `;`: known_hosts lines or fingerprints (`SHA256:…`).
            Every key in it is one of this site, whatever host a line names.

    Raises:
        SettingsInvalid: an entry cannot be read, or there is none.
    """

    def __init__(self, text: str) -> None:
        self._fingerprints = set[str]()
        self._proofs = set[str]()
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
        # A key begins with its type. Markers (@revoked, @cert-authority) shift the fields and end up here.
        if not kind or blob[4 : 4 + len(kind)] != kind.encode():
            raise SettingsInvalid(
                reason=f"entry {number} of SFTP_HOST_KEYS is neither a known_hosts line nor a SHA256 fingerprint"
            )
        self._fingerprints.add("SHA256:" + base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("="))
        self._proofs.update(_PROOFS.get(kind, (kind,)))

    def __contains__(self, key: PKey) -> bool:
        return key.fingerprint in self._fingerprints

    def first_ask(self, algorithms: Sequence[str]) -> list[str]:
        """The algorithms in the order in which a site is first asked to prove a key by them: pinned types first."""
        return sorted(algorithms, key=lambda algorithm: algorithm not in self._proofs)

    def next_ask(self, asked: Sequence[str], shown_by: str) -> list[str]:
        """What is left to ask for after the site has shown a key that is not pinned.

        A site shows one key a connection, the first that the client asks for. It may have a pinned one of
        another type; of a fingerprint nobody can tell the type.

        Args:
            asked: algorithms asked for.
            shown_by: the one by which the site showed its key.
        """
        of_this_type = next((proofs for proofs in _PROOFS.values() if shown_by in proofs), (shown_by,))
        return [
            algorithm
            for algorithm in asked
            if algorithm not in of_this_type and (algorithm in self._proofs or not self._types_known)
        ]
