"""Reading sounds of any kind, splitting them by recording, spectrograms, and YAMNet."""

import html
import os
import re
import time
from pathlib import Path

import librosa
import numpy as np
import pandas as pd
import pytest
import soundfile

from helpers import assets, audio, plots, transfer
from helpers.quiet import keras, tf

ROOT = Path(__file__).resolve().parents[1]
SAMPLE = ROOT / "data" / "sample" / "sounds"
MIRROR = Path(os.environ.get("COURSE_MIRROR") or ROOT.parent / "shared" / "mirror")

with_mirror = pytest.mark.skipif(
    not (MIRROR / "index.json").is_file(), reason="needs a mirror (COURSE_MIRROR)"
)


def tone(seconds=1.0, rate=16000, pitch=440.0, level=0.3):
    return (level * np.sin(2 * np.pi * pitch * np.arange(int(seconds * rate)) / rate)).astype(
        "float32"
    )


def save(path, sound, rate=16000, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, sound, rate, **options)
    return path


def pitch_of(sound):
    return np.abs(np.fft.rfft(sound * np.hanning(len(sound)))).argmax() * 16000 / len(sound)


# --- one clip ---


@pytest.mark.parametrize(
    ("name", "rate", "options"),
    [
        ("plain.wav", 16000, {}),
        ("eight bits.wav", 16000, {"subtype": "PCM_U8"}),
        ("twenty-four bits.wav", 16000, {"subtype": "PCM_24"}),
        ("float.wav", 16000, {"subtype": "FLOAT"}),
        ("fine.wav", 96000, {"subtype": "PCM_24"}),
        ("telephone.wav", 8000, {}),
        ("disc.flac", 44100, {}),
        ("small.ogg", 48000, {"format": "OGG", "subtype": "VORBIS"}),
    ],
)
def test_any_kind_of_file_becomes_16_khz(tmp_path, name, rate, options):
    sound = audio.read_clip(save(tmp_path / name, tone(1.5, rate), rate, **options))
    assert sound.shape == (24000,) and sound.dtype == np.float32
    assert abs(pitch_of(sound) - 440) < 1
    assert 0.28 < np.abs(sound[2000:-2000]).max() < 0.33


def test_channels_are_averaged(tmp_path):
    both = np.stack([tone(), np.zeros(16000)], axis=1)
    sound = audio.read_clip(save(tmp_path / "stereo.wav", both))
    np.testing.assert_allclose(sound, tone() / 2, atol=1e-4)


def test_a_window_is_cut_or_filled(tmp_path):
    path = save(tmp_path / "clip.wav", np.concatenate([tone(1), tone(1, pitch=880)]))
    assert audio.read_clip(path, 0.5).shape == (8000,)
    filled = audio.read_clip(path, 3)
    assert filled.shape == (48000,) and not filled[32000:].any() and filled[31000:32000].any()
    assert abs(pitch_of(audio.read_clip(path, 0.5, start=1.2)) - 880) < 2


def test_what_is_too_loud_is_scaled_down(tmp_path):
    path = save(tmp_path / "integers.wav", tone() * 32768, subtype="FLOAT")
    assert np.abs(audio.read_clip(path)).max() == pytest.approx(1)


def test_short_and_silent_clips_go_all_the_way(tmp_path):
    short = audio.read_clip(save(tmp_path / "short.wav", tone(0.05)))
    assert short.shape == (800,)
    silent = audio.read_clip(save(tmp_path / "silent.wav", np.zeros(16000)))
    assert not silent.any()
    for sound in (short, silent):
        spectrogram = audio.log_mel(sound[None])
        assert np.isfinite(spectrogram).all() and audio.patches(spectrogram).shape[1] >= 1
        assert audio.log_mel_librosa(sound).shape == spectrogram.shape[1:]


