"""Log-mel spectrograms as YAMNet makes them (Hershey et al., 2017), and masks that augment them."""

from functools import cache

import numpy as np

from helpers.audio.data import RATE, fit_length
from helpers.ready import keras, tf

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


def log_mel_librosa(waveform: np.ndarray) -> np.ndarray:
    """`log_mel` of one waveform (samples,) without TensorFlow: float32 (frames, 64).

    The magnitudes equal those of `librosa.stft`, whose first call takes long to compile.
    """
    filled = fit_length(np.asarray(waveform, np.float32), padded_length(len(waveform)))
    windows = np.lib.stride_tricks.sliding_window_view(filled, WINDOW)[::HOP]
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(WINDOW) / WINDOW)
    spectrum = np.abs(np.fft.rfft(windows * hann, FFT))
    return np.log(spectrum @ mel_weights() + LOG_OFFSET).astype(np.float32)


@cache
def mel_weights() -> np.ndarray:
    """From 257 frequencies to 64 mel bands: float32 (257, 64).

    Triangles that are straight on HTK's mel scale. `librosa.filters.mel` draws them straight in
    hertz, which gives other numbers at the flanks.
    """
    edges = np.linspace(*_mel(np.array([LOWEST, HIGHEST])), BANDS + 2)
    left, centre, right = edges[:-2], edges[1:-1], edges[2:]
    mels = _mel(np.fft.rfftfreq(FFT, 1 / RATE))[:, None]
    rising, falling = (mels - left) / (centre - left), (right - mels) / (right - centre)
    weights = np.maximum(0, np.minimum(rising, falling))
    weights[0] = 0  # 0 Hz is no sound
    return weights.astype(np.float32)


def _mel(hertz):
    return 2595 * np.log10(1 + hertz / 700)


@keras.saving.register_keras_serializable("transfer_learning_course")
class SpecAugment(keras.layers.Layer):
    """Hide a strip of each spectrogram, in training only (SpecAugment, Park et al., 2019).

    The strip lies anywhere and is filled with the mean of the spectrogram.

    Args:
        axis: 1 for a strip of time, 2 for one of mel frequency.
        width: of the strip, in frames or bands.
        seed: of the places; random if None, as in Keras's own random layers.
    """

    def __init__(self, axis, width, seed=None, **kwargs):
        super().__init__(**kwargs)
        self.axis, self.width, self.seed = axis, width, seed
        # Its own, so that `reset_weights` can set it back: the global one counts every call.
        self.generator = keras.random.SeedGenerator(seed)

    def call(self, spectrograms, training=False):
        """(n, frames, bands, 1) in, the same shape out."""
        if not training:
            return spectrograms
        ops, length = keras.ops, spectrograms.shape[self.axis]
        shape, places = (ops.shape(spectrograms)[0], 1), length - self.width + 1
        first = ops.floor(keras.random.uniform(shape, 0, places, seed=self.generator))
        place = ops.cast(ops.arange(length), "float32")[None]
        hidden = (place >= first) & (place < first + self.width)
        hidden = hidden[:, :, None, None] if self.axis == 1 else hidden[:, None, :, None]
        return ops.where(hidden, ops.mean(spectrograms, axis=(1, 2), keepdims=True), spectrograms)

    def get_config(self):
        """The arguments, for saving."""
        own = {"axis": self.axis, "width": self.width, "seed": self.seed}
        return {**super().get_config(), **own}
