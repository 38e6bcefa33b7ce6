"""Recordings of live traffic: in bounds, and nothing while nobody records."""

import asyncio
import json
from collections.abc import AsyncGenerator

import pytest

from proxy.events import Judged
from proxy.messages import Answer, Exchange, Request
from proxy.shadow.redaction.secrets import Redaction
from proxy.tape.recorder import MAX_RECORDINGS, MAX_WAITING, Recorder, RecordingLimits, TooManyRecordings

JSON = ((b"Content-Type", b"application/json"),)


class Scene:
    """A recorder on a clock that stands still."""

    def __init__(self) -> None:
        self.now = 0.0
        self.recorder = Recorder(lambda: Redaction(frozenset({"config"})), clock=lambda: self.now)

    def offer(
        self, query: str = "uid=eq.1", body: bytes = b"[]", role: str = "anon", status: int = 200
    ) -> None:
        request = Request("GET", b"/storage?" + query.encode())
        self.recorder.offer("storage", role, Exchange(request, Answer(status, JSON, body), 0.1))

    async def start(self, **limits: float) -> AsyncGenerator[str, None]:
        per_shape, max_bytes = int(limits.get("per_shape", 3)), int(limits.get("max_bytes", 10_000))
        lines = self.recorder.record(RecordingLimits(per_shape, max_bytes, limits.get("seconds", 60.0)))
        assert json.loads(await anext(lines))["tape"] == 1
        return lines


async def rest(lines: AsyncGenerator[str, None]) -> list[str]:
    """The paths of what is recorded, up to the end."""
    return [json.loads(line)["path"] async for line in lines if line]


async def test_nothing_is_kept_while_nobody_records() -> None:
    scene = Scene()
    assert not scene.recorder.active
    scene.offer()
    lines = await scene.start()
    assert scene.recorder.active
    scene.recorder.close()
    assert await rest(lines) == []
    assert not scene.recorder.active


async def test_each_shape_role_and_status_is_recorded_so_many_times() -> None:
    scene = Scene()
    lines = await scene.start(per_shape=2)
    for number in range(5):
        scene.offer(f"uid=eq.{number}")
    scene.offer("uid=eq.7", role="editor")
    scene.offer("uid=eq.8", status=404)
    scene.offer("uri=eq.9")
    found = [json.loads(await anext(lines))["path"] for _ in range(5)]
    assert found == [
        f"/storage?{query}" for query in ("uid=eq.0", "uid=eq.1", "uid=eq.7", "uid=eq.8", "uri=eq.9")
    ]
    await lines.aclose()


async def test_what_cannot_be_asked_again_is_passed_over() -> None:
    scene = Scene()
    lines = await scene.start()
    scene.offer("config=eq.s3cret")
    scene.offer("uid=eq.1")
    assert json.loads(await anext(lines))["path"] == "/storage?uid=eq.1"
    await lines.aclose()


async def test_a_recording_ends_at_its_size() -> None:
    scene = Scene()
    lines = await scene.start(max_bytes=2_000)
    for number in range(8):
        scene.offer(f"c{number}=eq.1&order=uid", json.dumps([{"uri": "x" * 500}]).encode())
    found = await rest(lines)
    assert 0 < len(found) < 4


async def test_a_recording_ends_in_time() -> None:
    scene = Scene()
    lines = await scene.start(seconds=5.0)
    scene.offer()
    await anext(lines)
    scene.now = 5.0
    assert await rest(lines) == []


async def test_every_kind_of_mismatch_is_recorded_beside_the_shapes() -> None:
    scene = Scene()
    lines = await scene.start(per_shape=1)
    request = Request("GET", b"/storage?uid=eq.1")
    event = Judged(
        *("storage", "mismatch", ""),
        signature="body $.uri",
        request=request,
        upstream=Answer(200, JSON, b"[1]"),
        engine=Answer(200, JSON, b"[2]"),
        upstream_version="postgrest/14.17",
    )
    scene.offer()
    for _ in range(3):
        scene.recorder.listen(event)
    found = [json.loads(await anext(lines)) for _ in range(2)]
    assert [(one["area"], one["note"]) for one in found] == [("storage", None), ("mismatches", "body $.uri")]
    assert found[1]["response"]["body"] == "[1]"
    scene.recorder.close()
    assert await rest(lines) == []
    again = scene.recorder.record(RecordingLimits())
    assert json.loads(await anext(again))["postgrest"] == "postgrest/14.17"
    await again.aclose()


async def test_what_comes_too_fast_is_forgotten() -> None:
    scene = Scene()
    lines = await scene.start()
    for number in range(2 * MAX_WAITING):
        scene.offer(f"c{number}=eq.1")
    (recording,) = scene.recorder._recordings
    assert recording.waiting.qsize() == MAX_WAITING
    for number in range(100):
        scene.offer(f"d{number}=eq.1", b'"%b"' % (b"x" * 1_000_000))
    assert recording.waiting_bytes < 17_000_000
    await lines.aclose()


async def test_only_so_many_record_at_once() -> None:
    scene = Scene()
    running = [await scene.start() for _ in range(MAX_RECORDINGS)]
    with pytest.raises(TooManyRecordings):
        await scene.start()
    for lines in running:
        await lines.aclose()
    await (await scene.start()).aclose()


async def test_a_reader_that_waits_is_woken_by_the_next_exchange() -> None:
    scene = Scene()
    lines = await scene.start()
    reading = asyncio.ensure_future(anext(lines))
    await asyncio.sleep(0)
    assert not reading.done()
    scene.offer()
    assert json.loads(await reading)["path"] == "/storage?uid=eq.1"
    await lines.aclose()