def test_only_a_window_of_an_hour_is_read(tmp_path):
    path = tmp_path / "hour.flac"
    second = np.zeros(8000, np.int16)
    with soundfile.SoundFile(path, "w", 8000, 1, "PCM_16") as file:
        file.write(tone(2, 8000))
        for _ in range(3598):
            file.write(second)
    start = time.perf_counter()
    assert audio.read_clip(path, 2).shape == (32000,)
    assert audio.read_clip(path).shape == (60 * 16000,)
    assert not audio.read_clip(path, 1, start=3000).any()
    assert time.perf_counter() - start < 3


def test_faults_of_a_file_are_told(tmp_path):
    broken = tone()
    broken[[5, 9]] = np.nan, np.inf
    text = tmp_path / "text.wav"
    text.write_text("not a sound")
    (tmp_path / "empty.wav").touch()
    (tmp_path / "song.mp3").write_bytes(b"ID3\x04" + bytes(300))
    (tmp_path / "voice.m4a").write_bytes(b"\0\0\0\x20ftypM4A " + bytes(300))
    for path, words in (
        (save(tmp_path / "nan.wav", broken, subtype="FLOAT"), "has 2 samples that are not num"),
        (text, "text.wav is not a sound that can be read"),
        (tmp_path / "empty.wav", "empty.wav is empty"),
        (save(tmp_path / "none.wav", tone(0)), "holds no samples"),
        (tmp_path / "absent.wav", "There is no sound file .*absent.wav: check the name"),
        (tmp_path, "There is no sound file"),
        (tmp_path / "song.mp3", r"song.mp3 has no decoder here \(.*\): save it as WAV"),
        (tmp_path / "voice.m4a", r"voice.m4a has no decoder here"),
    ):
        with pytest.raises(ValueError, match=words) as caught:
            audio.read_clip(path)
        assert "\n" not in str(caught.value)
    with pytest.raises(ValueError, match="is 1.00 s long, so no window begins at 2 s"):
        audio.read_clip(save(tmp_path / "clip.wav", tone()), 1, start=2)


@pytest.mark.parametrize("suffix", ["wav", "flac", "ogg"])
@pytest.mark.parametrize("share", [0.02, 0.6, 0.99])
def test_a_file_cut_short_is_told(tmp_path, suffix, share):
    noise = np.random.default_rng(0).normal(0, 0.1, 32000)
    whole = save(tmp_path / f"whole.{suffix}", noise).read_bytes()
    cut = tmp_path / f"cut.{suffix}"
    cut.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(
        ValueError, match=rf"cut.{suffix} is (cut short|not a sound).*: "
    ) as caught:
        audio.read_clip(cut)
    assert "\n" not in str(caught.value)


@pytest.mark.skipif("MP3" not in soundfile.available_formats(), reason="libsndfile without MP3")
def test_an_mp3_is_read_where_there_is_a_decoder(tmp_path):
    sound = audio.read_clip(save(tmp_path / "tone.mp3", tone(2, 44100), 44100), 1)
    assert sound.shape == (16000,) and abs(pitch_of(sound) - 440) < 2


# --- ESC-50's layout ---


def esc50(root, coughs=3, others=5, torn=False):
    """Five folds with one recording a clip, in ESC-50's layout."""
    rows = []
    for fold in range(1, 6):
        for i in range(coughs + others):
            kind, target = ("coughing", 24) if i < coughs else (f"kind{i % 2}", i % 2)
            source = 7 if torn and i == 0 else 100 * fold + i
            name = f"{fold}-{source}-{'ABCDE'[fold - 1]}-{target}.wav"
            save(root / "audio" / name, tone(0.2, pitch=200 + 10 * source))
            rows.append((name, fold, target, kind, False, source, "A"))
    columns = ["filename", "fold", "target", "category", "esc10", "src_file", "take"]
    (root / "meta").mkdir()
    pd.DataFrame(rows, columns=columns).to_csv(root / "meta" / "esc50.csv", index=False)
    return root


def load_sounds(root, positive="coughing", seconds=None):
    names = (audio.OTHER, positive)
    return audio.load_table(audio.sound_table(root, positive), names, seconds)


