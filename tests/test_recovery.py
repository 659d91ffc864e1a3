"""Recovery: what was safe is kept, what is wrong is never passed off as right."""

import json
import os
import shutil
import time
from datetime import datetime

import mne
import numpy as np
import pytest

from benchmarks import kill
from emgtwitch.cli import main
from emgtwitch.errors import InputError
from emgtwitch.recording.bdf import write_bdf
from emgtwitch.recording.bdf_growing import checksum_path
from emgtwitch.recording.bdf_layout import read_layout, read_texts
from emgtwitch.recording.bdf_recorder import BdfRecorder
from emgtwitch.recording.recovery import recover

SFREQ = kill.SFREQ
N_SECONDS = 8
START = datetime(2026, 5, 17, 22, 30)


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    """An interrupted recording of whole seconds and its checksums, as a kill leaves them."""
    folder = tmp_path_factory.mktemp("interrupted")
    growing = BdfRecorder(
        folder / "a.bdf", sfreq=SFREQ, ch_names=["l", "r"], uv_per_count=1.0, start=START
    )
    growing.append(0, kill.counts_at(0, 1700))
    growing.append(2200, kill.counts_at(2200, N_SECONDS * SFREQ - 2200))
    growing.annotate(7, 0, "never written")
    while growing.written_s < N_SECONDS:
        time.sleep(0.001)
    for file in (growing.path, checksum_path(growing.path)):
        shutil.copyfile(file, folder / f"{file.name}.left")
    growing.close()
    return folder


@pytest.fixture
def interrupted(template, tmp_path):
    path = tmp_path / "Wade links ü.bdf"
    shutil.copyfile(template / "a.bdf.left", path)
    shutil.copyfile(
        template / f"{checksum_path(template / 'a.bdf').name}.left", checksum_path(path)
    )
    return path


def overwrite(path, at, data):
    with path.open("rb+") as file:
        file.seek(at)
        file.write(data)


def gaps(path):
    return [(onset, duration) for onset, duration, text in read_texts(path) if text == "BAD_gap"]


def test_every_kill_is_survived_and_no_damage_makes_a_wrong_sample(tmp_path):
    tallies = kill.campaign(6, tmp_path, seed=17)
    assert tallies["killed"].files >= 6
    assert tallies["killed"].notes["recovered"] >= 2
    assert tallies["killed"].most_lost_s <= 1
    assert set(tallies) == {"killed", *kill.DAMAGES}
    assert [tally.wrong_samples for tally in tallies.values()] == [0] * len(tallies)
    for name in ("garbage appended", "1 MB of zeros appended"):
        assert tallies[name].most_lost_s == 0
    assert tallies["one bit flipped"].most_lost_s == 1


def test_an_interrupted_recording_becomes_whole(interrupted):
    before = interrupted.read_bytes()
    recovered = recover(interrupted)
    assert (recovered.was_whole, recovered.n_seconds, recovered.n_checked) == (False, 8, 8)
    assert (recovered.damaged, recovered.cut_bytes, recovered.missing_s) == ((), 0, 0)
    assert list(interrupted.parent.iterdir()) == [interrupted]
    assert interrupted.read_bytes() == before[:236] + b"8       " + before[244:]
    assert mne.io.read_raw_bdf(interrupted, verbose="error").n_times == N_SECONDS * SFREQ
    assert gaps(interrupted) == [(3.4, 1.0)]
    assert kill.wrong_samples(interrupted) == 0


def test_a_whole_recording_is_not_touched(interrupted):
    recover(interrupted)
    os.utime(interrupted, ns=(1, 1))
    before = interrupted.read_bytes()
    recovered = recover(interrupted)
    assert (recovered.was_whole, recovered.n_seconds) == (True, 8)
    assert interrupted.stat().st_mtime_ns == 1
    assert interrupted.read_bytes() == before


def test_a_recorder_killed_after_its_last_write_leaves_only_checksums(interrupted):
    checksums = checksum_path(interrupted).read_bytes()
    recover(interrupted)
    before = interrupted.read_bytes()
    checksum_path(interrupted).write_bytes(checksums)
    assert recover(interrupted).n_checked == 8
    assert interrupted.read_bytes() == before
    assert not checksum_path(interrupted).exists()


def test_a_torn_tail_is_cut_off(interrupted):
    layout = read_layout(interrupted)
    os.truncate(interrupted, layout.position(5) + 1777)
    recovered = recover(interrupted)
    assert (recovered.n_seconds, recovered.cut_bytes, recovered.missing_s) == (5, 1777, 3)
    assert kill.wrong_samples(interrupted) == 0


def test_a_zeroed_middle_is_marked_and_the_rest_kept(interrupted):
    layout = read_layout(interrupted)
    overwrite(interrupted, layout.position(6) + 10, bytes(800))
    recovered = recover(interrupted)
    assert (recovered.n_seconds, recovered.damaged, recovered.n_checked) == (8, (6,), 7)
    (_, at), (onset, duration) = gaps(interrupted)
    assert (at, onset) == (1.0, 6.0)
    assert 1 <= duration < 1.01
    assert kill.wrong_samples(interrupted) == 0


def test_the_gap_that_a_damaged_second_told_of_stays_marked(interrupted):
    layout = read_layout(interrupted)
    overwrite(interrupted, layout.position(3) + 5, b"\x55")
    assert recover(interrupted).damaged == (3,)
    ((onset, duration),) = gaps(interrupted)
    assert onset == 3
    assert 1.4 <= duration < 1.41
    assert kill.wrong_samples(interrupted) == 0


