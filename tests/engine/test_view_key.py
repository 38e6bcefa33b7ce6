"""The primary key of a view."""

from proxy.engine.relationships import find_view_key

SHOWN = {
    (("api", "voyage"), "id"): ["voyage_id"],
    (("api", "port"), "nation"): ["nation", "nation_again"],
    (("api", "port"), "code"): ["code"],
    (("api", "pilot"), "id"): ["pilot_id"],
}
KEYS = {("api", "voyage"): ["id"], ("api", "port"): ["nation", "code"], ("api", "pilot"): ["id", "year"]}


def test_it_is_made_of_the_keys_shown_completely_table_by_table_in_the_order_of_names() -> None:
    assert find_view_key(SHOWN, KEYS) == ("nation", "code", "voyage_id")