def test_folds_become_parts_and_classes_are_balanced(tmp_path):
    root = esc50(tmp_path)
    table = audio.sound_table(root)
    assert table.groupby(["part", "label"]).size().to_dict() == {
        ("test", 0): 3, ("test", 1): 3, ("train", 0): 9, ("train", 1): 9,
        ("validation", 0): 3, ("validation", 1): 3,
    }  # fmt: skip
    kinds = table[(table.part == "train") & (table.label == 0)].kind.value_counts()
    assert kinds.max() - kinds.min() <= 1
    assert table.groupby("recording").part.nunique().max() == 1
    splits = load_sounds(root)
    assert splits.class_names == ("other", "coughing")
    arrays = splits.arrays()
    assert arrays.train.x.shape == (18, 3200) and arrays.train.x.dtype == np.float32
    assert arrays.train.y.dtype == np.int32
    labels = np.concatenate([getattr(arrays, part).y for part in transfer.PARTS])
    np.testing.assert_array_equal(labels, table.label)
    last = audio.read_clip(table.path.iloc[-1])
    np.testing.assert_array_equal(arrays.test.x[-1], last)


def test_the_larger_class_is_drawn_down_whichever_it_is(tmp_path):
    table = audio.sound_table(esc50(tmp_path, coughs=6, others=2))
    assert (table.groupby("part").label.mean() == 0.5).all()
    assert audio.sound_table(tmp_path).equals(table)
    assert not audio.sound_table(tmp_path, seed=1).equals(table)


def test_the_key_follows_the_sounds(tmp_path):
    root = esc50(tmp_path)
    one, two = load_sounds(root), load_sounds(root)
    assert one.key == two.key != load_sounds(root, seconds=0.1).key
    path = audio.sound_table(root).path[0]
    save(path, tone(0.2, pitch=50))
    assert load_sounds(root).key != one.key


def test_faults_of_a_layout_are_told(tmp_path):
    def fails(words, root, **options):
        with pytest.raises(ValueError, match=words) as caught:
            load_sounds(root, **options)
        assert "\n" not in str(caught.value)

    fails("There is no .*esc50.csv: give a folder that is laid out", tmp_path)
    fails("recording 7 in 5 folds", esc50(tmp_path / "torn", torn=True))
    good = esc50(tmp_path / "good")
    fails("no category 'coughs': near it are coughing", good, positive="coughs")
    for path in (good / "audio").glob("2-20[01]-*"):
        path.write_text("x")
    fails(r"is not a sound.*\(1 more are unreadable, too.\)", good)
    for path in (good / "audio").glob("2-*"):
        path.unlink()
    fails("lacks 2-200-B-24.wav and 7 more clips", good)
    meta = good / "meta" / "esc50.csv"
    rows = pd.read_csv(meta)
    rows[rows.fold != 2].assign(fold=lambda r: r.fold + 1).to_csv(meta, index=False)
    fails("has the fold 6", good)
    rows[(rows.fold != 4) & (rows.fold != 2)].to_csv(meta, index=False)
    fails(r"Folds \(4,\) of .* hold no clips", good)
    rows.drop(columns="fold").to_csv(meta, index=False)
    fails("is no table of ESC-50", good)


# --- a folder a class ---


def clips(root, recordings=6, takes=3):
    for label, name in enumerate(("hum", "whistle")):
        for r in range(recordings):
            for t in range(takes):
                path = root / name / f"{name}{r}-{t}.wav"
                save(path, tone(0.1, pitch=300 + 1000 * label + 20 * r + t))
    return root


@pytest.mark.parametrize(
    ("name", "recording"),
    [
        ("1-17367-A-10.wav", "17367"),  # ESC-50
        ("kitchen-01.wav", "kitchen"),
        ("my_kitchen_2.flac", "my_kitchen"),
        ("anna-kitchen-03.ogg", "anna-kitchen"),
        ("rain.wav", "rain"),
        ("-3.wav", "-3"),
    ],
)
def test_a_name_tells_its_recording(name, recording):
    assert audio.recording_of(Path(name)) == recording


