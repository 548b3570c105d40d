"""The SFTP sites that the settings and the channels file name. Nothing is connected to yet."""

import os

from pydantic import SecretStr

from shared.config.channels import Channels
from shared.config.settings import REFERENCE_NOT_RESOLVED, Settings, is_reference
from shared.errors import SettingsInvalid
from shared.sftp.site import Direct, SftpSite


def optimizely_site(settings: Settings) -> SftpSite:
    """Optimizely's SFTP site.

    Raises:
        SettingsInvalid: the private key or the host keys cannot be read.
    """
    return SftpSite(
        host=settings.sftp_host,
        port=settings.sftp_port,
        user=settings.sftp_user,
        private_key=_value(settings.sftp_private_key),
        passphrase=_value(settings.sftp_private_key_passphrase),
        password=_value(settings.sftp_password),
        host_keys=settings.sftp_host_keys,
        direct=_direct(settings.sftp_direct, settings.sftp_direct_marker),
    )


def export_sites(channels: Channels) -> dict[str, SftpSite]:
    """The SFTP sites of the channels file by name.

    Raises:
        SettingsInvalid: a site names an app setting that is missing, or a key that cannot be read.
    """
    return {
        name: SftpSite(
            host=login.host,
            port=login.port,
            user=login.user,
            private_key=_app_setting(name, login.private_key),
            passphrase=_app_setting(name, login.passphrase),
            password=_app_setting(name, login.password),
            host_keys="\n".join(login.host_keys),
            direct=_direct(login.direct, login.direct_marker),
        )
        for name, login in channels.sftp_sites.items()
    }


def _app_setting(site: str, setting: str | None) -> str | None:
    """Value of the app setting that a site names for one of its secrets; None if it names none."""
    if setting is None:
        return None
    value = os.environ.get(setting)
    if not value:
        raise SettingsInvalid(reason=f"[sftp_sites.{site}] names the app setting {setting}, which does not exist")
    if is_reference(value):
        raise SettingsInvalid(reason=f"{setting}: {REFERENCE_NOT_RESOLVED}")
    return value


def _direct(direct: bool, marker: str | None) -> Direct | None:  # noqa: FBT001 - the setting
    return Direct(marker=marker) if direct else None


def _value(secret: SecretStr | None) -> str | None:
    return None if secret is None else secret.get_secret_value()
