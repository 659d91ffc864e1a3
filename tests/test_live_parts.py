"""Parts of the live page by themselves: what waits, what stalls, minutes, lights."""

import asyncio
import math
import socket
from collections import deque

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emgtwitch.capture import quality
from emgtwitch.live import messages, viewers
from emgtwitch.live.backlog import Backlog
from emgtwitch.live.lights import BAD_LOSSES, UNKNOWN, _in_words, lights_of
from emgtwitch.live.minutes import Bins, Minutes

MOST_S, MOST_BYTES = 5.0, 100
scans = st.tuples(st.just("scans"), st.sampled_from([0.5, 1.0, 2.0, 9.0]), st.integers(0, 150))
others = st.tuples(
    st.sampled_from(["hello", "event", "mark", "state", "said", "over"]), st.just(0.0), st.just(0)
)


@given(st.lists(scans | others | st.none(), max_size=60))
def test_what_waits_is_bounded_and_in_order(steps):
    """Only the oldest scans, older states and what a new hello makes void are ever lost."""
    backlog = Backlog(MOST_S, MOST_BYTES)
    model = deque()
    for number, step in enumerate(steps):
        if step is None:
            if model:
                assert backlog.take() == model.popleft()
            else:
                with pytest.raises(IndexError):
                    backlog.take()
            continue
        kind, seconds, n_bytes = step
        void = {"hello": ("hello", "scans", "event", "mark", "state"), "state": ("state",)}
        void["over"] = ("over",)
        model = deque(item for item in model if item[0] not in void.get(kind, ()))
        item = (kind, seconds, n_bytes, number)
        backlog.put(kind, item, seconds, n_bytes)
        model.appendleft(item) if kind == "hello" else model.append(item)
        waiting = [item for item in model if item[0] == "scans"]
        while len(waiting) > 1 and (
            sum(item[1] for item in waiting) > MOST_S
            or sum(item[2] for item in waiting) > MOST_BYTES
        ):
            model.remove(waiting.pop(0))
        assert backlog.items() == list(model)
        assert len(backlog) == len(model)


def test_events_and_words_are_bounded_too():
    backlog = Backlog(MOST_S, MOST_BYTES)
    for number in range(20_000):
        backlog.put("event", number)
        backlog.put("said", number)
    assert len(backlog) < 6000
    assert backlog.items()[-1] == 19_999


def test_a_viewer_who_takes_nothing_is_given_up(monkeypatch):
    monkeypatch.setattr(viewers, "_STALLED_S", 0.3)

    async def stall():
        ends = asyncio.get_running_loop().create_future()

        async def serve(_, writer):
            writer.transport.set_write_buffer_limits(0)
            viewer = viewers.Viewer([b"x" * 1000])
            for _ in range(8000):
                viewer.offer("said", b"x" * 1000, 0.0)
                viewer.offer("scans", b"y" * 100_000, 0.1)
            try:
                await viewer.send_all(writer)
            except BaseException as end:
                ends.set_result((end, len(viewer._backlog)))
            writer.transport.abort()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        connection = socket.create_connection(server.sockets[0].getsockname())
        end, n_waiting = await ends
        connection.close()
        server.close()
        return end, n_waiting

    end, n_waiting = asyncio.run(stall())
    assert isinstance(end, TimeoutError)
    assert n_waiting < 300  # however much it was offered


@given(st.lists(st.tuples(st.floats(0.01, 400), st.floats(0, 1)), max_size=30))
def test_valid_time_is_spread_as_it_came(steps):
    bins = Bins(2, 60.0, 1000)
    now_s = total_s = 0.0
    for lasting_s, share in steps:
        bins.spread(now_s, now_s + lasting_s, np.array([share, 0.5]) * lasting_s)
        now_s += lasting_s
        total_s += share * lasting_s
    start_s, counts, valid_s = bins.all()
    assert not counts.any()
    assert (valid_s <= 60 * (1 + 1e-9)).all()
    np.testing.assert_allclose(valid_s.sum(axis=0), [total_s, now_s / 2], atol=1e-6)
    assert (np.diff(start_s) == 60).all()


def test_minutes_of_a_long_night_are_bounded():
    minutes = Minutes(1)
    minutes.tell(0.0, np.array([0.0]))
    for second in range(1, 3 * 3600, 7):
        minutes.tell(float(second), np.array([second / 2]))
        minutes.count(0, second - 1.0)
    minutes.tell(1e9, np.array([5e8]))  # a jump
    rates = minutes.fields()
    assert len(rates["minute_s"]) <= 60
    assert rates["valid"][-2] == 0.5
    assert math.isnan(Minutes(1).last_minute()[0])