def test_copies_are_left_out_and_their_recordings_made_one(tmp_path):
    clips(tmp_path)
    once, _ = audio.clip_table(tmp_path)
    # The same sound under other names and in another format, as part of two more recordings.
    for take in (1, 2):
        integers, rate = soundfile.read(tmp_path / "hum" / f"hum0-{take}.wav", dtype="int16")
        save(tmp_path / "hum" / f"again-{take}.flac", integers, rate)
    save(tmp_path / "hum" / "again-3.wav", tone(0.1, pitch=777))
    save(tmp_path / "hum" / "third-1.wav", tone(0.1, pitch=321))
    table, _ = audio.clip_table(tmp_path)
    assert len(table) == len(once) + 1
    assert table.recording.nunique() == once.recording.nunique()
    of = {path.stem: name for path, name in zip(table.path, table.recording, strict=True)}
    assert of["again-3"] == of["hum0-0"] != of["hum1-0"]  # again-1 and again-2 tell it


def sounds_in(splits):
    return [{x.tobytes() for x in part.x} for part in (splits.arrays().train,
            splits.arrays().validation, splits.arrays().test)]  # fmt: skip


def test_the_dials_take_a_folder_of_ones_own(tmp_path, capsys):
    clips(tmp_path, recordings=10)
    for i in range(20):
        save(tmp_path / "bang" / f"bang{i}.wav", tone(0.1, pitch=100 + i))
    splits, table = audio.load(str(tmp_path), need=5)
    said = capsys.readouterr().out
    assert "80 clips of 40 recordings" in said and "left out, so that each part has both" in said
    assert splits.class_names == ("other", "whistle")
    assert (table.groupby("part").label.mean() == 0.5).all()
    assert table.groupby("recording").part.nunique().max() == 1
    train, validation, test = sounds_in(splits)
    assert train and test and not (train & validation or train & test or validation & test)
    assert set(table[table.label == 0].kind) == {"bang", "hum"}
    assert splits.key == audio.load(str(tmp_path))[0].key != audio.load(str(tmp_path), "hum")[0].key
    np.testing.assert_array_equal(splits.arrays().test.y, table[table.part == "test"].label)


def test_the_dials_take_a_layout_like_esc50(tmp_path):
    splits, table = audio.load(str(esc50(tmp_path)))
    assert splits.class_names == ("other", "coughing")
    assert table.equals(audio.sound_table(tmp_path))


def test_faults_of_a_dial_are_told(tmp_path):
    def fails(words, *dials, **options):
        with pytest.raises(ValueError, match=words) as caught:
            audio.load(*map(str, dials), **options)
        assert "\n" not in str(caught.value)

    fails("There is no folder .*nowhere: give", tmp_path / "nowhere")
    clips(tmp_path / "own")
    fails("'bark': set the dial positive to one of hum, whistle", tmp_path / "own", "bark")
    fails("clips a class, and the dial table asks for 99: lower", tmp_path / "own", need=99)
    save(tmp_path / "own" / "whistle" / "copy.wav", tone(0.1, pitch=300))
    fails("hum0-0.wav and .*copy.wav are the same sound in two classes", tmp_path / "own")
    (tmp_path / "own" / "whistle" / "copy.wav").write_text("x")
    fails("copy.wav is not a sound", tmp_path / "own")


def test_an_upload_is_told_by_its_own_name(tmp_path):
    path = save(tmp_path / "cough.flac", tone(1.5))
    sound = audio.read_upload("my cough.flac", path.read_bytes())
    np.testing.assert_array_equal(sound, audio.read_clip(path))
    with pytest.raises(ValueError, match="^my cough.wav is not a sound"):
        audio.read_upload("my cough.wav", b"RIFFnothing")


