"""Log-mel spectrograms as YAMNet makes them (Hershey et al., 2017)."""

from helpers.audio.data import RATE
from helpers.ready import tf

WINDOW, HOP, FFT = 400, 160, 512  # samples: 25 ms, 10 ms, and the window padded with zeros
BANDS, LOWEST, HIGHEST = 64, 125.0, 7_500.0  # mel bands, their edges in Hz
LOG_OFFSET = 0.001
PATCH, PATCH_HOP = 96, 48  # frames: 0.96 s, 0.48 s


def padded_length(samples):
    """How long YAMNet makes a waveform with zeros: 0.975 s, or 0.48, 0.96 ... s more.

    TF Hub's module rounds: of a waveform that needs no zeros it may make one patch more.

    Args:
        samples: an int, or a scalar integer tensor.

    Example:
        >>> [padded_length(samples) for samples in (0, 15_600, 15_601)]
        [15600, 15600, 23280]
    """
    shortest, step = WINDOW + (PATCH - 1) * HOP, PATCH_HOP * HOP
    steps = -((shortest - samples) // step)
    return shortest + step * (tf.maximum(steps, 0) if tf.is_tensor(steps) else max(steps, 0))


def log_mel(waveforms) -> tf.Tensor:
    """log(mel + 0.001) of magnitudes (not powers): float32 (..., frames, 64).

    Periodic Hann windows of 25 ms every 10 ms, summed into 64 bands of the HTK mel scale from 125
    to 7,500 Hz. Zeros are added up to `padded_length`; n samples then give 1 + (n - 400) / 160
    frames.

    Args:
        waveforms: float (..., samples), -1 to 1, 16 kHz.
    """
    waveforms = tf.convert_to_tensor(waveforms, tf.float32)
    samples = waveforms.shape[-1]
    samples = tf.shape(waveforms)[-1] if samples is None else samples
    margins = [[0, 0]] * (waveforms.shape.rank - 1) + [[0, padded_length(samples) - samples]]
    spectrum = tf.signal.stft(tf.pad(waveforms, margins), WINDOW, HOP, FFT)
    bands = tf.signal.linear_to_mel_weight_matrix(BANDS, FFT // 2 + 1, RATE, LOWEST, HIGHEST)
    return tf.math.log(tf.abs(spectrum) @ bands + LOG_OFFSET)


def patches(log_mels) -> tf.Tensor:
    """Pieces of 0.96 s, one every 0.48 s: (..., frames, 64) to (..., patches, 96, 64)."""
    return tf.signal.frame(tf.convert_to_tensor(log_mels), PATCH, PATCH_HOP, axis=-2)
