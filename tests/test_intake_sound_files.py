"""One sound file of any kind that people have: read whole, brought to 16 kHz, or refused."""

import struct

import numpy as np
import pytest
import soundfile

from course.intake import read_sound


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


def test_faults_of_a_file_are_named(tmp_path):
    broken = tone()
    broken[[5, 9]] = np.nan, np.inf
    text = tmp_path / "text.wav"
    text.write_text("not a sound")
    (tmp_path / "empty.wav").touch()
    (tmp_path / "bare.raw").write_bytes(bytes(300))
    (tmp_path / "song.mp3").write_bytes(b"ID3\x04" + bytes(300))
    (tmp_path / "voice.m4a").write_bytes(b"\0\0\0\x20ftypM4A " + bytes(300))
    for path, words in (
        (save(tmp_path / "nan.wav", broken, subtype="FLOAT"), "has 2 samples that are not num"),
        (text, "text.wav is not a sound that can be read"),
        (tmp_path / "empty.wav", "empty.wav is empty"),
        (tmp_path / "bare.raw", "bare.raw is not a sound that can be read"),
        (save(tmp_path / "none.wav", tone(0)), "holds no samples"),
        (tmp_path / "absent.wav", "There is no sound file .*absent.wav: check the name"),
        (tmp_path, "There is no sound file"),
        (tmp_path / "song.mp3", r"song.mp3 has no decoder here \(.*\): save it as WAV"),
        (tmp_path / "voice.m4a", r"voice.m4a has no decoder here"),
    ):
        with pytest.raises(ValueError, match=words) as caught:
            read_sound(path)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("suffix", ["wav", "flac", "ogg", "aiff"])
@pytest.mark.parametrize("share", [0.02, 0.6, 0.99])
def test_a_file_cut_short_is_refused(tmp_path, suffix, share):
    noise = np.random.default_rng(0).normal(0, 0.1, 32000)
    whole = save(tmp_path / f"whole.{suffix}", noise).read_bytes()
    cut = tmp_path / f"cut.{suffix}"
    cut.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(ValueError, match=rf"cut.{suffix} is (cut short|not a sound).*: ") as caught:
        read_sound(cut)
    assert "\n" not in str(caught.value)


# --- files as recorders, browsers and telephones write them ---


def wav(sound, *, riff=None, size=None, before=b"", after=b"", rate=16000):
    """The bytes of a WAV of 16 bits, with these sizes in its header."""
    body = np.round(sound * 32_767).astype("<i2").tobytes()
    form = b"fmt " + struct.pack("<IHHIIHH", 16, 1, 1, rate, 2 * rate, 2, 16)
    data = b"data" + struct.pack("<I", len(body) if size is None else size) + body
    whole = b"WAVE" + before + form + data + after
    return b"RIFF" + struct.pack("<I", len(whole) if riff is None else riff) + whole


JUNK = b"JUNK" + struct.pack("<I", 28) + b"data" + bytes(24)
TAGS = b"LIST" + struct.pack("<I", 18) + b"INFOISFT" + struct.pack("<I", 6) + b"Lavf58"


@pytest.mark.parametrize(
    "sizes",
    [
        {"riff": 0xFFFFFFFF, "size": 0xFFFFFFFF},  # ffmpeg into a pipe
        {"riff": 0x7FFFF024, "size": 0x7FFFF000},  # sox into a pipe
        {"riff": 0x80000024, "size": 0x80000000},  # arecord into a pipe
        {"riff": 0, "size": 0},  # a recorder that was stopped
        {"riff": 36, "size": 0, "before": JUNK},
        {"riff": 0},
        {"riff": 99_999},
        {"before": JUNK},
        {"after": TAGS},
        {"after": b"TAG" + bytes(125)},  # an ID3 tag
    ],
)
def test_a_wav_with_odd_sizes_is_read_whole(tmp_path, sizes):
    path = tmp_path / "clip.wav"
    path.write_bytes(wav(tone(), **sizes))
    np.testing.assert_allclose(read_sound(path), tone(), atol=1e-4)
    upload = read_sound("clip.wav", path.read_bytes())
    np.testing.assert_array_equal(upload, read_sound(path))


def test_a_wav_without_samples_stays_empty(tmp_path):
    for after in (b"", TAGS):
        (tmp_path / "none.wav").write_bytes(wav(tone(0), after=after))
        with pytest.raises(ValueError, match="holds no samples"):
            read_sound(tmp_path / "none.wav")


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("double.wav", {"subtype": "DOUBLE"}),
        ("law.wav", {"subtype": "ULAW"}),
        ("adpcm.wav", {"subtype": "IMA_ADPCM"}),
        ("gsm.wav", {"subtype": "GSM610"}),
        ("extensible.wav", {"format": "WAVEX"}),
        ("opus.opus", {"format": "OGG", "subtype": "OPUS"}),
        ("apple.aiff", {}),
        ("apple.caf", {}),
        ("large.wav", {"format": "RF64"}),
        ("song.mp3", {"format": "MP3"}),
        ("named.wav", {"format": "MP3"}),
        ("eight bits.wav", {"subtype": "PCM_U8"}),
        ("microsoft.wav", {"subtype": "MS_ADPCM"}),
        ("sony.w64", {"format": "W64"}),
        ("sun.au", {}),
    ],
)
def test_formats_of_other_programs_are_read(tmp_path, name, options):
    rate = 8000 if name == "gsm.wav" else 16000
    try:
        path = save(tmp_path / name, tone(1, rate), rate, **options)
    except (soundfile.LibsndfileError, ValueError) as error:
        pytest.skip(f"this libsndfile has no encoder: {error}")
    sound = read_sound(path)
    assert 16000 <= len(sound) < 17000  # codecs fill their last block
    assert abs(hertz_of(sound) - 440) < 2
    assert 0.25 < np.abs(sound[2000:14000]).max() < 0.35