def test_own_clips_are_split_by_recording(tmp_path):
    table, names = audio.clip_table(clips(tmp_path))
    assert names == ("hum", "whistle")
    assert table.groupby("recording").part.nunique().max() == 1
    assert set(table.part) == set(transfer.PARTS)
    splits = audio.load_table(table, names, 0.5)
    assert splits.arrays().train.x.shape[1] == 8000
    by_take, _ = audio.clip_table(clips(tmp_path / "b", 2, 5), lambda path: path.stem)
    assert by_take.recording.nunique() == 20
    assert list(table.part.drop_duplicates()) == list(transfer.PARTS)


def test_faults_of_own_clips_are_told(tmp_path):
    def fails(words, root):
        with pytest.raises(ValueError, match=words) as caught:
            audio.load_table(*audio.clip_table(root))
        assert "\n" not in str(caught.value)

    fails("There is no folder", tmp_path / "nowhere")
    fails("at least two classes, and has none", tmp_path)
    (tmp_path / "hum").mkdir()
    fails("at least two classes, and has only hum", tmp_path)
    (tmp_path / "whistle").mkdir()
    fails("hum has clips of 0 recordings", tmp_path)
    fails("hum has clips of 2 recordings", clips(tmp_path / "few", 2, 9))


def test_memory_does_not_grow_with_the_clips(tmp_path):
    path = save(tmp_path / "clip.wav", tone(5))
    table = pd.DataFrame({"part": "train", "path": [path] * 600, "label": np.int32(0)})
    table.loc[:1, "part"] = "test", "validation"
    splits = audio.load_table(table, ("a", "b"))
    peak, now = 0, _resident()
    for x, _ in splits.train:
        peak = max(peak, _resident() - now)
        assert x.shape[1] == 80000
    assert peak < 100e6  # all of them would be 192 MB


