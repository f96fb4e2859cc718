"""Read a sound file of any kind that people have, whatever its recorder left in its header."""

import io
import re
from pathlib import Path

import numpy as np
import soundfile

from helpers.audio.data import to_waveform

LIMIT = 60.0  # seconds that are read
PLACEHOLDER = 0x7FFF_0000  # sizes from here on stand in a WAV that was written into a pipe


def read_sound(name: str | Path, content: bytes | None = None) -> np.ndarray:
    """The first 60 s of a sound file as float32 at 16 kHz, one channel, -1 to 1, shape (n,).

    Channels are averaged; where the average loses nearly all energy (channels out of phase), the
    loudest channel is taken. What is louder than full scale is scaled down to 1.

    Args:
        name: a WAV, FLAC, Ogg, MP3 or AIFF file, or another format that libsndfile can read.
        content: the file's bytes, where they are here already; `name` is then only its name.

    Raises:
        ValueError: there is no such file, or it is no sound, cut short, empty, of a format
            without a decoder here, or has samples that are not numbers.
    """
    path = Path(name)
    if content is None and not path.is_file():
        raise ValueError(f"There is no sound file {path}: check the name.")
    try:
        file, counted = _open(path, content)
        with file:
            # A little more than is kept: resampling looks ahead.
            wanted = min(round((LIMIT + 0.1) * file.samplerate), file.frames)
            sound = file.read(wanted, dtype="float32", always_2d=True)
            cut = (counted and len(sound) < wanted) or _lost_its_end(file.extra_info)
    except (soundfile.LibsndfileError, TypeError) as error:  # TypeError: .raw says no rate
        size = path.stat().st_size if content is None else len(content)
        raise ValueError(_unreadable(path, size, error)) from None
    if cut:
        raise ValueError(f"{path} is cut short: copy it again, or remove it.")
    if not len(sound):
        raise ValueError(f"{path} holds no samples: record it again, or remove it.")
    if bad := np.count_nonzero(~np.isfinite(sound)):
        fault = f"{path} has {bad} samples that are not numbers (NaN or infinite)"
        raise ValueError(f"{fault}: save it again from its source.")
    mono, energies = sound.mean(axis=1), sound.var(axis=0)
    if mono.var() < 0.01 * energies.mean():
        mono = sound[:, energies.argmax()]
    return to_waveform(mono, file.samplerate, limit=LIMIT)


def _open(path, content):
    """The open sound file, and whether its number of frames is known (not an estimate)."""
    file = soundfile.SoundFile(path if content is None else io.BytesIO(content))
    unsized = file.format in ("WAV", "WAVEX") and not file.frames
    if file.format != "MP3" and not unsized:
        return file, True
    content = content or path.read_bytes()
    if not unsized and _has_frame_count(content):
        return file, True
    file.close()
    repaired = io.BytesIO(_with_size(content)) if unsized else _LongFile(content)
    return soundfile.SoundFile(repaired), unsized


class _LongFile(io.BytesIO):
    """A file that claims 16 times its size, for an MP3 without a frame count.

    libsndfile guesses the length of such a file from its first frame and reads no further; a
    frame may be 10 times smaller than the first.
    """

    def tell(self):
        at = super().tell()
        return 16 * at if at == self.getbuffer().nbytes else at


def _has_frame_count(mp3):
    """Whether the first frame says how many there are; it stands behind the ID3 tag."""
    start = 0
    if mp3[:3] == b"ID3":
        a, b, c, d = mp3[6:10]
        start = 10 + (a << 21 | b << 14 | c << 7 | d)
    return any(mark in mp3[start : start + 4096] for mark in (b"Xing", b"Info", b"VBRI"))


def _with_size(wav):
    """The bytes of a WAV whose data has the size 0 (a stopped recorder), with the real size."""
    at = 12
    while wav[at : at + 4] not in (b"data", b""):
        size = int.from_bytes(wav[at + 4 : at + 8], "little")
        at += 8 + size + size % 2
    rest = wav[at + 8 :]
    tags = rest[:4].isalpha() and int.from_bytes(rest[4:8], "little") <= len(rest) - 8
    return wav[: at + 4] + (0 if tags else len(rest)).to_bytes(4, "little") + rest


def _lost_its_end(header):
    """Whether a file lost its end: libsndfile opens it all the same and notes it."""
    sizes = re.findall(r"^(?!RIFF|FORM).*: (\d+) \(should be (\d+)\)", header, re.MULTILINE)
    return any(int(real) < int(said) < PLACEHOLDER for said, real in sizes) or any(
        sign in header for sign in ("Junk after the last page", "lacks an end-of-stream")
    )


def _unreadable(path, size, error):
    reason = getattr(error, "error_string", str(error)).strip().partition("\n")[0].rstrip(" .")
    if not reason or "fseek" in reason:  # FLAC that was written into a pipe
        reason = "its header does not say how long it is"
    if not size:
        return f"{path} is empty: record it again, or remove it."
    if path.suffix.lower() in (".mp3", ".m4a", ".aac", ".wma", ".webm", ".opus"):
        return f"{path} has no decoder here ({reason}): save it as WAV, FLAC or Ogg first."
    return (
        f"{path} is not a sound that can be read, or is damaged ({reason}): replace it by a WAV, "
        "FLAC or Ogg file, or remove it."
    )
