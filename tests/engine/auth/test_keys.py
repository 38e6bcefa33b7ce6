"""The configured secret as keys."""

import hashlib
import hmac

from proxy.config.engine import read_standalone
from proxy.engine.auth.keys import read_keys

BYTES = bytes(range(128, 176))


def test_a_secret_out_of_a_file_need_not_be_text() -> None:
    options = read_standalone({}, {"PGRST_JWT_SECRET": "@secret"}, lambda _: BYTES)
    assert options.jwt_secret is not None
    (key,) = read_keys(options.jwt_secret, False)
    assert key.verify("HS256", b"message", hmac.digest(BYTES, b"message", hashlib.sha256))
