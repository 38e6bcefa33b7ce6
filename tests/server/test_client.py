"""A request and its reply, as objects."""

import gc
from typing import Any, cast

from proxy.server.client import ClientRequest
from proxy.server.refusals import internal


def test_a_reply_does_not_know_its_request_so_that_both_are_gone_without_the_collector_of_cycles() -> None:
    nothing = cast(Any, None)
    request = ClientRequest(cast(Any, internal()), nothing, nothing, nothing)
    assert all(known is not request for known in gc.get_referents(request.reply))
