"""What is wrong with an option, in PostgREST's words: operators search their logs for them."""

from proxy.config.options import OPTIONS
from proxy.errors import ConfigError, Problem

_WORDS = {
    "admin-server-port": "admin-server-port cannot be the same as server-port",
    "db-tx-end": "Invalid transaction termination. Check your configuration.",
    "jwt-aud": "jwt-aud should be a string or a valid URI",
    "log-level": "Invalid logging level. Check your configuration.",
    "openapi-mode": "Invalid openapi-mode. Check your configuration.",
    "openapi-server-proxy-uri": "Malformed proxy uri, a correct example: https://example.com:8443/basePath",
    "server-unix-socket-mode": "Invalid server-unix-socket-mode: needs to be between 600 and 777",
}

_ALIASES = {key.alias: key.name for key in OPTIONS if key.alias}


def explain(error: ConfigError) -> str:
    """All problems, one to a line: PostgREST's sentence if it has one, and where the fault stands."""
    return "\n".join(filter(None, (line for problem in error.problems for line in _lines(problem))))


def _lines(problem: Problem) -> tuple[str, str]:
    key = problem.key.strip("'")
    option = key.removeprefix("PGRST_").removeprefix("pgrst.").lower().replace("_", "-")
    return _sentence(_ALIASES.get(option, option), problem), str(problem)


def _sentence(option: str, problem: Problem) -> str:
    if option == "admin-server-port" and not problem.allowed.startswith("a port other than"):
        return ""
    if option == "jwt-role-claim-key":
        return f"failed to parse role-claim-key value ({problem.found.strip(chr(39))})"
    if option == "jwt-secret" and problem.found.startswith("a secret of"):
        return "The JWT secret must be at least 32 characters long."
    return _WORDS.get(option, "")
