"""The source corpus of `pretrain_images.py`: photographs, the teacher's vectors, random views."""

from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
from PIL import Image
from tqdm import tqdm

SEED = 7
HELD_OUT = 20  # photographs a class kept for measuring source accuracy
BATCH = 128
EMBEDDING = 1280  # length of the teacher's vector
TEACHER_PIXELS = 224
TEACHER_BATCH = 60


@dataclass(frozen=True)
class Corpus:
    """uint8 images [n, 64, 64, 3], labels [n], the teacher's vectors float16 [n, 1280]."""

    images: np.ndarray
    labels: np.ndarray
    teacher: np.ndarray
    class_names: list

    def take(self, rows):
        return Corpus(self.images[rows], self.labels[rows], self.teacher[rows], self.class_names)


def class_folders(source):
    """The class folders of the corpus, in alphabetical order; SystemExit where it has none."""
    folders = sorted(p for p in Path(source).glob("*") if p.is_dir() and any(p.glob("*.jpg")))
    if not folders:
        raise SystemExit(
            f"{source} has no folders of jpg files, one a class; lay Tiny ImageNet out so, "
            "without its cats and dogs, and give its folder with --source"
        )
    return folders


def read_class(folder):
    """All photographs of one class, uint8 [n, 64, 64, 3], in the order of their names."""
    files = sorted(folder.glob("*.jpg"))
    return np.stack([np.asarray(Image.open(file).convert("RGB")) for file in files])


def write_whole(path, save):
    """Let `save(file)` write a file beside `path` and move it there: all of it or nothing."""
    part = path.with_name(f"{path.name}.part")
    with part.open("wb") as file:
        save(file)
    part.replace(path)


def teach(source, teacher, work):
    """Write down the teacher's vector of every photograph, one file a class; done ones stay."""
    out = work / "teacher"
    out.mkdir(parents=True, exist_ok=True)
    missing = [f for f in class_folders(source) if not (out / f"{f.name}.npy").exists()]
    if not missing:
        return
    import tensorflow as tf  # the teacher is a TensorFlow SavedModel, whatever Keras runs on

    module = tf.saved_model.load(str(teacher))

    @tf.function
    def vectors(images):
        pixels = tf.cast(images, tf.float32) / 255.0
        return module(tf.image.resize(pixels, (TEACHER_PIXELS, TEACHER_PIXELS)), training=False)

    for folder in tqdm(missing, desc="teacher", unit="class"):
        images = read_class(folder)
        starts = range(0, len(images), TEACHER_BATCH)
        rows = np.concatenate([vectors(images[i : i + TEACHER_BATCH]).numpy() for i in starts])
        write_whole(out / f"{folder.name}.npy", lambda f, rows=rows: np.save(f, rows.astype("f2")))


def read_images(source, work):
    """(images, labels) of the whole corpus, packed once into one file of the work folder."""
    packed = work / "corpus.npz"
    if not packed.exists():
        classes = [read_class(f) for f in tqdm(class_folders(source), "reading", unit="class")]
        labels = np.repeat(np.arange(len(classes)), [len(c) for c in classes])
        images = np.concatenate(classes)
        write_whole(packed, lambda file: np.savez(file, images=images, labels=labels))
    with np.load(packed) as arrays:
        return arrays["images"], arrays["labels"]


def read_corpus(source, work, *, taught):
    """(training, held-out) parts of the corpus; without a teacher the vectors are zeros.

    The vectors are standardised, each of the 1280 numbers by its mean and spread in training.
    """
    work.mkdir(parents=True, exist_ok=True)
    names = [folder.name for folder in class_folders(source)]
    images, labels = read_images(source, work)
    rng = np.random.default_rng(SEED)
    kept = np.concatenate([rng.permutation(n) >= HELD_OUT for n in np.bincount(labels)])
    vectors = np.zeros((len(labels), EMBEDDING), "float16")
    if taught:
        vectors = np.concatenate([np.load(work / "teacher" / f"{name}.npy") for name in names])
        mean, spread = (f(vectors[kept], axis=0, dtype="float32") for f in (np.mean, np.std))
        vectors = ((vectors - mean) / (spread + 1e-3)).astype("float16")
    whole = Corpus(images, labels, vectors, names)
    return whole.take(kept), whole.take(~kept)


