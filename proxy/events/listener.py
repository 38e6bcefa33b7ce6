"""Who hears of which events."""

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

Hearing: TypeAlias = Mapping[type[Any], Callable[[Any], None]]
"""What is called with an event, by its kind. A kind that is not in it is not heard of."""


class Listener:
    """Somebody who is told events. ``hearing`` says of which kinds, and what each is for them."""

    def __init__(self, hearing: Hearing) -> None:
        self.hearing = hearing

    def listen(self, event: object) -> None:
        """Take ``event`` in, if it is one of those kinds."""
        hear = self.hearing.get(type(event))
        if hear is not None:
            hear(event)
