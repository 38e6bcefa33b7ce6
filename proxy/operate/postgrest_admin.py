"""The admin server of an engine that stands where ``postgrest`` stood.

Source: PostgREST 14, reference 12.3 and 12.4.
"""

from collections.abc import Awaitable, Callable
from dataclasses import astuple, dataclass
from operator import add

from proxy.events import Listener, SchemaLoaded
from proxy.messages import Answer, Request


@dataclass(frozen=True, slots=True)
class Gauges:
    """What can be counted at any moment, of the pool of connections and of the cache of tokens."""

    pool_available: int = 0
    pool_waiting: int = 0
    pool_max: int = 0
    pool_timeouts: int = 0
    token_lookups: int = 0
    token_hits: int = 0
    token_evictions: int = 0

    def __add__(self, other: "Gauges") -> "Gauges":
        return Gauges(*map(add, astuple(self), astuple(other)))


class LoadCounts(Listener):
    """A listener that counts loads of the schema cache; ``last`` is how many seconds the last one took."""

    def __init__(self) -> None:
        super().__init__({SchemaLoaded: self._count})
        self.loaded = 0
        self.failed = 0
        self.last = 0.0

    def _count(self, event: SchemaLoaded) -> None:
        if event.accepted:
            self.loaded += 1
            self.last = event.seconds
        else:
            self.failed += 1


@dataclass(frozen=True, slots=True)
class LoneSources:
    """Where the admin server's answers come from.

    ``live`` tells whether the engine's own socket takes connections, ``loaded`` whether there is a schema
    cache, ``connected`` whether the database can be reached; ``schema`` is the schema cache as JSON, empty
    while there is none.
    """

    live: Callable[[], bool]
    loaded: Callable[[], bool]
    connected: Callable[[], Awaitable[bool]]
    schema: Callable[[], bytes]
    gauges: Callable[[], Awaitable[Gauges]]
    loads: LoadCounts


class PostgrestAdmin:
    """Answers ``/live``, ``/ready``, ``/schema_cache`` and ``/metrics``; 404 for everything else."""

    def __init__(self, sources: LoneSources) -> None:
        self._sources = sources

    async def answer(self, request: Request) -> Answer:
        """The answer to ``request``, whatever its method."""
        match request.path:
            case b"/live":
                return Answer(200 if self._sources.live() else 500)
            case b"/ready":
                return Answer(await self._readiness())
            case b"/schema_cache":
                return Answer(200, (), self._sources.schema())
            case b"/metrics":
                text = render_metrics(await self._sources.gauges(), self._sources.loads)
                return Answer(200, ((b"Content-Type", b"text/plain; charset=utf-8"),), text.encode())
            case _:
                return Answer(404)

    async def _readiness(self) -> int:
        if not self._sources.live():
            return 500
        return 200 if self._sources.loaded() and await self._sources.connected() else 503


def render_metrics(gauges: Gauges, loads: LoadCounts) -> str:
    """The metrics in Prometheus' text format, version 0.0.4, with PostgREST's names and texts.

    ``pgrst_schema_cache_query_time_seconds`` is in seconds, as its name and its text say; PostgREST 14
    gives milliseconds there.
    """
    statuses = {'{status="SUCCESS"}': loads.loaded, '{status="FAIL"}': loads.failed}
    families = (
        (
            "db_pool_timeouts_total",
            "counter",
            "The total number of pool connection timeouts",
            _float(gauges.pool_timeouts),
        ),
        ("db_pool_available", "gauge", "Available connections in the pool", {"": str(gauges.pool_available)}),
        (
            "db_pool_waiting",
            "gauge",
            "Requests waiting to acquire a pool connection",
            _float(gauges.pool_waiting),
        ),
        ("db_pool_max", "gauge", "Max pool connections", _float(gauges.pool_max)),
        (
            "schema_cache_loads_total",
            "counter",
            "The total number of times the schema cache was loaded",
            {label: str(float(count)) for label, count in statuses.items() if count},
        ),
        (
            "schema_cache_query_time_seconds",
            "gauge",
            "The query time in seconds of the last schema cache load",
            _float(loads.last),
        ),
        (
            "jwt_cache_requests_total",
            "counter",
            "The total number of JWT cache lookups",
            _float(gauges.token_lookups),
        ),
        ("jwt_cache_hits_total", "counter", "The total number of JWT cache hits", _float(gauges.token_hits)),
        (
            "jwt_cache_evictions_total",
            "counter",
            "The total number of JWT cache evictions",
            _float(gauges.token_evictions),
        ),
    )
    lines = []
    for name, kind, text, samples in families:
        lines += [f"# HELP pgrst_{name} {text}", f"# TYPE pgrst_{name} {kind}"]
        lines += [f"pgrst_{name}{label} {value}" for label, value in samples.items()]
    return "".join(f"{line}\n" for line in lines)


def _float(value: float) -> dict[str, str]:
    return {"": str(float(value))}
