"""Reading sounds of any kind, the splits of a task, spectrograms, and YAMNet."""

import doctest
import functools
import importlib
import os
from pathlib import Path

import librosa
import numpy as np
import pandas as pd
import pytest
import soundfile

from course import fetch
from helpers import assets, audio, transfer
from helpers.data import SPLITS
from helpers.hub import HubLayer
from helpers.ready import keras, tf

ROOT = Path(__file__).resolve().parents[1]
SAMPLE = ROOT / "data" / "sample" / "sounds"
MIRROR = Path(os.environ.get("COURSE_MIRROR") or ROOT.parent / "shared" / "mirror")

with_mirror = pytest.mark.skipif(
    not (MIRROR / "index.json").is_file(), reason="needs a mirror (COURSE_MIRROR)"
)


def tone(seconds=1.0, rate=16000, hertz=440.0, level=0.3):
    return (level * np.sin(2 * np.pi * hertz * np.arange(int(seconds * rate)) / rate)).astype(
        "float32"
    )


def save(path, sound, rate=16000, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, sound, rate, **options)
    return path


def hertz_of(sound):
    sound = sound - sound.mean()
    return np.abs(np.fft.rfft(sound * np.hanning(len(sound)))).argmax() * 16000 / len(sound)


@pytest.mark.parametrize("room", ["data", "spectrograms"])
def test_the_examples_in_the_docstrings_are_right(room):
    failed, tried = doctest.testmod(importlib.import_module(f"helpers.audio.{room}"))
    assert tried and not failed


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
    assert abs(hertz_of(sound) - 440) < 1
    assert 0.28 < np.abs(sound[2000:-2000]).max() < 0.33


def test_channels_are_averaged(tmp_path):
    both = np.stack([tone(), np.zeros(16000)], axis=1)
    sound = audio.read_clip(save(tmp_path / "stereo.wav", both))
    np.testing.assert_allclose(sound, tone() / 2, atol=1e-4)