@pytest.mark.parametrize("size", [0, 0x7FFFF000, 0xFFFFFFFF])
@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_24", "FLOAT", "DOUBLE", "ULAW", "IMA_ADPCM"])
def test_a_wav_of_any_depth_out_of_a_pipe_is_read_whole(tmp_path, subtype, size):
    path = save(tmp_path / "clip.wav", tone(), subtype=subtype)
    content = bytearray(path.read_bytes())
    expected, at = read_sound(path), content.index(b"data")
    for place in (4, at + 4):
        content[place : place + 4] = struct.pack("<I", size)
    np.testing.assert_array_equal(read_sound("clip.wav", bytes(content)), expected)


@pytest.mark.parametrize("size", [b"\0\0\0\0", b"\x7f\xff\xff\xff", b"\xff\xff\xff\xff"])
def test_other_files_out_of_a_pipe_are_read_whole(tmp_path, size):
    for name, places in (("a.aiff", (b"COMM", b"SSND")), ("a.au", (b".snd",))):
        if name == "a.au" and size != b"\xff\xff\xff\xff":
            continue  # its only sign for an unknown size
        path = save(tmp_path / name, tone())
        content = bytearray(path.read_bytes())
        for place in places:
            at = content.index(place) + {b"COMM": 10, b"SSND": 4, b".snd": 8}[place]
            content[at : at + 4] = size
        np.testing.assert_array_equal(read_sound(name, bytes(content)), read_sound(path))


def test_a_flac_without_its_length_is_refused_with_what_to_do(tmp_path):
    content = bytearray(save(tmp_path / "pipe.flac", tone()).read_bytes())
    content[21] &= 0xF0
    content[22:26] = bytes(4)
    with pytest.raises(ValueError, match=r"damaged \(its header does not say how long it is\)"):
        read_sound("pipe.flac", bytes(content))


def without_frame_count(mp3):
    """An MP3 whose header frame no longer says how many frames follow."""
    for mark in (b"Xing", b"Info"):
        mp3 = mp3.replace(mark, bytes(4), 1)
    return mp3


@pytest.mark.skipif("MP3" not in soundfile.available_formats(), reason="libsndfile without MP3")
@pytest.mark.parametrize("mode", ["VARIABLE", "CONSTANT"])
def test_an_mp3_without_a_frame_count_is_read_whole(tmp_path, mode):
    noise = np.random.default_rng(0).normal(0, 0.2, 20 * 44_100)
    sound = np.concatenate([np.zeros(20 * 44_100), noise])
    path = save(tmp_path / "clip.mp3", sound, 44_100, format="MP3", bitrate_mode=mode)
    whole = read_sound(path)
    for tag in (b"", b"ID3\4\0\0\0\0\x40\0" + bytes(8192)):
        path.write_bytes(tag + without_frame_count(path.read_bytes()))
        read = read_sound(path)
        assert 40 <= len(read) / 16_000 < 40.15
        # As loud in its second half as the file with a count, up to the end of the 40 s.
        ends = [np.sqrt(np.mean(each[-16_000 * 15 : -16_000] ** 2)) for each in (whole, read)]
        assert ends[1] == pytest.approx(ends[0], rel=0.02)
        np.testing.assert_array_equal(read_sound("clip.mp3", path.read_bytes()), read)


def test_channels_out_of_phase_do_not_cancel(tmp_path):
    for name, hertz, offset in (("a.wav", 440, 0), ("b.wav", 660, 0), ("c.wav", 440, 0.4)):
        sound = tone(hertz=hertz, level=0.5)
        both = np.stack([offset + sound, offset - 0.99 * sound], axis=1)
        read = read_sound(save(tmp_path / name, both))
        np.testing.assert_allclose(read, offset + sound, atol=1e-4)


def test_many_channels_and_an_offset_keep_the_sound(tmp_path):
    six = np.stack([tone()] * 6, axis=1)
    path = save(tmp_path / "six.wav", six, format="WAVEX", subtype="PCM_24")
    np.testing.assert_allclose(read_sound(path), tone(), atol=1e-4)
    path = save(tmp_path / "offset.wav", 0.7 + 0.1 * tone(), subtype="FLOAT")
    np.testing.assert_allclose(read_sound(path), 0.7 + 0.1 * tone(), atol=1e-4)


def test_an_upload_is_named_by_its_own_name(tmp_path):
    path = save(tmp_path / "cough.flac", tone(1.5))
    np.testing.assert_array_equal(read_sound("my cough.flac", path.read_bytes()), read_sound(path))
    with pytest.raises(ValueError, match="^my cough.wav is not a sound"):
        read_sound("my cough.wav", b"RIFFnothing")
    with pytest.raises(ValueError, match="^mine.wav is empty"):
        read_sound("mine.wav", b"")
