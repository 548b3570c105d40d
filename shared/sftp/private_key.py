"""The private key that logs in to the SFTP site."""

import io
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


def load_private_key(text: str, passphrase: str | None) -> PKey:
    r"""Load a private key: RSA, Ed25519 or ECDSA, in PEM (PKCS#1, SEC 1 or PKCS#8) or OpenSSH format.

    Args:
        text: the key. Line breaks may be written as `\n`, as some editors of app settings write them.
        passphrase: its passphrase; ignored if the key has none.

    Raises:
        SettingsInvalid: the text is not such a key, or the passphrase does not decrypt it.
    """
    data = text.replace("\\n", "\n").strip().encode()
    load = load_ssh_private_key if b"OPENSSH PRIVATE KEY" in data else load_pem_private_key
    for password in (passphrase, None) if passphrase else (None,):
        try:
            loaded = load(data, password.encode() if password else None)
            # paramiko reads fewer formats than cryptography: the OpenSSH format is the one for every type of key.
            openssh = loaded.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()).decode()
            key_class = next(key_class for kind, key_class in _KEY_CLASSES if isinstance(loaded, kind))
            return key_class.from_private_key(io.StringIO(openssh))
        except Exception:  # noqa: BLE001, S112 - of many types, and their texts can contain parts of the key
            continue
    raise SettingsInvalid(
        reason="SFTP_PRIVATE_KEY is not a private key (RSA, Ed25519 or ECDSA) in PEM or OpenSSH format, "
        "or SFTP_PRIVATE_KEY_PASSPHRASE does not decrypt it"
    )