def test_without_checksums_the_numbers_of_the_seconds_decide(interrupted):
    checksum_path(interrupted).unlink()
    layout = read_layout(interrupted)
    overwrite(interrupted, layout.position(7) - 400, bytes(layout.record_bytes + 400))
    recovered = recover(interrupted)
    assert (recovered.n_seconds, recovered.damaged, recovered.n_checked) == (6, (), 0)
    assert kill.wrong_samples(interrupted) == 0


def test_damaged_checksums_cost_at_most_the_last_second(interrupted):
    checksums = checksum_path(interrupted)
    checksums.write_bytes(checksums.read_bytes()[:20] + bytes(200))
    recovered = recover(interrupted)
    assert (recovered.n_seconds, recovered.damaged, recovered.n_checked) == (7, (), 2)


@pytest.mark.parametrize("left", [0, 1000])
def test_a_recording_without_a_whole_second_is_one_second_of_gap(interrupted, left):
    os.truncate(interrupted, read_layout(interrupted).data_start + left)
    checksum_path(interrupted).write_bytes(b"")
    recovered = recover(interrupted)
    assert (recovered.n_seconds, recovered.damaged, recovered.cut_bytes) == (1, (0,), 0)
    assert recovered.is_empty
    assert gaps(interrupted) == [(0, 1)]
    assert mne.io.read_raw_bdf(interrupted, verbose="error").n_times == SFREQ


def test_output_leaves_the_recording_as_it_is(interrupted, tmp_path):
    before = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    recovered = recover(interrupted, tmp_path / "whole.bdf")
    assert (recovered.path, recovered.n_seconds) == (tmp_path / "whole.bdf", 8)
    after = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    assert before.items() < after.items()
    assert after.keys() - before.keys() == {"whole.bdf"}
    assert kill.wrong_samples(tmp_path / "whole.bdf") == 0
    with pytest.raises(InputError, match=r"whole\.bdf: is there already"):
        recover(interrupted, tmp_path / "whole.bdf")


def test_a_recording_that_runs_is_refused(tmp_path):
    with BdfRecorder(
        tmp_path / "a.bdf", sfreq=10, ch_names=["l"], uv_per_count=1.0, start=START
    ) as growing:
        growing.append(0, np.ones((1, 25), int))
        with pytest.raises(InputError, match="is being recorded right now"):
            recover(growing.path)
    assert recover(growing.path).was_whole


def other_program(path):
    """A file of seconds that do not say their number, as other programs write them."""
    write_bdf(path, np.ones((1, 30), int), sfreq=10, ch_names=["l"], uv_per_count=1.0, start=START)
    content = path.read_bytes().replace(b"+", b"-")
    path.write_bytes(content[:236] + b"-1      " + content[244:].replace(b"-0\x14\x14", b"+.1\x14"))


def half_seconds(path):
    write_bdf(path, np.ones((1, 30), int), sfreq=10, ch_names=["l"], uv_per_count=1.0, start=START)
    overwrite(path, 244, b"0.5     ")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: path.write_bytes(b""), "not a continuous BDF+ file"),
        (lambda path: path.write_bytes(b"\xffBIOSEMI" + b" " * 500), "not a continuous BDF+ file"),
        (lambda path: path.write_text("onset\n" * 200), "not a continuous BDF+ file"),
        (half_seconds, "not one second long"),
        (other_program, "not a continuous BDF+ file"),
    ],
)
def test_files_of_others_are_not_touched(tmp_path, make, message, capsys):
    path = tmp_path / "other.bdf"
    make(path)
    before = path.read_bytes()
    assert main(["recover", str(path)]) == 2
    assert message in capsys.readouterr().err
    assert path.read_bytes() == before


def test_records_without_numbers_are_of_another_program(tmp_path, interrupted):
    checksum_path(interrupted).unlink()
    layout = read_layout(interrupted)
    for index in range(N_SECONDS):
        overwrite(interrupted, layout.position(index) + layout.text_start, b"+0.5")
    before = interrupted.read_bytes()
    with pytest.raises(InputError, match="not recorded by emgtwitch: its records have no number"):
        recover(interrupted)
    assert interrupted.read_bytes() == before


def test_the_command_says_what_was_lost(interrupted, tmp_path, capsys):
    layout = read_layout(interrupted)
    overwrite(interrupted, layout.position(1) + 10, bytes(10))
    os.truncate(interrupted, layout.position(7) + 100)
    assert main(["recover", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    for part in ("recovered, 0 min 7 s", "1 s of it", "(second 1)", "1 s at the end", "100 bytes"):
        assert part in said
    assert main(["recover", str(interrupted), "--json"]) == 0
    (told,) = json.loads(capsys.readouterr().out)
    assert (told["was_whole"], told["n_seconds"]) == (True, 7)
    assert main(["recover", str(interrupted)]) == 0
    assert "is whole, 0 min 7 s" in capsys.readouterr().out


def test_the_command_says_that_nothing_was_on_the_disk(interrupted, capsys):
    os.truncate(interrupted, read_layout(interrupted).data_start)
    assert main(["recover", str(interrupted)]) == 0
    assert f"{interrupted}: empty: no good second was on the disk" in capsys.readouterr().out


def test_one_bad_file_does_not_stop_the_others(interrupted, tmp_path, capsys):
    (tmp_path / "other.bdf").write_bytes(b"no recording")
    assert main(["recover", str(tmp_path / "other.bdf"), str(interrupted), "--quiet"]) == 2
    said = capsys.readouterr()
    assert "other.bdf: not a continuous" in said.err
    assert said.out == ""
    assert recover(interrupted).was_whole
    assert main(["recover", str(tmp_path / "nothing.bdf")]) == 2
    assert main(["recover", str(tmp_path), "--output", str(tmp_path / "new.bdf")]) == 2
    assert "--output is for one recording, not for 2" in capsys.readouterr().err