def _resident():
    status = Path("/proc/self/statm")
    if not status.is_file():
        pytest.skip("needs /proc")
    return int(status.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


# --- the bundled sounds ---


def sample_clips():
    return sorted((SAMPLE / "audio").iterdir())


def test_bundled_folds_share_no_speaker_and_are_balanced():
    rows = pd.read_csv(SAMPLE / "meta" / "esc50.csv")
    assert rows.groupby("src_file").fold.nunique().max() == 1
    assert len(sample_clips()) == len(rows) >= 300
    coughs = rows.category == "coughing"
    assert (coughs.groupby(rows.fold).mean() == 0.5).all()
    assert (rows[coughs].target == 24).all() and rows[~coughs].category.nunique() >= 8
    # Every recording holds both: the channel tells nothing.
    assert (coughs.groupby(rows.src_file).mean() == 0.5).all()
    sizes = [path.stat().st_size for path in SAMPLE.rglob("*") if path.is_file()]
    assert sum(sizes) < 6_000_000


def test_bundled_coughs_load():
    assets.use("sample")
    arrays = audio.load()[0].arrays()
    assert arrays.class_names == ("other", "coughing")
    assert len(arrays.train.y) >= 180 and len(arrays.test.y) >= 100
    assert arrays.train.x.shape[1] == audio.padded_length(arrays.train.x.shape[1])
    assert np.abs(arrays.train.x).max() <= 1


# --- spectrograms ---


def test_librosa_and_tensorflow_agree_on_every_bundled_clip():
    worst = 0
    for path in sample_clips():
        clip = audio.read_clip(path)
        ours, theirs = audio.log_mel_librosa(clip), audio.log_mel(clip[None])[0].numpy()
        worst = max(worst, np.abs(ours - theirs).max())
    assert worst < 1e-3


def test_librosas_own_triangles_are_others():
    other = librosa.filters.mel(sr=16000, n_fft=512, n_mels=64, fmin=125, fmax=7500, htk=True,
                                norm=None)  # fmt: skip
    assert np.abs(other.T - audio.mel_weights()).max() > 0.002
    theirs = tf.signal.linear_to_mel_weight_matrix(64, 257, 16000, 125.0, 7500.0)
    np.testing.assert_allclose(audio.mel_weights(), theirs, atol=1e-4)


def test_shapes():
    waveforms = np.stack([tone(2.415), tone(2.415, pitch=900)])
    spectrograms = audio.log_mel(waveforms)
    assert spectrograms.shape == (2, 240, 64) and audio.patches(spectrograms).shape == (
        2,
        4,
        96,
        64,
    )
    # The tone stands in the band that holds its frequency.
    band = int(np.argmax(spectrograms[0, 100]))
    edges = librosa.mel_frequencies(n_mels=66, fmin=125, fmax=7500, htk=True)
    assert edges[band] < 440 < edges[band + 2]


@pytest.mark.parametrize("samples", [1, 800, 15600, 15601, 38640, 80000])
def test_padding_is_yamnets(samples):
    frames = audio.log_mel(np.zeros((1, samples))).shape[1]
    assert frames == audio.log_mel_librosa(np.zeros(samples)).shape[0]
    assert (frames - 96) % 48 == 0 and frames >= 96


def test_a_player_moves_a_cursor_over_its_picture():
    sound = tone(0.975)
    with plots.collect() as shown:
        plots.listen_along(
            sound, audio.log_mel_librosa(sound), {"a & b": [0.25]}, [0.48], 'my "tone"', alt="One."
        )
    (page,) = shown
    assert 'alt="One."' in page and 'aria-label="my &quot;tone&quot;"' in page
    assert "patch around 0.48 s: a &amp; b 25%" in page and "data:audio/wav;base64," in page
    for handler in ("ontimeupdate", "onplay"):
        code = html.unescape(re.search(rf'{handler}="([^"]*)"', page)[1])
        assert "this.currentTime/0.96" in code and code.count("{") == code.count("}")


# --- YAMNet ---


@pytest.fixture(scope="module")
def profile():
    """The profile whose YAMNet can be had here: the bundled narrow one, or the mirror's."""
    kept = assets.profile(), os.environ.get("COURSE_MIRROR")
    if "yamnet" in assets.names("sample"):
        assets.use("sample")
    elif (MIRROR / "index.json").is_file():
        os.environ["COURSE_MIRROR"] = str(MIRROR)
        assets.use("full")
    else:
        pytest.skip("needs the bundled YAMNet, or a mirror (COURSE_MIRROR)")
    yield assets.profile()
    assets.use(kept[0])
    os.environ.pop("COURSE_MIRROR", None)
    if kept[1]:
        os.environ["COURSE_MIRROR"] = kept[1]


@pytest.fixture(scope="module")
def heard(profile):
    """Four bundled clips, and what the module itself says of each."""
    waveforms = np.stack([audio.read_clip(path) for path in sample_clips()[::100][:4]])
    module = audio.YamnetLayer()._callable
    return waveforms, [[output.numpy() for output in module(w)] for w in waveforms]


def test_a_batch_hears_what_the_module_hears(heard):
    waveforms, expected = heard
    model = audio.yamnet()
    assert transfer.trained_parameters(model) == 0 and model.count_params() > 100_000
    lengths = [np.linalg.norm(embeddings, axis=1, keepdims=True) for _, embeddings, _ in expected]
    pairs = zip(expected, lengths, strict=True)
    means = np.stack([(embeddings / length).mean(axis=0) for (_, embeddings, _), length in pairs])
    np.testing.assert_allclose(model(waveforms), means, rtol=1e-4, atol=1e-5)
    patchwise, names = audio.yamnet_patches()
    for output, column in zip(patchwise(waveforms), zip(*expected, strict=True), strict=True):
        np.testing.assert_allclose(output, np.stack(column), rtol=1e-4, atol=1e-4)
    assert len(names) == expected[0][0].shape[1] and len(set(names)) == len(names)


def test_a_folder_of_ones_own_is_a_backbone(heard, profile):
    folder = str(assets.path("yamnet"))
    np.testing.assert_allclose(
        audio.yamnet(module=folder)(heard[0]), audio.yamnet()(heard[0]), rtol=1e-6
    )
    assert audio.yamnet_patches(folder)[1] == audio.yamnet_patches()[1]


def test_the_spectrogram_is_the_modules_third_output(heard):
    waveforms, expected = heard
    for waveform, (_, _, spectrogram) in zip(waveforms, expected, strict=True):
        np.testing.assert_allclose(audio.log_mel_librosa(waveform), spectrogram, atol=1e-2)
        np.testing.assert_allclose(audio.log_mel(waveform[None])[0], spectrogram, atol=1e-2)


def test_the_last_blocks_learn_and_no_others(heard):
    model = audio.yamnet(last_blocks=1)
    transfer.unfreeze_all(model)
    before = transfer.snapshot(model)
    whole = keras.Sequential([model, keras.layers.Dense(2, activation="softmax")])
    whole.compile(keras.optimizers.Adam(1e-3), "sparse_categorical_crossentropy")
    whole.fit(heard[0], np.array([0, 1, 0, 1]), batch_size=4, verbose=0)
    moved = transfer.what_moved(before, model)
    assert moved and all("layer14" in path or "layer13" in path for path in moved.weights)
    assert not moved.statistics
    again = keras.models.clone_model(audio.yamnet(last_blocks=1))
    transfer.unfreeze_all(again)
    again.set_weights(model.get_weights())
    assert transfer.trained_parameters(again) == transfer.trained_parameters(model)
    np.testing.assert_allclose(again(heard[0]), model(heard[0]), rtol=1e-4, atol=1e-4)
    transfer.freeze(model)
    assert transfer.trained_parameters(model) == 0


@with_mirror
def test_real_clips_make_the_modules_spectrogram(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_MIRROR", str(MIRROR))
    sounds = assets.path("environmental-sounds", profile="full")
    module = audio.YamnetLayer(profile="full")._callable
    worst = 0
    for path in sorted((sounds / "audio").iterdir())[::16]:
        clip = audio.read_clip(path)
        theirs = module(clip)[2].numpy()
        for ours in (audio.log_mel_librosa(clip), audio.log_mel(clip[None])[0].numpy()):
            worst = max(worst, np.abs(ours - theirs).max())
    assert worst < 1e-2


@with_mirror
def test_real_clips_load_by_recording(monkeypatch):
    monkeypatch.setenv("COURSE_MIRROR", str(MIRROR))
    table = audio.sound_table(assets.path("environmental-sounds", profile="full"))
    assert (table.groupby("part").label.mean() == 0.5).all()
    assert table.groupby("recording").part.nunique().max() == 1
    digits = assets.path("spoken-digits", profile="full")
    assert audio.read_clip(next(digits.rglob("*.wav")), 1).shape == (16000,)


def test_masks_start_over_with_a_seed():
    """The same seed hides the same places, whatever was masked before."""
    inputs = keras.Input((60, 64, 1))
    outputs = audio.Masks(axis=2, width=8)(audio.Masks(axis=1, width=20)(inputs))
    model = keras.Model(inputs, outputs)
    model.compile("sgd", "mse")
    pictures = np.random.default_rng(0).normal(size=(4, 60, 64, 1)).astype("float32")

    def masked(seed):
        transfer.start_over(model, seed)
        return [np.asarray(model(pictures, training=True)) for _ in range(2)]

    first, other, again = masked(3), masked(4), masked(3)
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first[0], first[1])
    assert not np.array_equal(first[0], other[0])
    changed = (first[0] != pictures).any(axis=(0, 3))
    assert changed.any(axis=1).sum() >= 20 and changed.any(axis=0).sum() >= 8


def test_masks_are_loaded_as_they_were_saved(tmp_path):
    model = keras.Sequential([keras.Input((30, 64, 1)), audio.Masks(1, 10, seed=5)])
    model.save(tmp_path / "masks.keras")
    back = keras.models.load_model(tmp_path / "masks.keras").layers[0]
    assert (back.axis, back.width, back.seed) == (1, 10, 5)
