"""The second part of `pretrain_yamnet.py`: twelve kinds of synthesised sound, none of them a cough.

The first part teaches the narrow network what the real YAMNet says of everyday sounds. This one
goes on with clips of `synthesise_sounds.py`: throat clearing, sneezes, speech, claps and so on, in
speakers, rooms and microphones of their own, which no bundled clip shares. It learns to name the
kinds while it keeps answering the teacher's scenes, so it does not forget them.
"""

import keras
import numpy as np
import synthesise_sounds as synthesis
from places import write_whole
from pretrain_yamnet_corpus import mean_and_spread
from tqdm import tqdm

from helpers import audio

SEED = 77
VOICES = 4242  # seed of the recordings' speakers, rooms and microphones; the bundled have 0
RECORDINGS, CLIPS = 2000, 8  # clips of a recording
CHUNK = 50  # recordings a file
HELD_OUT = 100  # recordings
BESIDE = 0.5  # the label of a sound in the background
PATCHES = 4  # of a clip, and as many of the teacher's scenes beside each
BATCH = 32
EPOCHS, RATE = 4, 2e-3
KINDS_WEIGHT = 5.0  # of the kinds' loss beside those of the teacher
LENGTH = 10.0  # of what stands for a patch; shorter, the layer of kinds would learn slowly


def synthesise(work):
    """Log-mel spectrograms, float16 [clips, frames, 64], and labels, float32 [clips, kinds].

    Kept in `work`, one file for every `CHUNK` recordings, and read from there by the next call.
    """
    folder = work / "kinds"
    folder.mkdir(parents=True, exist_ok=True)
    chunks = [range(first, first + CHUNK) for first in range(0, RECORDINGS, CHUNK)]
    files = [folder / f"{chunk.start:04d}.npz" for chunk in chunks]
    for chunk, file in tqdm(list(zip(chunks, files, strict=True)), "recordings", mininterval=10):
        if not file.exists():
            takes = [(number, take) for number in chunk for take in range(CLIPS)]
            made = [spectrogram_and_label(*each) for each in tqdm(takes, file.stem, leave=False)]
            arrays = dict(zip(("spectrograms", "labels"), zip(*made, strict=True), strict=True))
            write_whole(file, lambda opened, arrays=arrays: np.savez(opened, **arrays))
    return tuple(map(np.concatenate, zip(*map(read_chunk, files), strict=True)))


def read_chunk(file):
    with np.load(file) as kept:
        return kept["spectrograms"], kept["labels"]


def spectrogram_and_label(number, take):
    """One clip of one recording; the same whenever it is made."""
    recording = synthesis.Recording(VOICES, 0, number)
    kind = str(np.random.default_rng([VOICES, number, take]).choice(synthesis.OTHERS))
    clip, beside = recording.scene(kind, [SEED, number, take])
    label = {beside: BESIDE, kind: 1.0}
    spectrogram = audio.log_mel(clip).numpy().astype("float16")
    return spectrogram, np.float32([label.get(name, 0.0) for name in synthesis.OTHERS])


class Pairs(keras.utils.PyDataset):
    """Clips with their kinds, and beside each a few patches with the teacher's answers."""

    def __init__(self, clips, corpus, seed):
        super().__init__(workers=1, max_queue_size=8)
        (self.spectrograms, self.labels), self.corpus = clips, corpus
        self.mean, spread = mean_and_spread(corpus)
        self.spread = spread + 0.05 * spread.mean()
        self.rng = np.random.default_rng(seed)
        self.on_epoch_end()

    def on_epoch_end(self):
        self.order = self.rng.permutation(len(self.labels))
        # All patches of the scenes, as often as it takes to have enough beside the clips.
        rounds = -(-PATCHES * len(self.labels) // len(self.corpus))
        patches = [self.rng.permutation(len(self.corpus)) for _ in range(rounds)]
        self.beside = np.concatenate(patches)

    def __len__(self):
        return len(self.labels) // BATCH

    def __getitem__(self, index):
        rows = self.order[index * BATCH : (index + 1) * BATCH]
        clips = self.spectrograms[rows].astype("float32")
        loudness = np.random.default_rng([SEED, index]).normal(0, 0.7, (BATCH, 1, 1))
        cuts = np.stack([clips[:, 48 * p : 48 * p + 96] for p in range(PATCHES)], axis=1)
        first = index * BATCH * PATCHES
        scene = self.corpus.patches(self.beside[first : first + BATCH * PATCHES])
        embedding = (scene["embedding"] - self.mean) / self.spread
        shape = (BATCH, PATCHES)
        inputs = {
            "clips": cuts + loudness[:, None].astype("float32"),
            "scenes": scene["patches"].reshape(*shape, 96, 64),
        }
        return inputs, {
            "kinds": self.labels[rows],
            "scores": scene["scores"].reshape(*shape, -1),
            "teacher": embedding.reshape(*shape, -1),
        }


def both(body, scores, teacher):
    """One network for both tasks around the same body."""
    ops, layers = keras.ops, keras.layers
    clips = keras.Input((PATCHES, 96, 64), name="clips")
    scenes = keras.Input((PATCHES, 96, 64), name="scenes")

    def embedded(patches):
        flat = body(ops.reshape(patches, (-1, 96, 64)))
        return ops.reshape(flat, (-1, PATCHES, flat.shape[-1]))

    # As the course does it: every patch has unit length before they are averaged.
    mean = ops.mean(ops.normalize(embedded(clips)), axis=1) * LENGTH
    mean = layers.Dropout(0.2)(mean)
    heard = embedded(scenes)
    outputs = {
        "kinds": layers.Dense(len(synthesis.OTHERS), name="kinds")(mean),
        "scores": scores(heard),
        "teacher": teacher(heard),
    }
    return keras.Model([clips, scenes], outputs)


def learn_kinds(student, plain, corpus, work, scores_weight):
    """Train the plain body and the heads of a trained student further, in place.

    Returns the share of held-out clips whose likeliest kind is the right one, 0 to 1.
    """
    spectrograms, labels = synthesise(work)
    kept = (RECORDINGS - HELD_OUT) * CLIPS
    model = both(plain, student.get_layer("scores"), student.get_layer("teacher"))
    pairs = Pairs((spectrograms[:kept], labels[:kept]), corpus, SEED)
    steps = EPOCHS * len(pairs)
    rate = keras.optimizers.schedules.CosineDecay(
        RATE / 20, steps - 100, warmup_target=RATE, warmup_steps=100
    )
    entropy = keras.losses.BinaryCrossentropy(from_logits=True)
    model.compile(
        keras.optimizers.AdamW(rate, weight_decay=0.02, global_clipnorm=5.0),
        {"kinds": entropy, "scores": entropy, "teacher": keras.losses.MeanSquaredError()},
        loss_weights={"kinds": KINDS_WEIGHT, "scores": scores_weight, "teacher": 1.0},
        jit_compile=False if keras.backend.backend() == "tensorflow" else "auto",
    )
    model.fit(pairs, epochs=EPOCHS, verbose=2)
    cuts = [spectrograms[kept:, 48 * p : 48 * p + 96] for p in range(PATCHES)]
    clips = np.stack(cuts, axis=1).astype("float32")
    found = model.predict([clips, clips], verbose=0)["kinds"]
    return float((found.argmax(axis=1) == labels[kept:].argmax(axis=1)).mean())
