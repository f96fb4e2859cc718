"""A person's own folder of sounds: checked, recordings kept together, laid out as ESC-50 is."""

import doctest
import importlib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile

from course import intake
from helpers import audio
from helpers.data import SPLITS

room = importlib.import_module("course.intake.sounds")  # `intake.sounds` is its function


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def own(tmp_path):
    return tmp_path / "own"


def tone(hertz, seconds=0.1, rate=16000):
    return 0.3 * np.sin(2 * np.pi * hertz * np.arange(int(seconds * rate)) / rate)


def save(path, sound, rate=16000, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, sound, rate, **options)
    return path


def clips(root, recordings=6, takes=3, suffix=".wav"):
    for label, name in enumerate(("hum", "whistle")):
        for r in range(recordings):
            for t in range(takes):
                hertz = 300 + 1000 * label + 20 * r + t
                save(root / name / f"{name}{r}-{t}{suffix}", tone(hertz))
    return root


def meta_of(root):
    path = Path(intake.sounds(root))
    return pd.read_csv(path / "meta" / "esc50.csv", dtype=str)


@pytest.mark.parametrize(
    ("name", "recording"),
    [
        ("1-17367-A-10.wav", "17367"),  # ESC-50
        ("kitchen-01.wav", "kitchen"),
        ("my_kitchen_2.flac", "my_kitchen"),
        ("anna-kitchen-03.ogg", "anna-kitchen"),
        ("rain.wav", "rain"),
        ("-3.wav", "-3"),
        ("New Recording 2.m4a", "New Recording 2"),
        ("2024-05-01.wav", "2024-05-01"),
        ("2024-05-01_2.wav", "2024-05-01"),
    ],
)
def test_a_name_says_its_recording(name, recording):
    assert room.recording_of(Path(name)) == recording


def test_the_example_in_the_docstring_is_right():
    assert doctest.testmod(room) == (0, 1)


def test_the_bundled_name_passes_untouched(cache, capsys):
    assert intake.sounds("coughs") == "coughs"
    assert not cache.exists() and not capsys.readouterr().out


def test_a_folder_in_the_layout_of_esc50_passes_checked(own, cache, capsys):
    first = intake.sounds(clips(own, 10))
    capsys.readouterr()
    assert intake.sounds(first) == first and intake.sounds(first, "hum") == first
    assert [path.name for path in (cache / "intake").iterdir()] == [Path(first).name]
    with pytest.raises(ValueError, match="no category 'bark': near it are"):
        intake.sounds(first, "bark")
    meta = Path(first, "meta", "esc50.csv")
    pd.read_csv(meta).assign(src_file="one").to_csv(meta, index=False)
    with pytest.raises(ValueError, match="recording one in 5 folds"):
        intake.sounds(first)


def test_odd_files_in_the_layout_of_esc50_are_made_plain(own, tmp_path, capsys):
    """Folds and recordings stay; sizes of a pipe, phase and format do not reach the loader."""
    rows = []
    for fold in range(1, 6):
        for i, kind in enumerate(("hum", "hum", "noise", "wind")):
            name = f"{fold}-{10 * fold + i}-A-{i}.wav"
            sound = tone(300 + 100 * fold + 20 * i)
            save(own / "audio" / name, np.stack([sound, -sound], axis=1))
            rows.append((name, fold, kind, f"{10 * fold + i}"))
    first = own / "audio" / "1-10-A-0.wav"
    content = bytearray(first.read_bytes())
    at = content.index(b"data") + 4
    content[at : at + 4] = content[4:8] = bytes(4)
    first.write_bytes(content)
    (own / "audio" / "2-23-A-3.wav").write_text("x")
    (own / "meta").mkdir()
    table = pd.DataFrame(rows, columns=["filename", "fold", "category", "src_file"])
    table.to_csv(own / "meta" / "esc50.csv", index=False)
    path = Path(intake.sounds(own, "hum"))
    said = capsys.readouterr().out
    assert "1 file (2-23-A-3.wav) left out." in said and "of 20 clips are used" in said
    data = audio.load(path, positive="hum")
    assert data.table.groupby("split").size().to_dict() == {"train": 10, "validation": 4, "test": 4}
    assert (np.abs(data.train.x).max(axis=1) > 0.29).all()
    kept = pd.read_csv(path / "meta" / "esc50.csv", dtype=str)
    assert set(kept.filename.str.split("/").str[0]) == {"hum", "noise", "wind"}
    split = dict(zip(table.src_file, table.fold.map(audio.data.FOLDS), strict=True))
    for row in kept.itertuples():
        assert audio.data.FOLDS[int(row.fold)] == split[row.src_file]


