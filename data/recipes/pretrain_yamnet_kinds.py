"""The second part of `pretrain_yamnet.py`: twelve kinds of synthesised sound, none of them a cough.

The first part teaches the narrow network what the real YAMNet says of everyday sounds. This one
goes on with clips of `synthesise_sounds.py`: throat clearing, sneezes, speech, claps and so on, in
speakers, rooms and microphones of their own, which no bundled clip shares. It learns to name the
kinds while it keeps answering the teacher's scenes, so it does not forget them.
"""

import keras
import numpy as np
import synthesise_sounds as synthesis
from pretrain_yamnet_corpus import mean_and_spread
from tqdm import tqdm

from helpers import yamnet

SEED = 77
VOICES = 4242  # seed of the recordings' speakers, rooms and microphones; the bundled have 0
RECORDINGS, CLIPS = 500, 8  # clips of a recording
HELD_OUT = 35  # recordings
BESIDE = 0.5  # the label of a sound in the background
PATCHES = 4  # of a clip, and as many of the teacher's scenes beside each
BATCH = 32
EPOCHS, RATE = 8, 2e-3
KINDS_WEIGHT = 5.0  # of the kinds' loss beside those of the teacher


def synthesise(work):
    """Log-mel spectrograms, float16 [clips, frames, 64], and labels, float32 [clips, kinds].

    Kept in `work`, and read from there by the next call.
    """
    file = work / "kinds.npz"
    if not file.exists():
        spectrograms, labels = [], []
        for number in tqdm(range(RECORDINGS), "recordings", mininterval=10):
            recording = synthesis.Recording(VOICES, 0, number)
            rng = np.random.default_rng([SEED, number])
            for take in range(CLIPS):
                kind = str(rng.choice(synthesis.OTHERS))
                clip, beside = recording.scene(kind, [SEED, number, take])
                spectrograms.append(yamnet.log_mel(yamnet.pad(clip)).numpy().astype("float16"))
                label = {beside: BESIDE, kind: 1.0}
                labels.append([label.get(name, 0.0) for name in synthesis.OTHERS])
        np.savez(file, spectrograms=spectrograms, labels=np.float32(labels))
    with np.load(file) as kept:
        return kept["spectrograms"], kept["labels"]


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
        self.beside = self.rng.permutation(len(self.corpus))[: PATCHES * len(self.labels)]

    def __len__(self):
        return len(self.labels) // BATCH

    def __getitem__(self, index):
        rows = self.order[index * BATCH : (index + 1) * BATCH]
        clips = self.spectrograms[rows].astype("float32")
        loudness = np.random.default_rng([SEED, index]).normal(0, 0.7, (BATCH, 1, 1))
        cuts = np.stack([clips[:, 48 * p : 48 * p + 96] for p in range(PATCHES)], axis=1)
        scene = self.corpus.patches(
            np.resize(self.beside[index * BATCH * PATCHES :], BATCH * PATCHES)
        )
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

    mean = layers.Dropout(0.2)(ops.mean(embedded(clips), axis=1))
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
