"""The scenes of `pretrain_yamnet.py` with the teacher's answers, on disk and in batches."""

from dataclasses import dataclass

import keras
import numpy as np
import pretrain_yamnet_sounds as sounds
from tqdm import tqdm

SEED = 7
SCENES = {"training": 16_000, "held_out": 600}
PATCHES = 3  # a scene
BATCH = 128
BLOCK = 40  # scenes to ask the teacher about at once
EMBEDDING, CLASSES = 1024, 521  # of the teacher
COUGHS = ("Cough", "Throat clearing")
HEARD = 0.2  # a real clip in which the teacher's score of one of them is higher is left out
SHAPES = {
    "log_mel": (sounds.FRAMES, 64),
    "embedding": (PATCHES, EMBEDDING),
    "scores": (PATCHES, CLASSES),
}


@dataclass(frozen=True)
class Corpus:
    """float16 memory maps, a row a scene, and the labels of each scene as a multi-hot row."""

    log_mel: np.ndarray
    embedding: np.ndarray
    scores: np.ndarray
    labels: np.ndarray

    def __len__(self):
        return PATCHES * len(self.log_mel)

    def patches(self, rows):
        """The patches `rows`: {"patches", "embedding", "scores", "labels"} in float32."""
        scene, part = np.divmod(rows, PATCHES)
        cuts = [self.log_mel[s, 48 * p : 48 * p + 96] for s, p in zip(scene, part, strict=True)]
        return {
            "patches": np.stack(cuts).astype("float32"),
            "embedding": self.embedding[scene, part].astype("float32"),
            "scores": self.scores[scene, part].astype("float32"),
            "labels": self.labels[scene].astype("float32"),
        }


def class_names(teacher):
    """The names of the teacher's scores, in order, as its own class map gives them."""
    import csv

    with open(teacher.class_map_path().numpy(), newline="", encoding="utf8") as file:
        return [row["display_name"] for row in csv.DictReader(file)]


def without_coughs(clips, teacher):
    """The clips in which the teacher hears no cough."""
    names = class_names(teacher)
    columns = [names.index(name) for name in COUGHS]
    heard = [teacher(clip)[0].numpy()[:, columns].max() for _, clip in clips]
    kept = [clip for clip, score in zip(clips, heard, strict=True) if score <= HEARD]
    print(f"{len(kept)} of {len(clips)} real clips without a cough", flush=True)
    return kept


def teach(source, digits, teacher, work):
    """Make the scenes and write down what the teacher says of them; go on where it stopped."""
    import tensorflow as tf  # the teacher is a TensorFlow SavedModel, whatever Keras runs on

    module, digits = tf.saved_model.load(str(teacher)), sounds.read_digits(digits)
    for part, folds in (
        ("training", sounds.TRAIN_FOLDS),
        ("held_out", sounds.HELD_OUT_FOLDS),
    ):
        folder, count = work / part, SCENES[part]
        folder.mkdir(parents=True, exist_ok=True)
        files, done = open_files(folder, count), scenes_done(folder)
        if done == count:
            continue
        clips = without_coughs(sounds.read_environment(source, folds), module)
        for start in tqdm(range(done, count, BLOCK), part, mininterval=10):
            rows = slice(start, start + BLOCK)
            rngs = [np.random.default_rng((SEED, len(part), i)) for i in range(count)[rows]]
            names, scenes = zip(*(sounds.scene(r, clips, digits) for r in rngs), strict=True)
            answers = ask(module, scenes)
            answers["labels"] = [[label in each for label in sounds.LABELS] for each in names]
            for name, file in files.items():
                file[rows] = answers[name]
                file.flush()
            (folder / "done").write_text(str(start + BLOCK), encoding="utf8")


def ask(teacher, scenes):
    """The teacher's answers to a block of scenes, which it hears one after another.

    A patch that would hold the end of one scene and the beginning of the next is left out.
    """
    rest = np.zeros(400 - 160, "float32")  # for the last frame's window
    scores, embedding, log_mel = teacher(np.concatenate([*scenes, rest]))
    n, step = len(scenes), PATCHES + 1
    every = [step * i + p for i in range(n) for p in range(PATCHES)]
    return {
        "scores": scores.numpy()[every].reshape(n, PATCHES, CLASSES),
        "embedding": embedding.numpy()[every].reshape(n, PATCHES, EMBEDDING),
        "log_mel": log_mel.numpy()[: n * sounds.FRAMES].reshape(n, -1, 64),
    }


def open_files(folder, count):
    """{name: memory map} of one part's files, made if they are not there."""
    files = {}
    for name, shape in {**SHAPES, "labels": (len(sounds.LABELS),)}.items():
        path, kind = folder / f"{name}.npy", "bool" if name == "labels" else "float16"
        files[name] = np.lib.format.open_memmap(
            path, "r+" if path.exists() else "w+", kind, (count, *shape)
        )
    return files


def scenes_done(folder):
    done = folder / "done"
    return int(done.read_text(encoding="utf8")) if done.exists() else 0


def read_corpus(work, part):
    """One part, once `teach` has written it; SystemExit before."""
    done = scenes_done(work / part)
    if done != SCENES[part]:
        raise SystemExit(f"{work / part} holds {done} of {SCENES[part]} scenes; run `teach` first")
    return Corpus(**{n: np.load(work / part / f"{n}.npy") for n in (*SHAPES, "labels")})


def mean_and_spread(corpus):
    """Mean and spread of each number of the teacher's embedding, float32 [1024] each."""
    rows = corpus.embedding.reshape(-1, EMBEDDING)
    return tuple(f(rows, axis=0, dtype="float32") for f in (np.mean, np.std))


class Batches(keras.utils.PyDataset):
    """Batches for `fit`: shuffled with a seed, else in order.

    The targets are the teacher's scores and its standardised embedding, or the scenes' labels.
    """

    def __init__(self, corpus, moments, *, taught=True, seed=None):
        super().__init__(workers=1, max_queue_size=16)
        self.corpus, self.taught, self.shuffled = corpus, taught, seed is not None
        self.mean, spread = moments
        self.spread = spread + 0.05 * spread.mean()  # numbers that hardly move say hardly anything
        self.order = np.arange(len(corpus))
        if self.shuffled:
            np.random.default_rng(seed).shuffle(self.order)

    def __len__(self):
        whole, rest = divmod(len(self.order), BATCH)
        return whole + (not self.shuffled and rest > 0)

    def __getitem__(self, index):
        rows = self.corpus.patches(self.order[index * BATCH : (index + 1) * BATCH])
        if not self.taught:
            return rows["patches"], {"labels": rows["labels"]}
        embedding = (rows["embedding"] - self.mean) / self.spread
        return rows["patches"], {"teacher": embedding, "scores": rows["scores"]}