def test_one_name_in_two_formats_and_folders_stays_two_files(own):
    clips(own, 10)
    for i, name in enumerate(("hum0-0.flac", "more/hum0-0.wav", "more/HUM0-0.wav")):
        save(own / "hum" / name, tone(4000 + 100 * i))
    assert len(meta_of(own)) == 63
    assert len(audio.load(intake.sounds(own)).table) == 60


def test_each_sound_is_decoded_once_and_kept_as_flac(own, monkeypatch):
    opened, real = [], soundfile.SoundFile.read

    def read(self, *args, **options):
        opened.append(Path(self.name))
        return real(self, *args, **options)

    clips(own, 10)
    save(own / "hum" / "hum0-9.wav", tone(500, 70))
    monkeypatch.setattr(soundfile.SoundFile, "read", read)
    path = Path(intake.sounds(own))
    assert sorted(opened) == sorted(own.rglob("*.wav"))
    kept = sorted((path / "audio").rglob("*.*"))
    assert len(kept) == 61 and {file.suffix for file in kept} == {".flac"}
    facts = [soundfile.info(file) for file in kept]
    assert {(fact.samplerate, fact.channels, fact.subtype) for fact in facts} == {
        (16_000, 1, "PCM_16")
    }
    assert max(fact.frames for fact in facts) == 160_000
    integers, _ = soundfile.read(own / "hum" / "hum0-0.wav", dtype="int16")
    np.testing.assert_array_equal(
        soundfile.read(path / "audio" / "hum" / "hum0-0.flac", dtype="int16")[0], integers
    )


def test_class_folders_come_out_in_the_layout_of_esc50(own, capsys):
    clips(own, 10)
    for i in range(20):
        save(own / "bang" / f"bang{i}.wav", tone(100 + i))
    path = Path(intake.sounds(str(own)))
    lines = capsys.readouterr().out
    assert "80 clips of 40 recordings: " in lines and "bang 20" in lines
    assert "'whistle' against all others: " in lines and "of 80 clips are used" in lines
    rows = pd.read_csv(path / "meta" / "esc50.csv")
    assert set(rows.fold) == {1, 2, 3, 4, 5} and len(rows) == 80
    assert {name.split("/")[0] for name in rows.filename} == {"bang", "hum", "whistle"}
    data = audio.load(path, per_class=5)
    assert data.class_names == ("other", "whistle")
    assert (data.table.groupby("split").label.mean() == 0.5).all()
    assert data.table.groupby("recording").split.nunique().max() == 1
    assert list(data.table.split.drop_duplicates()) == list(SPLITS)
    heard = [{x.tobytes() for x in examples.x} for _, examples in data.splits()]
    assert heard[0] and heard[2]
    assert not (heard[0] & heard[1] or heard[0] & heard[2] or heard[1] & heard[2])
    assert set(data.table[data.table.label == 0].kind) == {"bang", "hum"}
    assert audio.load(intake.sounds(own, "hum"), positive="hum").class_names == ("other", "hum")


def test_a_second_call_reads_no_sound(own, capsys, monkeypatch):
    first, lines = intake.sounds(clips(own, 10)), capsys.readouterr().out
    monkeypatch.setattr(room, "_listen", None)
    assert intake.sounds(own) == first and capsys.readouterr().out == lines
    monkeypatch.undo()


def test_a_changed_sound_is_checked_again(own):
    first = intake.sounds(clips(own, 10))
    save(own / "hum" / "hum0-0.wav", tone(50))
    assert intake.sounds(own) != first


def test_all_formats_are_read_at_any_depth(own, capsys):
    clips(own, 10)
    for kind, shift in (("hum", 0), ("whistle", 500)):
        formats = ((".flac", {}), (".ogg", {}), (".mp3", {}), (".aiff", {}),
                   (".opus", {"format": "OGG", "subtype": "OPUS"}), (".WAV", {}))  # fmt: skip
        for i, (suffix, options) in enumerate(formats):
            name = f"{kind}more{i}{suffix}"
            save(own / kind / "june" / "first week" / name, tone(3000 + shift + 50 * i), **options)
    assert "72 clips of 32 recordings" in (intake.sounds(own), capsys.readouterr().out)[1]
    assert audio.load(intake.sounds(own), per_class=20).train.x.shape[1] >= 1600


