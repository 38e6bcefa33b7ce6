"""What stands on a connection, and when it is made anew."""

from proxy.database.standing import Standing, set_all
from proxy.database.wire import Step
from proxy.engine.sql.session import Settings

ANON: Settings = (("search_path", '"api"'), ("role", "anon"))
SLOW: Settings = (
    ("search_path", '"api"'),
    ("statement_timeout", "3s"),
    ("app.tenant", "1"),
    ("role", "slow"),
)
OWN_RESET = (Step("RESET role"), Step('RESET "app"."tenant"'), Step('RESET "statement_timeout"'))


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def stand(standing: Standing, settings: Settings) -> tuple[Step, ...]:
    steps = standing.make(settings)
    standing.keep(settings)
    return steps


def test_what_stands_is_not_made_again() -> None:
    standing = Standing(Clock())
    assert stand(standing, ANON) == (set_all(ANON, local=False),)
    assert stand(standing, ANON) == ()


def test_after_a_second_it_is_made_anew() -> None:
    clock = Clock()
    standing = Standing(clock)
    stand(standing, ANON)
    clock.now = 0.99
    assert stand(standing, ANON) == ()
    clock.now = 1.0
    assert stand(standing, ANON) == (set_all(ANON, local=False),)


def test_a_read_that_failed_leaves_nothing_that_could_be_relied_on() -> None:
    standing = Standing(Clock())
    standing.make(ANON)
    assert standing.make(ANON) == (set_all(ANON, local=False),)


def test_what_another_role_had_besides_is_taken_back() -> None:
    standing = Standing(Clock())
    stand(standing, SLOW)
    assert stand(standing, ANON) == (*OWN_RESET, set_all(ANON, local=False))


def test_a_roles_own_settings_are_made_by_the_login_role() -> None:
    standing = Standing(Clock())
    assert stand(standing, SLOW) == (set_all(SLOW, local=False),)
    stand(standing, ANON)
    assert stand(standing, SLOW) == (Step("RESET role"), set_all(SLOW, local=False))


def test_a_transaction_takes_back_what_it_does_not_make_itself_and_may_change_the_rest() -> None:
    standing = Standing(Clock())
    assert standing.leave(own=True) == ()
    assert standing.leave(own=True) == (Step("RESET role"),)
    stand(standing, ANON)
    assert standing.leave(own=False) == ()
    assert standing.leave(own=True) == (Step("RESET role"),)
    assert stand(standing, ANON) == (set_all(ANON, local=False),)
    stand(standing, SLOW)
    assert standing.leave(own=False) == OWN_RESET


def test_everything_can_be_taken_back() -> None:
    standing = Standing(Clock())
    assert standing.clear() == ()
    stand(standing, ANON)
    assert standing.clear() == (Step("RESET role"), Step('RESET "search_path"'))
    assert standing.clear() == ()
    assert stand(standing, ANON) == (set_all(ANON, local=False),)
