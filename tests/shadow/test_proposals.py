"""What is volatile, as rules that could be made."""

from proxy.config.paths import read_steps
from proxy.shadow.proposals import Proposal, propose


def test_members_and_headers_can_be_rules() -> None:
    found = propose([("row", "seen_at"), ("headers", "x-id"), ("row", "seen_at"), ("body", "now")])
    assert found == (Proposal(header="x-id"), Proposal(path="now"), Proposal(path="seen_at"))


def test_what_would_leave_nothing_to_compare_is_none() -> None:
    assert propose([("row",), ("rows",), ("status",), ("body",), ("order",), ("whole",), ("row", "*")]) == ()


def test_an_odd_name_is_quoted_so_that_the_rule_means_it() -> None:
    for name in ("odd name", "a.b", 'say "x"', "back\\slash", "[]"):
        (proposal,) = propose([("row", name)])
        assert read_steps(proposal.path) == (name,)
