"""Options that are kept in the database, as settings of the connecting role (reference 12.2, column DB).

They win over the environment and the file; everything else that stands there is ignored.
"""

from collections.abc import Mapping

from proxy.config.document import Place, quoted
from proxy.config.engine import Setting, Settings
from proxy.config.options import OPTIONS

_HONOURED = frozenset(
    {
        *("db-aggregates-enabled", "db-anon-role", "db-pre-config", "db-extra-search-path", "db-max-rows"),
        *("db-plan-enabled", "db-pre-request", "db-prepared-statements", "db-root-spec", "db-schemas"),
        *("db-tx-end", "db-hoisted-tx-settings", "jwt-aud", "jwt-role-claim-key", "jwt-secret"),
        *("jwt-secret-is-base64", "openapi-mode", "openapi-security-active", "openapi-server-proxy-uri"),
        *("server-cors-allowed-origins", "server-trace-header", "server-timing-enabled"),
    }
)

DATABASE_SETTINGS: Mapping[str, str] = {
    "pgrst." + key.name.replace("-", "_"): key.name for key in OPTIONS if key.name in _HONOURED
}
"""By the name of the setting in the database, the option it is for."""


def read_database(values: Mapping[str, str]) -> Settings:
    """The options in ``values``, which are settings of the database with their names there."""
    return {
        DATABASE_SETTINGS[name]: Setting(text, Place("database", 0, (name,)), quoted(text), lenient=True)
        for name, text in values.items()
        if name in DATABASE_SETTINGS
    }
