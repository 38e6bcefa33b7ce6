"""The circuit breaker, step by step and as a whole."""

from hypothesis import given
from hypothesis import strategies as st

from proxy.shadow.circuit import FIRST_WAIT, Circuit


def fail(circuit: Circuit, times: int, now: float = 0.0) -> Circuit:
    for _ in range(times):
        circuit = circuit.fail(now)
    return circuit


def test_it_opens_at_so_many_failures_in_a_row() -> None:
    assert fail(Circuit(), 4).find_state(0.0) == "closed"
    assert fail(fail(Circuit(), 4).succeed(), 4).find_state(0.0) == "closed"
    assert fail(Circuit(), 5).find_state(0.0) == "open"
    assert fail(Circuit(), 5).ask(0.5)[0] is False


def test_after_a_wait_one_request_goes_through_and_the_others_wait() -> None:
    circuit = fail(Circuit(), 5)
    goes, circuit = circuit.ask(FIRST_WAIT)
    assert goes
    assert [circuit.ask(FIRST_WAIT + later)[0] for later in (0.0, 0.5, 0.9)] == [False, False, False]


def test_an_answer_closes_it_and_a_failure_doubles_the_wait() -> None:
    _, probing = fail(Circuit(), 5).ask(1.0)
    assert probing.succeed() == Circuit()
    again = probing.fail(1.5)
    assert again.find_state(3.4) == "open"
    assert again.find_state(3.5) == "half_open"


def test_the_wait_has_an_end_to_its_growth() -> None:
    circuit, now = fail(Circuit(longest=10.0), 5), 0.0
    for _ in range(10):
        now += 100
        circuit = circuit.ask(now)[1].fail(now)
    assert circuit.wait == 10.0


def test_requests_that_were_under_way_change_nothing() -> None:
    circuit = fail(Circuit(), 5)
    assert fail(circuit, 50, now=0.9) == circuit


def test_a_request_that_never_comes_back_costs_one_wait() -> None:
    _, circuit = fail(Circuit(), 5).ask(1.0)
    assert circuit.ask(1.9)[0] is False
    assert circuit.ask(2.0)[0] is True


STEPS = st.lists(st.tuples(st.sampled_from(("ask", "fail", "succeed")), st.floats(0, 3)), max_size=100)


@given(STEPS)
def test_a_dead_engine_is_asked_ever_less_and_a_living_one_always(
    steps: list[tuple[str, float]],
) -> None:
    circuit, now = Circuit(), 0.0
    for step, wait in steps:
        now += wait
        match step:
            case "ask":
                asked_from = circuit.find_state(now)
                goes, circuit = circuit.ask(now)
                assert goes == (asked_from != "open")
                if asked_from == "half_open":
                    assert circuit.find_state(now) == "open"
            case "fail":
                circuit = circuit.fail(now)
            case "succeed":
                circuit = circuit.succeed()
                assert circuit.find_state(now) == "closed"
        assert FIRST_WAIT <= circuit.wait <= circuit.longest
