"""Values to compare columns with, by type. Each carries a token that no statement may hold."""

import re

from hypothesis import strategies as st

TOKENS = re.compile(r"zqv|90210|9021-")
"""Whatever matches this in a statement's text is a value of a request."""

_TEXTS = (
    "zqv",
    "zqv x",
    "zqv'--",
    'zqv"',
    "zqv\\",
    "*zqv*",
    "%zqv_",
    "zqv,(x)",
    "zqv$1",
    "%(zqv)s",
    ":zqv",
    "zqvé😀",
    "{zqv}",
)
_NUMBERS = ("90210", "-90210", "90210.5", "90210e2", "90210999999999999999999")
_TIMES = ("9021-02-28", "9021-02-28 10:00:00+00", "2020-01-01", "9021-02-28T10:00:00Z")
_JSON = ('{"zqv": 90210}', "[90210]", '"zqv"', "90210", "{}", '{"zqv": [')
_RANGES = ("[90210,902100)", "(,90210]", "[9021-01-01,9021-02-01)", "empty", "[90210,1)")
_ARRAYS = ("{}", "{90210}", "{90210,1}", "{zqv,90210}", '{"zqv, x",NULL}', "{zqv", "{{90210},{90210}}")

ANY = st.sampled_from((*_TEXTS, *_NUMBERS, *_TIMES, *_JSON, *_RANGES, *_ARRAYS, "", "null", "true"))
KEYS = st.sampled_from(("zqv", "zqv-x", '"zqv.y"', "0", "-1", "90210"))
"""Keys of JSON paths."""


def values_of(type_name: str) -> st.SearchStrategy[str]:
    """Mostly what fits a column of that type, now and then what does not."""
    fitting = _fitting(type_name)
    return st.one_of(*(fitting,) * 7, ANY)


def _fitting(type_name: str) -> st.SearchStrategy[str]:
    if type_name.endswith("[]"):
        return st.sampled_from(_ARRAYS)
    if "range" in type_name:
        return st.sampled_from(_RANGES)
    if re.match("small|int|big|num|real|double|money|oid", type_name):
        return st.sampled_from(("1", "2", "0", "90210", "1", "2", "0", *_NUMBERS))
    if re.match("time|date|interval", type_name):
        return st.sampled_from(_TIMES)
    if type_name.startswith("json"):
        return st.sampled_from(_JSON)
    if type_name == "boolean":
        return st.sampled_from(("true", "false", "t", "zqv"))
    return st.sampled_from(_TEXTS)