def test_lines_say_what_json_can():
    told = messages.line("state", {"a": np.float32(np.nan), "b": np.arange(2), "c": (1, math.inf)})
    assert told == b'{"type":"state","a":null,"b":[0,1],"c":[1,null]}\n'
    uv = np.array([[1.5, np.nan, -2e6]], dtype=np.float32)
    fields = messages.scans_fields(7, uv, 12.3456789)
    assert (fields["first"], fields["n"], fields["came_ms"]) == (7, 3, 12345.7)
    np.testing.assert_array_equal(messages.scans_of(fields, 1), uv)


SFREQ, STEP_UV = 1000, 2.0


def lights(uv, **more):
    """Return the lights of one channel, told in messages of 50 scans, lost ones left out."""
    hello = {"ch_names": ["calf_L"], "sfreq": SFREQ} | more
    told = [
        messages.scans_fields(first, uv[None, first : first + 50], 0.0)
        for first in range(0, len(uv), 50)
        if not np.isnan(uv[first : first + 50]).all()
    ]
    return lights_of(hello, told)[0]


def skin(seconds=9, noise_uv=4.0):
    rng = np.random.default_rng(3)
    uv = 1024 + rng.normal(0, noise_uv, int(seconds * SFREQ))
    return STEP_UV * np.rint(uv / STEP_UV)


def hum(amplitude_uv):
    return STEP_UV * np.rint(amplitude_uv * np.sin(np.arange(9 * SFREQ) * 100 * np.pi / SFREQ) / 2)


def lost(share):
    uv = skin()
    uv[8000 : 8000 + round(share * 8000)] = np.nan
    return uv


KNOWN = {"uv_per_count": [STEP_UV], "bits": 10}


@pytest.mark.parametrize(
    ("uv", "light", "colour", "words"),
    [
        (skin(), "contact", "good", "moves"),
        (skin(), "mains", "good", " Hz hum"),
        (skin(), "clipping", "good", "0 % of the samples"),
        (skin(), "losses", "good", "nothing of the last 8 s is missing"),
        (skin(), "noise", "good", "a twitch of "),
        (skin(noise_uv=13), "noise", "poor", "a twitch of "),
        (skin(noise_uv=40), "contact", "bad", "clean the skin"),
        (skin() + hum(50), "mains", "poor", "36 µV of 50 Hz hum"),
        (skin() + hum(200), "mains", "bad", "unplug the charger"),
        (np.minimum(skin() + hum(2000), 2046), "clipping", "bad", "converter's limit"),
        (skin() - 700, "contact", "bad", "of the range instead of 50 %"),
        (0 * skin() + 1024, "contact", "bad", "does not move"),
        (lost(BAD_LOSSES / 2), "losses", "poor", "0.5 % of the last 8 s is missing"),
        (lost(0.1), "losses", "bad", "10 % of the last 8 s is missing"),
        (np.append(skin(), [np.nan] * 9000), "noise", "good", "a twitch of "),
    ],
)
def test_lights(uv, light, colour, words):
    found = lights(uv, **KNOWN)[light]
    assert found["light"] == colour and words in found["words"], found


def test_lights_without_knowing_the_converter():
    found = lights(skin())
    assert found["clipping"]["light"] == "unknown"
    known = lights(skin(), **KNOWN)
    assert {name: found[name] for name in ("contact", "mains", "noise")} == {
        name: known[name] for name in ("contact", "mains", "noise")
    }
    assert lights(skin(2)) == lights(np.array([])) == UNKNOWN
    assert lights(skin(noise_uv=1.0), uv_per_count=[20.0])["contact"]["light"] == "unknown"
    assert lights(0 * skin() + 1024)["contact"]["light"] == "bad"


maybe = st.just(math.nan)


@given(
    st.floats(0, 1e4) | maybe,
    st.floats(0, 1e4) | maybe,
    st.sampled_from([0.1, 5.0, 50.0]),
    st.floats(0, 1) | maybe,
    st.sampled_from([0.0, 0.0001, 0.5, math.nan]),
    st.integers(0, 5),
    st.sampled_from([0.0, 0.001, 0.3, 1.0]),
)
def test_whatever_is_found_has_a_light(noise_uv, mains_uv, lsb_uv, baseline, at_limit, n, lost):
    facts = {
        "noise_uv": noise_uv,
        "floor_uv": 4 * noise_uv,
        "mains_uv": mains_uv,
        "mains_hz": 50.0,
        "lsb_uv": lsb_uv,
        "baseline": baseline,
        "at_limit": at_limit,
        "n_codes": n,
    }
    problems, notes = quality._in_words(**facts)
    told = _in_words(
        quality.ChannelQuality("calf_L", **facts, problems=problems, notes=notes), lost
    )
    assert told.keys() == UNKNOWN.keys()
    assert all(light["words"] for light in told.values())
    for problem in problems:
        words = problem.partition(": ")[2]
        assert any(words in light["words"] for light in told.values() if light["light"] != "good")
