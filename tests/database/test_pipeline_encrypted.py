"""Steps on a connection that is encrypted: the transport is another one then.

The embedded PostgreSQL knows no TLS, so that a relay speaks it for the server. Source: PostgreSQL 16
documentation, section 55.2.12 (SSL session encryption).
"""

import asyncio
import contextlib
import datetime
import ssl
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from proxy.database.pipeline import Pipeline, Refused
from proxy.database.wire import Step, encode_values
from proxy.loop import FAST_LOOP
from tests.support.database import ConformanceDatabase

_SSL_REQUEST = 8


def make_certificate(folder: Path) -> ssl.SSLContext:
    """A server's context with a certificate that nobody vouches for."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "relay")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    file = folder / "relay.pem"
    file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    return context


async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError, asyncio.IncompleteReadError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()


@contextlib.asynccontextmanager
async def relay(url: str, context: ssl.SSLContext) -> AsyncIterator[int]:
    """The port of a relay to the server at ``url`` that speaks TLS with its clients."""
    server = urlsplit(url)
    done: list[asyncio.Task[None]] = []

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(_SSL_REQUEST)
        writer.write(b"S")
        await writer.start_tls(context)
        onward = await asyncio.open_connection(server.hostname, server.port)
        done.append(asyncio.create_task(pump(reader, onward[1])))
        done.append(asyncio.create_task(pump(onward[0], writer)))
        await asyncio.wait(done[-2:])

    async with await asyncio.start_server(accept, "127.0.0.1", 0) as listening:
        yield listening.sockets[0].getsockname()[1]
    await asyncio.gather(*done)


async def use(url: str, context: ssl.SSLContext) -> None:
    trusting = ssl.create_default_context()
    trusting.check_hostname = False
    trusting.verify_mode = ssl.CERT_NONE
    async with relay(url, context) as port:
        connect = partial(asyncpg.connect, url, host="127.0.0.1", port=port, ssl=trusting)
        driver = await connect()
        pipeline = Pipeline(driver, prepares=True)
        for number in range(3):
            values = encode_values([str(number), "é" * 500_000])
            steps = (Step("BEGIN"), Step("SELECT $1, $2", values), Step("COMMIT"))
            assert await pipeline.run(steps, 1) == [[str(number).encode(), "é".encode() * 500_000]]
            assert await driver.fetchval("SELECT $1::int", number) == number
        with pytest.raises(Refused):
            await pipeline.run((Step("SELECT 1 / 0"),), 0)
        await pipeline.close(timeout=5)
        assert pipeline.is_closed()
        broken = Pipeline(
            await asyncpg.connect(url, host="127.0.0.1", port=port, ssl=trusting), prepares=True
        )
        waiting = asyncio.create_task(broken.run((Step("SELECT pg_sleep(60)"),), 0))
        await asyncio.sleep(0)
        broken.terminate()
        with pytest.raises(asyncpg.ConnectionDoesNotExistError):
            await waiting


@pytest.mark.parametrize("fast", [False, True], ids=["asyncio", "the loop that serves"])
def test_steps_are_run_on_an_encrypted_connection(
    conformance_database: ConformanceDatabase, tmp_path: Path, fast: bool
) -> None:
    with asyncio.Runner(loop_factory=FAST_LOOP if fast else None) as runner:
        runner.run(use(conformance_database.url, make_certificate(tmp_path)))