def resized(images, pixels):
    """uint8 photographs [n, h, w, 3] as float32 [n, pixels, pixels, 3] in 0..255."""
    views = [Image.fromarray(i).resize((pixels, pixels), Image.BILINEAR) for i in images]
    return np.stack([np.asarray(view) for view in views]).astype("float32")


def random_view(image, pixels, rng):
    """A random part of a photograph (40 to 100 % of its area), perhaps mirrored."""
    side = image.shape[0]
    area, ratio = rng.uniform(0.4, 1.0), np.exp(rng.uniform(-0.25, 0.25))
    width, height = np.minimum(side, side * np.sqrt([area * ratio, area / ratio]))
    left, top = rng.uniform(0, [side - width, side - height])
    box = (left, top, left + width, top + height)
    view = np.asarray(Image.fromarray(image).resize((pixels, pixels), Image.BILINEAR, box=box))
    return view[:, ::-1] if rng.random() < 0.5 else view


def recoloured(images, rng):
    """Photographs [n, h, w, 3] in 0..255, each a little brighter or darker and tinted."""
    n = len(images)
    gain = rng.uniform(0.8, 1.2, (n, 1, 1, 1)) * rng.uniform(0.9, 1.1, (n, 1, 1, 3))
    shift = rng.uniform(-20, 20, (n, 1, 1, 1))
    return np.clip(images * gain.astype("float32") + shift.astype("float32"), 0, 255)


def relit(images, rng):
    """Photographs [n, h, w, 3] in 0..255, two thirds of them as if under quite another lamp.

    It is brighter or darker, candle or moonlight, stronger on one side; half of these pictures
    lie in haze of some colour, and all of them have grain. The others are `recoloured`.
    """

    def normal(spread, *shape):
        return rng.normal(0, spread, (len(images), *shape)).astype("float32")

    bright = normal(0.45, 1, 1, 1).clip(-1.3, 0.8)
    warm, green = normal(0.3, 1, 1, 1), normal(0.15, 1, 1, 1)
    tint = np.concatenate([warm, green, -warm], axis=-1)
    across = np.linspace(-1, 1, images.shape[1], dtype="float32")
    slope = normal(0.25, 1, 1, 1) * across[:, None, None] + normal(0.25, 1, 1, 1) * across[:, None]
    view = images / 255 * np.exp(bright + tint + slope)
    haze = rng.uniform(0, 0.65, bright.shape) * (rng.random(bright.shape) < 0.5)
    colour = rng.uniform(0.1, 0.9, tint.shape) / 2 + rng.uniform(0.05, 0.45, bright.shape)
    view = view * (1 - haze) + colour * haze
    view += normal(1.0, *images.shape[1:]) * rng.uniform(0, 0.05, bright.shape)
    other_lamp = rng.random(bright.shape) < 2 / 3
    view = np.where(other_lamp, np.clip(view, 0, 1) * 255, recoloured(images, rng))
    return view.astype("float32")


class Batches(keras.utils.PyDataset):
    """Batches of a corpus for `fit`; with a seed shuffled random views, else as they are.

    `light` is the last step of a view: `recoloured` or `relit`.
    """

    def __init__(self, corpus, pixels, preprocess, *, seed=None, light=recoloured):
        super().__init__(workers=1, max_queue_size=16)
        self.light = light
        self.corpus, self.pixels, self.preprocess, self.seed = corpus, pixels, preprocess, seed
        self.order = np.arange(len(corpus.labels))
        if seed is not None:
            np.random.default_rng(seed).shuffle(self.order)

    def __len__(self):
        whole, rest = divmod(len(self.order), BATCH)
        return whole + (self.seed is None and rest > 0)

    def __getitem__(self, index):
        rows = self.order[index * BATCH : (index + 1) * BATCH]
        images = self.corpus.images[rows]
        if self.seed is None:
            x = resized(images, self.pixels)
        else:
            rng = np.random.default_rng((*self.seed, index))
            views = [random_view(image, self.pixels, rng) for image in images]
            x = self.light(np.stack(views).astype("float32"), rng)
        labels = keras.utils.to_categorical(self.corpus.labels[rows], len(self.corpus.class_names))
        teacher = self.corpus.teacher[rows].astype("float32")
        return self.preprocess(x), {"label": labels, "teacher": teacher}
