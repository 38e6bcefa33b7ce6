"""What PostgREST itself answered where the database holds its configuration, replayed against the engine."""

import pytest

from proxy.tape.replay import replay
from proxy.tape.wire import WireClient
from tests.standalone.support import engine
from tests.support.conformance import login_role, recorded, settings, variant_options
from tests.support.database import ConformanceDatabase

READS = ("GET", "HEAD", "OPTIONS")


@pytest.mark.parametrize("variant", ["indbconfig", "preconfig"])
async def test_the_database_configures_the_engine_as_it_did_postgrest(
    variant: str, conformance_database: ConformanceDatabase
) -> None:
    exchanges = [one for one in recorded(variant) if one.request.method in READS]
    options = {
        **variant_options(variant),
        "PGRST_DB_URI": conformance_database.login_url(login_role(variant)),
    }
    with engine(options) as running:
        async with WireClient(f"http://{running.place}", 10.0) as client:
            report = await replay(exchanges, client.ask, settings())
    assert len(exchanges) >= 5
    assert [(outcome.exchange.id, outcome.failure) for outcome in report.outcomes if outcome.failure] == []
