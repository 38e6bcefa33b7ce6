"""How the time that a client may have to wait is divided between the two sides.

``upstream.timeout`` is the client's: that long it may wait for the beginning of an answer, whoever gives it.
The engine has its own limit within it, of which something is left for the upstream in any case.
"""

from proxy.config import Config


def find_engine_deadline(config: Config) -> float:
    """Seconds that the engine may take for a read that the upstream answers if it does not."""
    if config.upstream is None:
        return config.shadow.timeout
    return min(config.shadow.timeout, config.upstream.timeout / 2)


def find_upstream_deadline(config: Config, passed: float) -> float:
    """Seconds that are left for the upstream to begin its answer after the engine took ``passed``."""
    if config.upstream is None:
        return 0.0
    return max(0.0, config.upstream.timeout - passed)