def test_a_clip_ends_at_its_limit(tmp_path):
    path = save(tmp_path / "clip.wav", np.concatenate([tone(1), tone(1, hertz=880)]))
    assert audio.read_clip(path, limit=0.5).shape == (8000,)
    assert audio.read_clip(path, limit=3).shape == (32000,)


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
        assert spectrogram.shape[1:] == (audio.padded_length(len(sound)) // 160 - 1, 64)


def test_only_the_beginning_of_an_hour_is_read(tmp_path, monkeypatch):
    path = tmp_path / "hour.flac"
    second = np.zeros(8000, np.int16)
    with soundfile.SoundFile(path, "w", 8000, 1, "PCM_16") as file:
        file.write(tone(2, 8000))
        for _ in range(3598):
            file.write(second)
    asked = []
    read = soundfile.SoundFile.read

    def count(self, frames=-1, *args, **options):
        asked.append(frames)
        return read(self, frames, *args, **options)

    monkeypatch.setattr(soundfile.SoundFile, "read", count)
    assert audio.read_clip(path, limit=2).shape == (32000,)
    assert audio.read_clip(path).shape == (60 * 16000,)
    assert 0 <= asked[0] < 3 * 8000 and 0 <= asked[1] < 61 * 8000


def test_what_is_no_sound_is_said(tmp_path):
    (tmp_path / "text.wav").write_text("not a sound")
    (tmp_path / "bare.raw").write_bytes(bytes(300))
    for name in ("text.wav", "bare.raw", "absent.wav"):
        with pytest.raises(ValueError, match=f"{name} is not a sound that can be read") as caught:
            audio.read_clip(tmp_path / name)
        assert "\n" not in str(caught.value)
    assert audio.read_clip(save(tmp_path / "none.wav", tone(0))).shape == (0,)


# --- a folder in ESC-50's layout ---


def esc50(root, coughs=3, others=5, torn=False):
    """Five folds with one recording a clip, in ESC-50's layout."""
    rows = []
    for fold in range(1, 6):
        for i in range(coughs + others):
            kind, target = ("coughing", 24) if i < coughs else (f"kind{i % 2}", i % 2)
            source = 7 if torn and i == 0 else 100 * fold + i
            name = f"{fold}-{source}-{'ABCDE'[fold - 1]}-{target}.wav"
            save(root / "audio" / name, tone(0.2, hertz=200 + 10 * source))
            rows.append((name, fold, target, kind, False, source, "A"))
    columns = ["filename", "fold", "target", "category", "esc10", "src_file", "take"]
    (root / "meta").mkdir()
    pd.DataFrame(rows, columns=columns).to_csv(root / "meta" / "esc50.csv", index=False)
    return root


def test_folds_become_splits_and_classes_are_balanced(tmp_path):
    data = audio.load(esc50(tmp_path))
    table = data.table
    assert list(table.columns) == ["split", "path", "kind", "recording", "label"]
    assert list(table.split.drop_duplicates()) == list(SPLITS)
    assert table.groupby(["split", "label"]).size().to_dict() == {
        ("test", 0): 3, ("test", 1): 3, ("train", 0): 9, ("train", 1): 9,
        ("validation", 0): 3, ("validation", 1): 3,
    }  # fmt: skip
    kinds = table[(table.split == "train") & (table.label == 0)].kind.value_counts()
    assert kinds.max() - kinds.min() <= 1
    assert table.groupby("recording").split.nunique().max() == 1
    assert data.class_names == (audio.OTHER, "coughing")
    assert data.train.x.shape == (18, 3200) and data.train.x.dtype == np.float32
    assert data.train.y.dtype == np.int32
    for name, examples in data.splits():
        rows = table[table.split == name]
        np.testing.assert_array_equal(examples.y, rows.label)
        np.testing.assert_array_equal(examples.x[-1], audio.read_clip(rows.path.iloc[-1]))


def test_the_larger_class_is_drawn_down_whichever_it_is(tmp_path):
    table, _ = audio.clip_table(esc50(tmp_path, coughs=6, others=2))
    assert (table.groupby("split").label.mean() == 0.5).all()
    assert audio.clip_table(tmp_path)[0].equals(table)


def test_another_kind_can_be_the_positive_one(tmp_path):
    assert audio.load(esc50(tmp_path), positive="kind0").class_names == ("other", "kind0")
    meta = tmp_path / "meta" / "esc50.csv"
    rows = pd.read_csv(meta).replace({"category": {"coughing": "a sneeze"}})
    rows.to_csv(meta, index=False)
    assert audio.load(tmp_path).class_names == ("other", "kind1")  # without coughs the last


def test_each_clip_is_decoded_once_and_kept_once(tmp_path, monkeypatch):
    root, decoded = esc50(tmp_path), []
    read = soundfile.SoundFile.read

    def count(self, *args, **options):
        decoded.append(Path(self.name).name)
        return read(self, *args, **options)

    monkeypatch.setattr(soundfile.SoundFile, "read", count)
    data = audio.load(root)
    assert sorted(decoded) == sorted(path.name for path in data.table.path)
    # The splits are parts of one array.
    assert data.train.x.base is data.validation.x.base is data.test.x.base is not None
    assert data.test.x.base.nbytes == 4 * 30 * 3200


def test_clips_of_unequal_length_are_filled_and_cut_at_10_s(tmp_path):
    root = esc50(tmp_path)
    path = audio.clip_table(root)[0].path[4]
    save(path, tone(1.5))
    x = audio.load(root).train.x
    assert x.shape[1] == 24_000 and not x[0, 3200:].any()
    save(path, tone(11))
    assert audio.load(root).train.x.shape[1] == 160_000


def test_faults_of_a_layout_are_named(tmp_path):
    def fails(words, root, **options):
        with pytest.raises(ValueError, match=words) as caught:
            audio.load(root, **options)
        assert "\n" not in str(caught.value)

    fails("There is no .*esc50.csv: give a folder that is laid out", tmp_path)
    fails("recording 7 in 5 folds", esc50(tmp_path / "torn", torn=True))
    good = esc50(tmp_path / "good")
    fails("no category 'coughs': near it are coughing", good, positive="coughs")
    fails("has 9 training clips per class, and 99 are needed: ask for fewer", good, per_class=99)
    for path in (good / "audio").glob("2-20[01]-*"):
        path.write_text("x")
    fails(r"2-200-B-24.wav is not a sound that can be read", good)
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
    rows[:0].to_csv(meta, index=False)
    fails("is no table of ESC-50", good)


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
    data = audio.load()
    assert data.class_names == ("other", "coughing")
    assert len(data.train.y) >= 180 and len(data.test.y) >= 100
    assert data.train.x.shape[1] == audio.padded_length(data.train.x.shape[1])
    assert np.abs(data.train.x).max() <= 1
    assert data.table.equals(audio.clip_table(SAMPLE)[0])


# --- spectrograms ---


def by_librosa(clip):
    filled = audio.fit_length(clip, audio.padded_length(len(clip)))
    # librosa puts a window of 400 in the middle of 512 samples, TensorFlow at their beginning.
    spectrum = librosa.stft(
        y=np.pad(filled, 56), n_fft=512, hop_length=160, win_length=400, center=False
    )
    return np.log(np.abs(spectrum).T @ tf_weights() + 0.001)


@functools.cache
def tf_weights():
    return tf.signal.linear_to_mel_weight_matrix(64, 257, 16000, 125.0, 7500.0).numpy()


def test_librosa_and_tensorflow_agree_on_every_bundled_clip():
    clips = [audio.read_clip(path) for path in sample_clips()]
    samples = max(map(len, clips))
    clips = np.stack([audio.fit_length(clip, samples) for clip in clips])
    theirs = np.stack([by_librosa(clip) for clip in clips])
    assert np.abs(theirs - audio.log_mel(clips)).max() < 1e-3


def test_resampling_equals_librosas(tmp_path):
    noise = np.random.default_rng(0).normal(0, 0.1, 44_101).astype("float32")
    path = save(tmp_path / "noise.wav", noise, 44_100, subtype="FLOAT")
    theirs = librosa.resample(y=noise, orig_sr=44_100, target_sr=16_000, res_type="soxr_hq")
    np.testing.assert_allclose(audio.read_clip(path), theirs, atol=1e-6)


def test_librosas_own_triangles_are_others():
    other = librosa.filters.mel(sr=16000, n_fft=512, n_mels=64, fmin=125, fmax=7500, htk=True,
                                norm=None)  # fmt: skip
    assert np.abs(other.T - tf_weights()).max() > 0.002


def test_shapes():
    waveforms = np.stack([tone(2.415), tone(2.415, hertz=900)])
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
    assert (frames - 96) % 48 == 0 and frames >= 96
    assert int(audio.padded_length(tf.constant(samples))) == audio.padded_length(samples)


def test_one_waveform_and_a_batch_of_unknown_length_give_the_same():
    waveforms = np.stack([tone(1.1), tone(1.1, hertz=900)])
    batch = audio.log_mel(waveforms)
    unknown = tf.function(audio.log_mel, input_signature=[tf.TensorSpec([None, None])])
    np.testing.assert_allclose(unknown(waveforms), batch, atol=1e-5)
    np.testing.assert_allclose(audio.log_mel(waveforms[1]), batch[1], atol=1e-5)
    np.testing.assert_array_equal(audio.patches(batch[1]), audio.patches(batch)[1])


# --- YAMNet ---


@pytest.fixture
def full(monkeypatch):
    """The real sounds and modules of a mirror, brought into the cache."""
    monkeypatch.setenv("COURSE_MIRROR", str(MIRROR))
    return lambda *names: fetch.download(*names)


@pytest.fixture(scope="module")
def heard():
    """Four bundled clips, and what the module itself says of each."""
    assets.use("sample")
    waveforms = np.stack([audio.read_clip(path) for path in sample_clips()[::100][:4]])
    layer = audio.YamnetLayer()
    return waveforms, [[output.numpy() for output in HubLayer.call(layer, w)] for w in waveforms]


def test_a_batch_hears_what_the_module_hears(heard):
    waveforms, expected = heard
    model = audio.yamnet()
    assert transfer.trainable_parameter_count(model) == 0 and model.count_params() > 100_000
    lengths = [np.linalg.norm(embeddings, axis=1, keepdims=True) for _, embeddings, _ in expected]
    pairs = zip(expected, lengths, strict=True)
    means = np.stack([(embeddings / length).mean(axis=0) for (_, embeddings, _), length in pairs])
    np.testing.assert_allclose(model(waveforms), means, rtol=1e-4, atol=1e-5)


def test_a_folder_of_ones_own_is_a_backbone(heard):
    folder = str(assets.path("yamnet"))
    np.testing.assert_allclose(
        audio.yamnet(module=folder)(heard[0]), audio.yamnet()(heard[0]), rtol=1e-6
    )


def test_the_spectrogram_is_the_modules_third_output(heard):
    waveforms, expected = heard
    for waveform, (_, _, spectrogram) in zip(waveforms, expected, strict=True):
        np.testing.assert_allclose(audio.log_mel(waveform[None])[0], spectrogram, atol=1e-2)


@pytest.mark.usefixtures("eager")
def test_the_layer_learns_when_it_is_unfrozen_and_is_loaded_as_it_was_saved(heard, tmp_path):
    whole = keras.Sequential([audio.yamnet(), keras.layers.Dense(2, activation="softmax")])
    transfer.unfreeze_all(whole)
    before = transfer.snapshot(whole)
    whole.compile(keras.optimizers.Adam(1e-3), "sparse_categorical_crossentropy")
    whole.fit(heard[0], np.array([0, 1, 0, 1]), batch_size=4, verbose=0)
    moved = transfer.what_moved(before, whole)
    assert any("layer1-" in path for path in moved.weights) and not moved.statistics
    whole.save(tmp_path / "whole.keras")
    again = keras.models.load_model(tmp_path / "whole.keras")
    np.testing.assert_allclose(again(heard[0]), whole(heard[0]), rtol=1e-4, atol=1e-4)
    transfer.freeze(whole)
    assert transfer.trainable_parameter_count(whole) == 0


@with_mirror
def test_real_clips_make_the_modules_spectrogram(full):
    full("environmental-sounds", "yamnet")
    sounds = assets.path("environmental-sounds", profile="full")
    layer = audio.YamnetLayer(profile="full")
    worst = 0
    for path in sorted((sounds / "audio").iterdir())[::16]:
        clip = audio.read_clip(path)
        theirs = HubLayer.call(layer, clip)[2].numpy()
        for ours in (by_librosa(clip), audio.log_mel(clip[None])[0].numpy()):
            worst = max(worst, np.abs(ours - theirs).max())
    assert worst < 1e-2


@with_mirror
def test_real_clips_load_by_recording(full):
    full("environmental-sounds", "spoken-digits")
    table, _ = audio.clip_table(assets.path("environmental-sounds", profile="full"))
    assert (table.groupby("split").label.mean() == 0.5).all()
    assert table.groupby("recording").split.nunique().max() == 1
    digits = assets.path("spoken-digits", profile="full")
    assert audio.read_clip(next(digits.rglob("*.wav")), limit=0.2).shape == (3200,)