def test_what_cannot_be_read_is_left_out_and_named(own, capsys):
    clips(own, 10)
    save(own / "hum" / "hum0-9.wav", np.full(800, np.nan), subtype="FLOAT")
    (own / "hum" / "notes.txt").write_text("recorded in June")
    (own / "whistle" / "memo.m4a").write_bytes(b"\0\0\0\x20ftypM4A " + bytes(300))
    (own / "labels.csv").write_text("a,b")
    for system in ("__MACOSX/hum/._hum0-0.wav", "hum/.DS_Store", "hum/desktop.ini", "@eaDir/x.wav"):
        (own / system).parent.mkdir(parents=True, exist_ok=True)
        (own / system).write_bytes(bytes(80))
    intake.sounds(own)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("60 clips of 20 recordings")
    (line,) = (line for line in lines if line.startswith("3 files ("))
    assert "hum0-9.wav has 800 samples that are not numbers" in line
    assert "notes.txt" in line and "memo.m4a" in line
    assert any("labels.csv) left out. They lie beside the class folders" in line for line in lines)
    assert not any("MACOSX" in line or "desktop" in line for line in lines)


def test_copies_are_left_out_and_their_recordings_made_one(own, capsys):
    before = meta_of(clips(own))
    # The same sound under other names and in another format, as part of two more recordings.
    for take in (1, 2):
        integers, rate = soundfile.read(own / "hum" / f"hum0-{take}.wav", dtype="int16")
        save(own / "hum" / f"again-{take}.flac", integers, rate)
    save(own / "hum" / "again-3.wav", tone(777))
    save(own / "hum" / "third-1.wav", tone(321))
    capsys.readouterr()
    after = meta_of(own)
    assert "3 copies of the same sound left out" in capsys.readouterr().out
    assert len(after) == len(before) + 1
    assert after.src_file.nunique() == before.src_file.nunique()
    of = dict(zip(after.filename, after.src_file, strict=True))
    assert of["hum/again-3.flac"] == of["hum/hum0-0.flac"] != of["hum/hum1-0.flac"]


def test_one_name_in_two_classes_is_one_recording_and_said(own, capsys):
    for kind, shift in (("hum", 0), ("noise", 1000)):
        for i in range(12):
            name = f"New Recording {i}.wav" if i else "New Recording.wav"
            save(own / kind / name, tone(300 + shift + 20 * i))
    rows = meta_of(own)
    assert rows.groupby("src_file").fold.nunique().max() == 1 and rows.src_file.nunique() == 12
    said = capsys.readouterr().out
    assert "12 names are in more than one class folder" in said and "one recording" in said


def test_channels_out_of_phase_are_different_sounds(own, capsys):
    clips(own)
    for kind, hertz in (("hum", 5000), ("whistle", 6000)):
        both = np.stack([tone(hertz), -tone(hertz)], axis=1)
        save(own / kind / f"{kind}9-0.wav", both)
    assert "38 clips" in (intake.sounds(own), capsys.readouterr().out)[1]


def test_what_is_not_used_of_long_clips_is_said(own, capsys):
    clips(own)
    save(own / "hum" / "hum0-9.wav", tone(500, 10.5))
    intake.sounds(own)
    assert "1 clips are longer than 10 s: their first 10 s are used" in capsys.readouterr().out


def test_faults_of_a_folder_are_named(own, tmp_path):
    def fails(words, root, *positive):
        with pytest.raises(ValueError, match=words) as caught:
            intake.sounds(root, *positive)
        assert "\n" not in str(caught.value)

    fails("nowhere', and there is no such folder", tmp_path / "nowhere")
    own.mkdir()
    fails("at least two classes, and has none", own)
    (own / "hum").mkdir()
    fails("at least two classes, and has only hum", own)
    (own / "whistle").mkdir()
    fails("hum holds no sounds: fill the folder or remove it", own)
    for kind in ("hum", "whistle"):
        (own / kind / "voice.wav").write_text("x")
    fails("hum has clips of 0 recordings.*2 cannot be read: .*voice.wav is not a sound", own)
    save(own / "whistle" / "voice.wav", tone(300))
    fails("hum has clips of 0 recordings.*1 cannot be read: .*voice.wav is not a sound", own)
    fails("hum has clips of 2 recordings", clips(tmp_path / "few", 2, 9))
    clips(own)
    fails("'bark': set the dial positive to one of hum, whistle", own, "bark")
    save(own / "whistle" / "copy.wav", tone(300))
    fails("hum0-0.wav and .*copy.wav are the same sound in two classes", own)
