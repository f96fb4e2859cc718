"""Draw the bundled cats and dogs.

What: small JPEG drawings in a class-per-folder tree (train, validation, test / cats, dogs): 200, 50
and 500 per class. With 1,000 drawings for testing, an accuracy of 90 % has a standard error of 0.9
points.
From what: nothing but this file. Each animal is built from splines and ellipses in its own
coordinates, shaded as a relief under one lamp, covered with fur strokes, and put before a drawn
background. Every drawing is an individual with a seed of its own, so no two splits share one.

The two classes differ only in how an animal is built (head, ears, muzzle, eyes, tail, body). Coat
colours and markings, backgrounds, collars, size, place, pose, light and camera faults are drawn
from the same distributions for both, by code that does not know the class.

How long: 0.15 s of processor time per drawing, shared by --workers: 115 s for all 1,500 with two.
The same seed gives the same files with the same Pillow and NumPy. More drawings in a split leave
those that were there as they are.

How hard they are for frozen features stands at the head of pretrain_images.py.
"""

import argparse
import colorsys
import hashlib
import io
import math
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter
from tqdm import tqdm

SIZE = 128  # pixels of a finished drawing
OVER = 3  # drawn this many times larger, then reduced
EDGE = SIZE * OVER
SPLITS = {"train": 200, "validation": 50, "test": 500}  # drawings per class
CLASSES = ("cats", "dogs")

# ---------------------------------------------------------------------------------------------
# Geometry: every shape is an (n, 2) array of points in its owner's coordinates, y downwards.


class Frame:
    """A similarity transform from an owner's coordinates to canvas pixels."""

    def __init__(self, origin, matrix):
        self.origin = np.asarray(origin, float)
        self.matrix = np.asarray(matrix, float)

    def child(self, at, scale=1.0, angle=0.0, mirror=False, squash=1.0):
        """Frame placed at a point of this one; `angle` in radians, `squash` narrows x."""
        turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
        flip = np.diag([-squash if mirror else squash, 1.0])
        return Frame(self.px(at), self.matrix @ (scale * turn @ flip))

    def px(self, points):
        return np.asarray(points, float) @ self.matrix.T + self.origin

    def local(self, x, y):
        inverse = np.linalg.inv(self.matrix)
        x, y = x - self.origin[0], y - self.origin[1]
        return inverse[0, 0] * x + inverse[0, 1] * y, inverse[1, 0] * x + inverse[1, 1] * y

    @property
    def mirrored(self):
        return np.linalg.det(self.matrix) < 0

    @property
    def unit(self):
        """Pixels in one unit."""
        return math.sqrt(abs(np.linalg.det(self.matrix)))


def spline(points, closed=True, steps=8):
    """Catmull-Rom curve through the points."""
    p = np.asarray(points, float)
    p = np.vstack([p[-1:], p, p[:2]]) if closed else np.vstack([p[:1], p, p[-1:]])
    t = np.linspace(0, 1, steps, endpoint=False)[:, None]
    curves = []
    for a, b, c, d in zip(p[:-3], p[1:-2], p[2:-1], p[3:], strict=True):
        curves.append(
            0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2
                   + (3 * b - a - 3 * c + d) * t**3)
        )
    if not closed:
        curves.append(p[-1:])
    return np.vstack(curves)


def oval(x, y, rx, ry, angle=0.0, n=28):
    t = np.linspace(0, 2 * math.pi, n, endpoint=False)
    c, s = math.cos(angle), math.sin(angle)
    u, v = rx * np.cos(t), ry * np.sin(t)
    return np.stack([x + c * u - s * v, y + s * u + c * v], 1)


def tube(points, widths):
    """Outline of a limb: half-widths along a curve, with round ends."""
    curve = spline(points, closed=False)
    width = np.interp(np.linspace(0, 1, len(curve)), np.linspace(0, 1, len(widths)), widths)
    along = np.gradient(curve, axis=0)
    along /= np.linalg.norm(along, axis=1, keepdims=True) + 1e-9
    side = np.stack([-along[:, 1], along[:, 0]], 1) * width[:, None]
    t = np.linspace(math.pi / 2, -math.pi / 2, 8)[1:-1, None]

    def cap(end, sign):
        across = np.array([-along[end, 1], along[end, 0]])
        return curve[end] + sign * width[end] * (np.cos(t) * along[end] + np.sin(t) * across)

    return np.vstack([curve + side, cap(-1, 1), (curve - side)[::-1], cap(0, -1)])


def both(points):
    """Close the right half of a symmetrical outline (top to bottom) with its mirror image."""
    p = np.asarray(points, float)
    return np.vstack([p, (p * [-1, 1])[::-1]])


def soft(x, low, high):
    t = np.clip((x - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)


def mix(a, b, t):
    t = np.asarray(t, float)[..., None]
    return np.asarray(a, float) * (1 - t) + np.asarray(b, float) * t


class Noise:
    """Smooth random field in [0, 1], of period 32, looked up in a table for speed."""

    fine = 16  # table entries a unit

    def __init__(self, rng):
        grid = np.pad(rng.random((32, 32)).astype(np.float32), 2, mode="wrap")
        big = Image.fromarray(grid).resize((36 * self.fine,) * 2, Image.BICUBIC)
        self.table = np.clip(np.asarray(big)[32:-32, 32:-32], 0, 1)

    def __call__(self, u, v):
        i, j = (np.asarray(w * self.fine).astype(np.int32) % 512 for w in (u, v))
        return self.table[i, j]

    def rough(self, u, v):
        return 0.55 * self(u, v) + 0.3 * self(2.1 * u + 7, 2.1 * v + 3) + 0.15 * self(
            4.3 * u + 1, 4.3 * v + 9)


# ---------------------------------------------------------------------------------------------
# Painting


@dataclass
class Fur:
    """Strokes over a shape: length in units of its frame, strokes per 100 square pixels."""

    length: float = 0.1
    density: float = 3.0
    stray: float = 0.35
    contrast: float = 0.11
    curl: bool = False


def blur(a, radius):
    """Three box blurs of a 2-D array, close to a Gaussian."""
    r = max(1, int(round(radius)))
    for _ in range(3):
        for axis in (0, 1):
            pad = [(r + 1, r) if k == axis else (0, 0) for k in (0, 1)]
            c = np.cumsum(np.pad(a, pad, mode="edge"), axis=axis)
            n = a.shape[axis]
            upper = np.take(c, range(2 * r + 1, 2 * r + 1 + n), axis=axis)
            a = (upper - np.take(c, range(n), axis=axis)) / (2 * r + 1)
    return a


def shrink(mask, k):
    return np.asarray(mask.resize((max(1, mask.width // k), max(1, mask.height // k)),
                                  Image.BOX), float) / 255


def grow(a, size):
    return np.asarray(Image.fromarray(a.astype(np.float32)).resize(size, Image.BILINEAR), float)


class Painter:
    """A canvas lit by one lamp. Colours are RGB in 0..255."""

    def __init__(self, rng, lamp, ambient):
        self.rng = rng
        self.image = Image.new("RGB", (EDGE, EDGE))
        self.draw = ImageDraw.Draw(self.image)
        self.lamp = np.asarray(lamp, float) / np.linalg.norm(lamp)
        self.ambient = ambient

    def box(self, points, margin):
        low = np.floor(points.min(0) - margin).astype(int)
        high = np.ceil(points.max(0) + margin).astype(int)
        low, high = np.clip(low, 0, EDGE), np.clip(high, 0, EDGE)
        return (*low, *high) if (high - low > 6).all() else None

    def shape(self, frame, outline, colour, dome=0.5, fur=None, flow=None, shadow=0.35,
              relief=None, gloss=0.0):
        """Paint a shaded, perhaps furry shape.

        `colour` is an RGB triple or a function of the frame's (u, v) arrays; `dome` is how round
        the shape is; `flow` gives the fur's direction, a vector or a function of (u, v);
        `shadow` darkens what lies next to the shape.
        """
        points = frame.px(outline)
        spread = points.max(0) - points.min(0)
        reach = max(4.0, 0.16 * spread.min())
        box = self.box(points, 2 * reach)
        if box is None:
            return
        x0, y0, x1, y1 = box
        size = (x1 - x0, y1 - y0)
        mask = Image.new("L", size)
        ImageDraw.Draw(mask).polygon([tuple(p) for p in points - [x0, y0]], fill=255)
        k = 3
        low = shrink(mask, k)
        inside = np.asarray(mask) > 127
        y, x = np.mgrid[y0:y1, x0:x1]
        u, v = frame.local(x, y)
        if callable(colour):
            rgb = np.broadcast_to(colour(u, v), (*inside.shape, 3))
        else:
            rgb = np.broadcast_to(np.asarray(colour, float), (*inside.shape, 3))
        light = 1.0
        if dome:
            radius = (relief or 0.22) * spread.min() / k
            height = blur(low, radius) + 0.5 * blur(low, radius / 3)
            gy, gx = np.gradient(height)
            bend = dome * 2.6 * max(radius, 1)
            normal = np.stack([-gx * bend, -gy * bend, np.ones_like(gx)], -1)
            normal /= np.linalg.norm(normal, axis=-1, keepdims=True)
            lit = np.clip(normal @ self.lamp, 0, None)
            shade = self.ambient + (1 - self.ambient) * lit / self.lamp[2]
            if gloss:
                shade = shade + gloss * np.clip(lit, 0, 1) ** 20
            light = np.clip(grow(shade, size), 0.3, 1.4)[..., None]
        rgb = np.clip(rgb * light, 0, 255)
        under = np.asarray(self.image.crop(box), float)
        if shadow:
            halo = grow(blur(np.pad(low, 0), reach / k), size)
            under = under * (1 - shadow * np.clip(1.4 * halo, 0, 1))[..., None]
        out = np.where(inside[..., None], rgb, under)
        self.image.paste(Image.fromarray(out.astype(np.uint8)), (x0, y0))
        if fur:
            self.strokes(frame, inside, (x0, y0), fur, flow)

    def tuft(self, frame, outline, fur, flow):
        """Strokes of what is already painted inside the outline."""
        points = frame.px(outline)
        box = self.box(points, 0)
        if box is None:
            return
        mask = Image.new("L", (box[2] - box[0], box[3] - box[1]))
        ImageDraw.Draw(mask).polygon([tuple(q) for q in points - box[:2]], fill=255)
        self.strokes(frame, np.asarray(mask) > 127, box[:2], fur, flow)

    def strokes(self, frame, inside, corner, fur, flow):
        rng = self.rng
        ys, xs = np.nonzero(inside)
        n = int(len(ys) * fur.density / 100)
        if n == 0:
            return
        pick = rng.integers(0, len(ys), n)
        x, y = xs[pick] + corner[0], ys[pick] + corner[1]
        u, v = frame.local(x, y)
        direction = flow(u, v) if callable(flow) else flow
        du, dv = (np.broadcast_to(np.asarray(d, float), u.shape) for d in direction)
        d = np.stack([du, dv], 1) @ frame.matrix.T
        angle = np.arctan2(d[:, 1], d[:, 0]) + rng.normal(0, fur.stray, n)
        length = np.maximum(2.0, fur.length * frame.unit * rng.uniform(0.5, 1.3, n))
        h, w = inside.shape
        crop = self.image.crop((corner[0], corner[1], corner[0] + w, corner[1] + h))
        rgb = np.asarray(crop)[ys[pick], xs[pick]].astype(float)
        rgb = np.clip(rgb * np.exp(rng.normal(0, fur.contrast, n))[:, None]
                      + rng.normal(0, 10 * fur.contrast, n)[:, None], 0, 255).astype(int)
        xe, ye = x + length * np.cos(angle), y + length * np.sin(angle)
        if fur.curl:
            r = length * 0.45
            for i in range(n):
                a = math.degrees(angle[i])
                self.draw.arc((x[i] - r[i], y[i] - r[i], x[i] + r[i], y[i] + r[i]), a, a + 230,
                              fill=tuple(rgb[i]), width=2)
            return
        ends = np.stack([x, y, xe, ye], 1).tolist()
        for k, (end, tone) in enumerate(zip(ends, rgb.tolist(), strict=True)):
            self.draw.line(end, fill=tuple(tone), width=1 + k % 2)

    def line(self, frame, points, colour, width):
        """Curve through the points; `width` in the frame's units."""
        px = [tuple(p) for p in frame.px(spline(points, closed=False))]
        self.draw.line(px, fill=tuple(int(c) for c in colour), joint="curve",
                       width=max(1, int(round(width * frame.unit))))

    def flat(self, frame, outline, colour):
        self.draw.polygon([tuple(p) for p in frame.px(outline)],
                          fill=tuple(int(c) for c in colour))


# ---------------------------------------------------------------------------------------------
# Coats: one distribution for both classes

COLOURS = {
    "black": (44, 40, 42), "charcoal": (82, 79, 82), "grey": (134, 134, 140),
    "silver": (182, 180, 178), "white": (236, 232, 224), "cream": (230, 209, 172),
    "ginger": (208, 130, 62), "rust": (164, 90, 48), "brown": (116, 80, 54),
    "chocolate": (82, 55, 42), "tan": (194, 155, 110), "golden": (216, 168, 98),
    "blue": (116, 124, 140),
}
WHITE = np.array([240, 236, 229.0])
PATTERNS = ("plain", "stripes", "patches", "spots", "marbled", "points", "saddle")
PATTERN_ODDS = (0.36, 0.19, 0.12, 0.04, 0.04, 0.1, 0.15)


class Coat:
    """Colour of the fur at a place: `coat.on(part)` is a function of that part's (u, v)."""

    def __init__(self, rng):
        names = list(COLOURS)
        first, second = rng.choice(len(names), 2, replace=False)
        self.pattern = rng.choice(PATTERNS, p=PATTERN_ODDS)
        self.base = np.array(COLOURS[names[first]]) * rng.uniform(0.88, 1.1) + rng.normal(0, 2.5, 3)
        self.other = np.array(COLOURS[names[second]]) * rng.uniform(0.88, 1.1)
        if self.pattern in ("stripes", "points", "saddle"):  # markings darker than the ground
            if self.base.mean() < 95:
                self.base = np.array(COLOURS[rng.choice(["tan", "grey", "ginger", "cream"])])
            self.other = self.base * rng.uniform(0.38, 0.6)
        if self.pattern in ("patches", "spots") and abs((self.base - self.other).mean()) < 50:
            self.base = WHITE.copy() if self.other.mean() < 180 else self.other * 0.4
        self.white = rng.choice(["none", "bib", "blaze"], p=[0.5, 0.27, 0.23])
        self.ear = rng.uniform(0.68, 1.12)
        self.muzzle = max(0.0, rng.uniform(-0.2, 0.5))
        self.noise = Noise(rng)
        self.offset = rng.uniform(0, 30, 2)
        self.pitch = rng.uniform(2.6, 4.2)

    def pale(self):
        return mix(self.base, WHITE, 0.45 if self.white == "none" else 0.9)

    def on(self, part):
        return partial(self._at, part)

    def _at(self, part, u, v):
        a, b = self.offset
        n = self.noise
        grain = n.rough(u * 3 + a, v * 3 + b)
        t = 0.18 * grain
        if self.pattern == "stripes":
            wave = n(u * 1.7 + a, v * 1.7 + b)
            if part == "head":
                phase = np.arctan2(u, 0.35 - v) * self.pitch * 1.4 + 2 * wave
                strength = soft(np.hypot(u, v - 0.3), 0.45, 0.75)
            elif part in ("leg", "tail"):
                phase, strength = (v * 1.0 + 0.25 * u) * self.pitch * 2.6 + 1.5 * wave, 0.8
            else:
                phase, strength = (u + 0.2 * v) * self.pitch * 2.1 + 4 * wave, 0.9
            t = t + 0.8 * strength * soft(np.sin(phase), -0.1, 0.6)
        elif self.pattern == "patches":
            t = t + soft(n.rough(u * 0.9 + a, v * 0.9 + b), 0.5, 0.56)
        elif self.pattern == "spots":
            t = t + soft(n(u * 4 + a, v * 4 + b), 0.64, 0.74)
        elif self.pattern == "marbled":
            t = t + 0.85 * soft(n.rough(u * 2.3 + a, v * 2.3 + b), 0.42, 0.6)
        elif self.pattern == "points":
            if part == "head":
                t = t + soft(np.hypot(u * 1.1, v - 0.35), 0.85, 0.3)
            else:
                t = t + {"ear": 0.95, "tail": 0.9, "leg": 0.65, "muzzle": 1.0}.get(part, 0.12)
        elif self.pattern == "saddle":
            if part == "head":
                t = t + 0.9 * soft(v + 0.3 * n(u * 2 + a, v * 2 + b), 0.1, -0.25)
            else:
                place = {"body": soft(v, 0.9, -0.1), "ear": 0.9, "tail": 0.8}
                t = t + place.get(part, 0.05)
        colour = mix(self.base, self.other, np.clip(t, 0, 1))
        if part == "muzzle" and self.pattern != "points":
            colour = mix(colour, WHITE, np.full(u.shape, self.muzzle))
        if part == "ear":
            colour = colour * self.ear
        if self.white != "none":
            wobble = 0.25 * n(u * 2.5 + b, v * 2.5 + a)
            if part == "muzzle":
                w = 0.92
            elif part == "head" and self.white == "blaze":
                w = soft(np.abs(u) + wobble, 0.34 + 0.5 * soft(v, -0.1, 0.6),
                         0.2 + 0.5 * soft(v, -0.1, 0.6))
            elif part == "chest":
                w = soft(np.abs(u) + wobble, 0.75, 0.45)
            elif part == "paw":
                w = 0.92
            else:
                w = 0.0
            colour = mix(colour, WHITE, np.broadcast_to(w, u.shape))
        return colour


# ---------------------------------------------------------------------------------------------
# Animals

CATS = {
    # cheek, chin: outline of the skull; ear: height; eye: size; fur: length of the coat
    "shorthair": dict(cheek=1.0, chin=0.5, ear=0.94, eye=0.235, fur=0.09),
    "british": dict(cheek=1.1, chin=0.62, ear=0.76, eye=0.25, fur=0.1),
    "oriental": dict(cheek=0.84, chin=0.36, ear=1.16, eye=0.22, fur=0.06),
    "persian": dict(cheek=1.1, chin=0.6, ear=0.74, eye=0.245, fur=0.24),
    "forest": dict(cheek=1.0, chin=0.52, ear=1.02, eye=0.22, fur=0.22),
    "kitten": dict(cheek=1.02, chin=0.48, ear=0.95, eye=0.27, fur=0.13),
}
DOGS = {
    # skull, muzzle: half-widths; length: of the muzzle; ear: kind; hang: its length
    "retriever": dict(skull=0.86, muzzle=0.43, length=0.55, ear="drop", hang=0.85, fur=0.12),
    "hound": dict(skull=0.8, muzzle=0.4, length=0.7, ear="drop", hang=1.2, fur=0.07),
    "spaniel": dict(skull=0.82, muzzle=0.42, length=0.55, ear="drop", hang=1.35, fur=0.2),
    "terrier": dict(skull=0.76, muzzle=0.46, length=0.6, ear="fold", hang=0.5, fur=0.18),
    "pug": dict(skull=0.98, muzzle=0.5, length=0.2, ear="fold", hang=0.5, fur=0.06),
    "spitz": dict(skull=0.92, muzzle=0.33, length=0.45, ear="prick", hang=0.65, fur=0.24),
    "shepherd": dict(skull=0.8, muzzle=0.38, length=0.75, ear="prick", hang=1.0, fur=0.13),
    "poodle": dict(skull=0.76, muzzle=0.32, length=0.75, ear="drop", hang=1.0, fur=0.13),
    "boxer": dict(skull=0.92, muzzle=0.54, length=0.4, ear="drop", hang=0.6, fur=0.06),
    "sheepdog": dict(skull=0.95, muzzle=0.45, length=0.55, ear="drop", hang=0.9, fur=0.26),
}
IRIS = {
    "cats": [(158, 178, 72), (208, 172, 58), (196, 122, 48), (112, 160, 196), (112, 168, 110)],
    "dogs": [(92, 56, 30), (112, 70, 36), (70, 44, 28), (150, 102, 50), (112, 160, 196)],
}


@dataclass
class Animal:
    """One individual."""

    kind: str
    breed: str
    body: dict
    coat: Coat
    turn: float  # of the head, -1 left .. 1 right
    nod: float
    tilt: float  # of the head against the body, radians
    asleep: bool
    collar: tuple | None
    tongue: bool
    build: float  # girth of the body

    @property
    def fur(self):
        return self.body["fur"]


def make_animal(rng, kind):
    breeds = CATS if kind == "cats" else DOGS
    odds = np.array([0.4 if b.get("ear") == "prick" else 1.0 for b in breeds.values()])
    breed = rng.choice(list(breeds), p=odds / odds.sum())
    body = {k: v * rng.uniform(0.93, 1.07) if isinstance(v, float) else v
            for k, v in breeds[breed].items()}
    iris = np.array(IRIS[kind][rng.integers(len(IRIS[kind]))])
    body["iris"] = iris + rng.normal(0, 8, 3)
    body["pupil"] = rng.uniform(0.18, 0.75)
    body["nose"] = rng.choice([0, 0, 0, 1])  # dark or light nose
    body["tail"] = rng.uniform(0.8, 1.2)
    body["mask"] = breed == "pug" and rng.random() < 0.7
    collar = tuple(random_colour(rng, 0.7, 0.75)) if rng.random() < 0.35 else None
    return Animal(
        kind, breed, body, Coat(rng), turn=rng.uniform(-0.7, 0.7), nod=rng.uniform(-0.4, 0.4),
        tilt=rng.normal(0, 0.1), asleep=rng.random() < 0.04, collar=collar,
        tongue=rng.random() < 0.55, build=rng.uniform(0.85, 1.15),
    )


def random_colour(rng, saturation, value):
    h, s = rng.random(), np.clip(rng.normal(saturation, 0.15), 0.02, 1)
    return 255 * np.array(colorsys.hsv_to_rgb(h, s, np.clip(rng.normal(value, 0.1), 0.1, 1)))


def outward(u, v):
    """Fur of a face: away from the nose."""
    return u, v - 0.25


def eye(p, f, at, r, side, iris, pupil, asleep, slant):
    """One eye of half-width `r`. `pupil` is its half-width as a share of the iris, `slant` how
    almond-shaped the opening is, 0 round .. 1; `side` is +1 on the right of the face.
    """
    g = f.child(at, angle=-0.12 * slant * side, mirror=side < 0)
    lid = (38, 30, 29)
    if asleep:
        p.line(g, [(-r, -0.02), (-0.5 * r, 0.2 * r), (0, 0.3 * r), (0.5 * r, 0.2 * r),
                   (1.1 * r, -0.15 * r)], lid, 0.05)
        return
    k = slant
    opening = spline([(-1.05, 0.45 * k), (-0.6, -0.66 + 0.12 * k), (0.05, -0.92 + 0.06 * k),
                      (0.7, -0.72), (1.1, -0.3 * k), (0.65, 0.58), (0.0, 0.84 - 0.04 * k),
                      (-0.6, 0.7)]) * r
    p.shape(g, opening * 1.2, lid, 0, shadow=0.3)
    iris = np.asarray(iris)

    def ball(u, v):
        d = np.hypot(u, v) / r
        c = mix(iris * 1.12, iris * 0.62, soft(d, 0.3, 0.95))
        return c * (1 - 0.5 * soft(v, 0.1 * r, -0.8 * r))[..., None]

    p.shape(g, opening, ball, 0.15, shadow=0)
    p.flat(g, oval(0, -0.02 * r, pupil * r, (0.55 + 0.3 * k) * r), (16, 13, 14))
    x = 0.3 * (1 if p.lamp[0] > 0 else -1) * side * (1 if f.mirrored else -1)
    p.flat(g, oval(-x * r, -0.36 * r, 0.2 * r, 0.2 * r), (246, 248, 250))


def cat_head(p, f, a):
    b, coat, rng = a.body, a.coat, p.rng
    long = b["fur"] > 0.18
    fur = Fur(b["fur"], 5.0)

    def at(x, y, depth):  # features slide over the skull as the head turns
        return x * (1 - 0.12 * abs(a.turn)) + 0.3 * a.turn * depth, y + 0.22 * a.nod * depth

    for side in (-1, 1):
        tall = b["ear"] * (1 - 0.08 * a.nod)
        narrow = 1 - 0.35 * max(0, side * a.turn)
        g = f.child(at(side * 0.58, -0.5, -0.25), angle=side * 0.28, mirror=side < 0,
                    squash=narrow)
        tip = (0.12, -tall)
        ear = np.vstack([
            spline([(-0.42, 0.1), (-0.22, -0.5 * tall), tip], closed=False),
            spline([tip, (0.36, -0.42 * tall), (0.4, 0.2)], closed=False),
        ])
        p.shape(g, ear, coat.on("ear"), 0.4, Fur(b["fur"] * 0.7, 5), (0.05, -1))
        inner = (ear - [0.02, 0]) * [0.62, 0.74] + [0.02, 0.02]
        p.shape(g, inner, mix(coat.base, (222, 150, 140), 0.6) * 0.86, 0.3, shadow=0.1)
        for _ in range(9):
            x = rng.uniform(-0.22, 0.02)
            p.line(g, [(x, 0.1), (x + 0.05, -0.2 * tall), (x + 0.2, -0.5 * tall)],
                   mix(coat.base, WHITE, 0.5) * 0.95, 0.02)
        if a.breed == "forest":
            p.line(g, [tip, (0.14, -tall - 0.16)], coat.other * 0.6, 0.05)
    c, chin = b["cheek"], b["chin"]
    skull = spline(both([(0.0, -0.76), (0.4, -0.74), (0.78 * c, -0.44), (0.97 * c, 0.06),
                         (0.88 * c, 0.46), (chin, 0.78), (0.2, 0.92)]))
    p.shape(f, skull, coat.on("head"), 0.55, fur, outward)
    if long:
        for side in (-1, 1):
            p.tuft(f, oval(side * 0.6 * c, 0.42, 0.26, 0.32, side * 0.4), Fur(0.4, 6), (side, 0.9))
    flat = a.breed == "persian"
    mx, my = at(0, 0.42 if not flat else 0.34, 0.75)
    for side in (-1, 1):
        pad = oval(mx + side * 0.17, my + 0.06, 0.25, 0.2, side * 0.25)
        p.shape(f, pad, coat.on("muzzle"), 0.45, Fur(0.06, 4), (side, 0.5), shadow=0.12)
    p.shape(f, oval(mx, my + 0.29, 0.17, 0.12), coat.on("muzzle"), 0.4, Fur(0.05, 4), (0, 1), 0.2)
    for side in (-1, 1):
        ex, ey = at(side * 0.41, -0.05, 0.4)
        narrow = 1 - 0.22 * max(0, side * a.turn)
        eye(p, f, (ex, ey), b["eye"] * narrow, side, b["iris"], b["pupil"], a.asleep, 1)
    nose = np.array([(-0.14, -0.07), (0.14, -0.07), (0.05, 0.06), (0, 0.09), (-0.05, 0.06)])
    p.shape(f, spline(nose + [mx, my - 0.08]), [(92, 62, 60), (214, 138, 132)][b["nose"]], 0.4,
            shadow=0.2)
    dark = np.minimum(coat.pale() * 0.35, 70)
    p.line(f, [(mx, my), (mx, my + 0.12)], dark, 0.035)
    for side in (-1, 1):
        p.line(f, [(mx, my + 0.12), (mx + side * 0.13, my + 0.21), (mx + side * 0.27, my + 0.16)],
               dark, 0.04)
    whiskers(p, f, (mx, my + 0.06), 0.3)


def whiskers(p, f, at, gap):
    if p.rng.random() < 0.1:
        return
    tone = p.rng.choice([240, 225, 60])
    for side in (-1, 1):
        for k in range(4):
            y = (k - 1.5) * 0.07
            bend = p.rng.normal(0, 0.05)
            p.line(f, [(at[0] + side * gap, at[1] + y),
                       (at[0] + side * (gap + 0.4), at[1] + 2.2 * y + bend),
                       (at[0] + side * (gap + 0.85), at[1] + 4 * y + 0.1 + 2 * bend)],
                   (tone, tone, tone), 0.022)


def dog_nose(p, f, at, r, tone):
    colour = [(40, 34, 36), (112, 74, 62)][tone]
    x, y = at
    p.shape(f, spline([(x - r, y - 0.35 * r), (x, y - 0.62 * r), (x + r, y - 0.35 * r),
                       (x + 0.7 * r, y + 0.4 * r), (x, y + 0.75 * r), (x - 0.7 * r, y + 0.4 * r)]),
            colour, 0.5, shadow=0.3, gloss=0.9)
    for side in (-1, 1):
        p.flat(f, oval(x + side * 0.45 * r, y + 0.1 * r, 0.2 * r, 0.14 * r), (12, 10, 12))


def dog_ear(p, f, a, side, at):
    b, coat = a.body, a.coat
    hang, fur = b["hang"], b["fur"]
    s = b["skull"]
    curl = a.breed == "poodle"
    narrow = 1 - 0.3 * max(0, side * a.turn)
    ear_fur = Fur(fur * 1.1, 6, curl=curl)
    if b["ear"] == "prick":
        g = f.child(at(side * 0.56 * s, -0.5, -0.25), angle=side * 0.2, mirror=side < 0,
                    squash=narrow)
        ear = spline([(-0.34, 0.12), (-0.26, -0.45 * hang), (0.02, -hang), (0.14, -hang),
                      (0.36, -0.4 * hang), (0.42, 0.3)])
        p.shape(g, ear, coat.on("ear"), 0.4, Fur(fur * 0.6, 5), (0.05, -1))
        p.shape(g, ear * [0.58, 0.72] + [0.02, 0.02], mix(coat.base, (196, 140, 130), 0.5) * 0.75,
                0.3, Fur(0.1, 3), (0, -1), shadow=0.1)
    elif b["ear"] == "fold":
        g = f.child(at(side * 0.56 * s, -0.55, -0.1), mirror=side < 0, squash=narrow)
        p.shape(g, spline([(-0.3, 0.1), (-0.1, -0.28), (0.25, -0.26), (0.4, 0.2)]), coat.on("ear"),
                0.4, ear_fur, (0.3, -1))
        p.shape(g, spline([(-0.26, -0.16), (0.05, -0.32), (0.36, -0.2), (0.42, 0.1),
                           (0.24, hang), (0.1, hang * 0.9), (-0.12, 0.2)]),
                coat.on("ear"), 0.5, ear_fur, (0.3, 1), shadow=0.5)
    else:
        g = f.child(at(side * 0.66 * s, -0.5, -0.1), angle=-side * 0.14, mirror=side < 0,
                    squash=narrow)
        wide = 0.3 + 0.08 * hang
        ear = spline([(-0.16, -0.1), (0.1, -0.24), (0.36, -0.05), (0.46, 0.45 * hang),
                      (0.4, 0.9 * hang), (0.2, 1.06 * hang), (0.2 - wide, 0.8 * hang),
                      (-0.12, 0.35 * hang)])
        p.shape(g, ear, coat.on("ear"), 0.55, ear_fur, (0.08, 1),
                shadow=0.5)


def dog_head(p, f, a):
    b, coat = a.body, a.coat
    s, m, length = b["skull"], b["muzzle"], b["length"]
    shaggy = a.breed in ("sheepdog", "terrier")
    curl = a.breed == "poodle"
    fur = Fur(b["fur"], 5.0, curl=curl)

    def at(x, y, depth):
        return x * (1 - 0.12 * abs(a.turn)) + 0.34 * a.turn * depth, y + 0.25 * a.nod * depth

    if b["ear"] == "prick":
        for side in (-1, 1):
            dog_ear(p, f, a, side, at)
    jaw = 0.42 + 0.3 * length
    skull = spline(both([(0.0, -0.82), (0.42 * s, -0.8), (0.86 * s, -0.5), (s, -0.08),
                         (0.9 * s, 0.32), (0.66 * s, 0.62), (0.3 * s, 0.8)]))
    p.shape(f, skull, coat.on("head"), 0.55, fur, outward)
    if a.breed == "spitz":
        for side in (-1, 1):
            p.tuft(f, oval(side * 0.58, 0.4, 0.26, 0.34, side * 0.4), Fur(0.4, 6), (side, 0.7))
    if curl:
        p.shape(f, oval(0, -0.72, 0.66, 0.46), coat.on("head"), 0.5, Fur(0.16, 7, curl=True),
                (0, -1), shadow=0.1)
    if b["ear"] != "prick":
        for side in (-1, 1):
            dog_ear(p, f, a, side, at)
    depth = 0.6 + 0.8 * length
    mx, my = at(0, 0.34, depth)
    bx, by = at(0, 0.0, 0.5)
    low = my + jaw
    is_open = a.tongue and not a.asleep
    if is_open:
        drop = 0.2
        p.shape(f, oval(mx, low - 0.12, m * 0.62, 0.2 + drop), coat.on("muzzle"), 0.4,
                Fur(0.06, 3), (0, 1))
        p.flat(f, oval(mx, low - 0.16, m * 0.5, 0.16 + drop), (74, 28, 32))
        p.shape(f, spline([(mx - 0.16, low - 0.2), (mx + 0.16, low - 0.2), (mx + 0.2, low + 0.2),
                           (mx, low + 0.42), (mx - 0.2, low + 0.2)]), (222, 112, 122), 0.5,
                shadow=0.2)
        p.line(f, [(mx, low - 0.1), (mx, low + 0.24)], (178, 76, 88), 0.035)
    else:
        p.shape(f, oval(mx, low - 0.14, m * 0.6, 0.22), coat.on("muzzle"), 0.4, Fur(0.06, 3),
                (0, 1))
    tone = coat.on("muzzle")
    if b["mask"]:
        tone = (58, 48, 46)
    snout = spline(np.array([
        (bx - 0.6 * m, by - 0.02), (bx, by - 0.14), (bx + 0.6 * m, by - 0.02),
        (mx + 0.92 * m, my + 0.1), (mx + 1.0 * m, my + 0.55 * jaw), (mx + 0.6 * m, low - 0.06),
        (mx, low - 0.12), (mx - 0.6 * m, low - 0.06), (mx - 1.0 * m, my + 0.55 * jaw),
        (mx - 0.92 * m, my + 0.1)]))
    p.shape(f, snout, tone, 0.6, Fur(max(0.06, b["fur"] * 0.5), 4, curl=curl),
            lambda u, v: (u - mx, v - my + 0.3), shadow=0.3)
    ny = my + 0.04
    if shaggy:
        for side in (-1, 1):
            p.shape(f, oval(mx + side * m * 0.55, low - 0.12, m * 0.6, 0.24, side * 0.3), tone,
                    0.3, Fur(0.26, 7), (side * 0.4, 1), shadow=0.1)
    dark = np.minimum(coat.pale() * 0.3, 60)
    p.line(f, [(mx, ny + 0.1), (mx, my + 0.62 * jaw)], dark, 0.04)
    for side in (-1, 1):
        p.line(f, [(mx, my + 0.62 * jaw), (mx + side * 0.5 * m, my + 0.8 * jaw),
                   (mx + side * 0.95 * m, my + 0.6 * jaw)], dark, 0.05)
    big = 0.16 if a.breed == "pug" else 0.125
    for side in (-1, 1):
        ex, ey = at(side * 0.44 * s, -0.16, 0.45)
        eye(p, f, (ex, ey), big, side, b["iris"], 0.55, a.asleep, 0.2)
        if a.breed != "sheepdog":
            arch = [(ex - side * 0.14, ey - 0.2), (ex, ey - 0.27), (ex + side * 0.17, ey - 0.18)]
            p.line(f, arch, np.minimum(coat.base * 0.45, 60), 0.035)
    if shaggy:
        for side in (-1, 1):
            brow = at(side * 0.44 * s, -0.42, 0.45)
            p.shape(f, oval(*brow, 0.24, 0.1), coat.on("head"), 0.3, Fur(0.17, 7),
                    (side * 0.7, 1), shadow=0.1)
    if a.breed == "pug":
        for k in (0, 1):
            y = -0.42 - 0.14 * k
            p.line(f, [at(-0.28, y + 0.08, 0.4), at(0, y, 0.4), at(0.28, y + 0.08, 0.4)],
                   coat.base * 0.55, 0.035)
    dog_nose(p, f, (mx, ny), 0.19 + 0.18 * m, b["nose"])


def cat_profile(p, f, a):
    """Head seen from the side, looking to +x."""
    b, coat = a.body, a.coat
    fur = Fur(b["fur"], 5)
    for g, dim in ((f.child((0.22, -0.5), angle=0.2), 0.75), (f.child((-0.18, -0.48)), 1.0)):
        tall = b["ear"]
        ear = np.vstack([spline([(-0.34, 0.2), (-0.2, -0.4 * tall), (0.04, -tall)], closed=False),
                         spline([(0.04, -tall), (0.3, -0.4 * tall), (0.36, 0.15)], closed=False)])
        p.shape(g, ear, lambda u, v, dim=dim: coat.on("ear")(u, v) * dim, 0.4,
                Fur(b["fur"] * 0.6, 5), (0, -1))
        if dim == 1.0:
            p.shape(g, ear * [0.5, 0.68] + [0.06, 0.03],
                    mix(coat.base, (222, 150, 140), 0.6) * 0.85, 0.2, shadow=0.1)
    out = 1.0 if a.breed != "persian" else 0.86
    skull = spline([(-0.84, 0.25), (-0.76, -0.3), (-0.35, -0.7), (0.2, -0.72), (0.6, -0.42),
                    (0.78 * out, -0.08), (0.98 * out, 0.08), (1.06 * out, 0.24),
                    (1.0 * out, 0.46), (0.82 * out, 0.62), (0.5, 0.72), (0.0, 0.86),
                    (-0.5, 0.74)])
    p.shape(f, skull, lambda u, v: coat.on("head")(u - 0.5, v), 0.55, fur,
            lambda u, v: (u - 0.9, v - 0.2))
    p.shape(f, oval(0.78 * out, 0.36, 0.24, 0.19), coat.on("muzzle"), 0.45, Fur(0.06, 4),
            (-1, 0.4), 0.1)
    eye(p, f.child((0.46, -0.08), squash=0.72), (0, 0), b["eye"] * 0.95, -1, b["iris"],
        b["pupil"], a.asleep, 1)
    p.shape(f, spline([(0.92 * out, 0.08), (1.05 * out, 0.13), (1.06 * out, 0.24),
                       (0.95 * out, 0.22)]), [(92, 62, 60), (214, 138, 132)][b["nose"]], 0.3,
            shadow=0.2)
    p.line(f, [(1.0 * out, 0.4), (0.8 * out, 0.48), (0.62 * out, 0.42)],
           np.minimum(coat.pale() * 0.35, 70), 0.04)
    tone = (245,) * 3
    for k in range(4):
        y = (k - 1.5) * 0.08
        p.line(f, [(0.8, 0.36 + y), (1.0, 0.4 + 2.5 * y), (1.35, 0.5 + 4 * y)], tone, 0.022)


def dog_profile(p, f, a):
    b, coat = a.body, a.coat
    curl = a.breed == "poodle"
    fur = Fur(b["fur"], 5, curl=curl)
    tip = 0.82 + 0.85 * b["length"]
    thick = 0.34 + 0.32 * b["muzzle"]
    if b["ear"] == "prick":
        for x, dim in ((0.12, 0.75), (-0.25, 1.0)):
            g = f.child((x, -0.5))
            tall = b["hang"] * 0.95
            ear = spline([(-0.3, 0.2), (-0.16, -0.5 * tall), (0.06, -tall), (0.16, -0.9 * tall),
                          (0.32, 0.15)])
            p.shape(g, ear, lambda u, v, d=dim: coat.on("ear")(u, v) * d, 0.4,
                    Fur(b["fur"] * 0.6, 5), (0, -1))
    if a.tongue and not a.asleep:
        p.shape(f, spline([(tip - 0.35, 0.25), (tip - 0.1, 0.25), (tip - 0.05, 0.7),
                           (tip - 0.2, 0.85), (tip - 0.35, 0.65)]), (222, 112, 122), 0.5)
    skull = spline([(-0.8, 0.2), (-0.68, -0.42), (-0.2, -0.78), (0.28, -0.72), (0.56, -0.4),
                    (0.72, -0.14), (tip - 0.06, -0.08), (tip + 0.05, 0.1),
                    (tip - 0.02, -0.12 + thick), (0.7, 0.04 + thick * 1.1), (0.45, 0.68),
                    (0.0, 0.8), (-0.45, 0.78)])
    p.shape(f, skull, lambda u, v: coat.on("head")(u - 0.55, v), 0.55, fur,
            lambda u, v: (u - 1.3, v - 0.1))
    muzzle = spline([(0.62, -0.06), (tip - 0.1, -0.06), (tip, 0.08), (tip - 0.06, -0.12 + thick),
                     (0.66, thick)])
    p.shape(f, muzzle, (58, 48, 46) if b["mask"] else coat.on("muzzle"), 0.4,
            Fur(max(0.06, b["fur"] * 0.6), 4, curl=curl), (-1, 0.3), shadow=0.08)
    if curl:
        p.shape(f, oval(-0.1, -0.7, 0.56, 0.42), coat.on("head"), 0.5, Fur(0.16, 7, curl=True),
                (0, -1), 0.1)
    eye(p, f, (0.42, -0.2), 0.125, -1, b["iris"], 0.58, a.asleep, 0.3)
    p.line(f, [(tip - 0.05, 0.02 + 0.6 * thick), (0.85, 0.02 + 0.68 * thick),
               (0.62, 0.6 * thick - 0.06)], np.minimum(coat.pale() * 0.3, 60), 0.05)
    if a.breed in ("terrier", "sheepdog"):
        p.shape(f, oval(tip - 0.3, 0.1 + thick * 0.7, 0.3, 0.22), coat.on("muzzle"), 0.3,
                Fur(0.26, 7), (-0.2, 1), 0.1)
    p.shape(f, oval(tip - 0.03, 0.0, 0.14, 0.12), [(40, 34, 36), (112, 74, 62)][b["nose"]], 0.5,
            shadow=0.2, gloss=0.9)
    if b["ear"] != "prick":
        hang = b["hang"]
        g = f.child((-0.25, -0.45), angle=0.1)
        p.shape(g, spline([(-0.24, -0.06), (0.04, -0.2), (0.32, 0.0), (0.34, 0.5 * hang),
                           (0.18, hang), (-0.1, hang), (-0.3, 0.5 * hang)]),
                coat.on("ear"), 0.55,
                Fur(b["fur"] * 1.1, 6, curl=curl), (0.05, 1), 0.5)


def head(p, f, a):
    (cat_head if a.kind == "cats" else dog_head)(p, f.child((0, 0), angle=a.tilt), a)


def profile(p, f, a):
    (cat_profile if a.kind == "cats" else dog_profile)(p, f.child((0, 0), angle=a.tilt), a)


def tail(p, f, a, root, up):
    """`up` is how high it is carried, 0 lying .. 1 upright; it grows towards -x."""
    b, coat, rng = a.body, a.coat, p.rng
    x, y = root
    k = b["tail"]
    if a.kind == "cats":
        bend = rng.uniform(-0.5, 0.5)
        path = [(x, y), (x - 0.8 * k, y + 0.1 - 0.9 * up), (x - 1.2 * k, y + 0.1 - 1.8 * up * k),
                (x - (1.0 + bend) * k, y - 0.1 - 2.6 * up * k)]
        w = 0.17 + 0.5 * max(0, b["fur"] - 0.12)
        widths, fur = [w, w * 1.05, w, w * 0.85], Fur(b["fur"] * 1.1, 5)
    elif a.breed in ("spitz", "pug"):
        path = [(x, y), (x - 0.35, y - 0.55), (x + 0.1, y - 0.85), (x + 0.4, y - 0.4)]
        w = 0.3 if a.breed == "spitz" else 0.17
        widths, fur = [w, w, w * 0.8], Fur(b["fur"] * 1.2, 6)
    elif a.breed in ("boxer", "sheepdog", "poodle"):
        path = [(x, y), (x - 0.3, y - 0.4), (x - 0.45, y - 0.75)]
        widths = [0.17, 0.15, 0.24 if a.breed == "poodle" else 0.12]
        fur = Fur(b["fur"], 6, curl=a.breed == "poodle")
    else:
        path = [(x, y), (x - 0.7 * k, y - 0.5 * up), (x - 1.35 * k, y - 0.3 - 1.2 * up)]
        widths = [0.24, 0.24 + 0.4 * max(0, b["fur"] - 0.08), 0.1]
        fur = Fur(b["fur"] * 1.6, 6)
    p.shape(f, tube(path, widths), coat.on("tail"), 0.5, fur, (-0.6, 0.5))


def leg(p, f, a, points, widths, dim=1.0):
    coat = a.coat
    p.shape(f, tube(points, widths), lambda u, v: coat.on("leg")(u, v) * dim, 0.5,
            Fur(a.fur * 0.6, 4, curl=a.breed == "poodle"), (0, 1), shadow=0.3)
    x, y = points[-1]
    w = widths[-1]
    p.shape(f, oval(x + 0.1, y + 0.02, w * 1.35, w * 0.85), lambda u, v: coat.on("paw")(u, v) * dim,
            0.5, Fur(0.05, 3), (0.5, 0.5), shadow=0.25)
    for k in (-1, 1):
        p.line(f, [(x + 0.1 + k * w * 0.4, y + 0.02), (x + 0.1 + k * w * 0.45, y + w * 0.75)],
               coat.base * 0.45 * dim, 0.03)


def collar(p, f, a, at, rx):
    if a.collar is None:
        return
    x, y = at
    p.shape(f, tube([(x - rx, y - 0.06), (x, y + 0.12), (x + rx, y - 0.06)], [0.1, 0.1]), a.collar,
            0.4)
    p.shape(f, oval(x, y + 0.3, 0.13, 0.14), (226, 190, 84), 0.5, gloss=0.6)


def ruff(p, f, a, at, rx, ry):
    p.shape(f, oval(*at, rx, ry), a.coat.on("chest"), 0.4, Fur(max(0.1, a.fur), 5,
            curl=a.breed == "poodle"), (0, 1), shadow=0.15)


def body_fur(a, density=3.5):
    return Fur(a.fur * 1.1, density, curl=a.breed == "poodle")


def sit_front(p, f, a, rng):
    """Head at the origin, body below it. All poses use the head's half-width as the unit."""
    g, coat = a.build, a.coat
    tail(p, f.child((0, 0), mirror=rng.random() < 0.5), a, (-0.9 * g, 2.7), rng.uniform(0, 0.8))
    body = spline(both([(0.0, 0.3), (0.55, 0.5), (0.82 * g, 1.2), (1.05 * g, 2.1), (1.15 * g, 2.8),
                        (0.9 * g, 3.15)]))
    p.shape(f, body, coat.on("body"), 0.55, body_fur(a), (0, 1))
    for side in (-1, 1):
        p.shape(f, oval(side * 0.92 * g, 2.65, 0.42, 0.62, side * -0.2), coat.on("body"), 0.5,
                body_fur(a), (side * 0.4, 1))
        p.shape(f, oval(side * 0.98 * g, 3.15, 0.42, 0.17), coat.on("paw"), 0.5, Fur(0.06, 3),
                (side, 0.2))
    ruff(p, f, a, (0, 1.35), 0.6, 0.75)
    for side in (-1, 1):
        leg(p, f, a, [(side * 0.4, 1.6), (side * 0.38, 2.4), (side * 0.34 - 0.1, 3.2)],
            [0.3, 0.23, 0.22])
    collar(p, f, a, (0, 0.92), 0.62)
    head(p, f, a)


def sit_side(p, f, a, rng):
    g, coat = a.build, a.coat
    tail(p, f, a, (-1.5, 2.95), rng.uniform(0, 0.5))
    leg(p, f, a, [(0.55, 1.6), (0.6, 2.4), (0.62, 3.15)], [0.3, 0.2, 0.2], 0.75)
    body = spline([(-0.4, 0.4), (0.5, 0.5), (0.78 * g, 1.3), (0.66, 2.2), (0.1, 3.0), (-0.9, 3.2),
                   (-1.65 * g, 2.95), (-1.6 * g, 2.2), (-1.1 * g, 1.3)])
    p.shape(f, body, coat.on("body"), 0.55, body_fur(a), (-0.25, 1))
    p.shape(f, oval(-0.92, 2.5, 0.72, 0.66, 0.4), coat.on("body"), 0.5, body_fur(a), (-0.3, 1))
    p.shape(f, oval(-0.45, 3.16, 0.55, 0.17), coat.on("paw"), 0.5, Fur(0.06, 3), (1, 0.1))
    leg(p, f, a, [(0.3, 1.5), (0.28, 2.4), (0.3, 3.2)], [0.36, 0.22, 0.21])
    ruff(p, f, a, (0.3, 1.2), 0.45, 0.65)
    collar(p, f, a, (0.05, 0.86), 0.58)
    (profile if rng.random() < 0.25 else head)(p, f, a)


def stand(p, f, a, rng):
    """Standing or walking to +x."""
    g, coat = a.build, a.coat
    reach = rng.uniform(0.0, 0.45)
    floor = 3.0
    tail(p, f, a, (-2.75, 1.05), rng.uniform(0.2, 1.0))
    for x, swing in ((-2.2, reach), (-0.15, -reach)):
        leg(p, f, a, [(x, 1.5), (x + 0.5 * swing - 0.1, 2.3), (x + swing, floor - 0.12)],
            [0.36, 0.21, 0.19], 0.7)
    body = spline([(-2.8, 1.0), (-2.2, 0.72), (-1.2, 0.8), (-0.3, 0.62), (0.3, 0.5), (0.5, 1.1),
                   (0.25, 1.75), (-0.6, 2.05 * (0.6 + 0.4 * g)), (-1.6, 1.8), (-2.5, 1.75)])
    neck = tube([(-0.35, 1.2), (-0.15, 0.6), (-0.05, 0.1)], [0.75, 0.62, 0.55])
    p.shape(f, neck, coat.on("body"), 0.5, body_fur(a), (-0.4, 1))
    p.shape(f, body, coat.on("body"), 0.55, body_fur(a), (-1, 0.35))
    for x, swing in ((-2.35, -reach), (0.05, reach)):
        leg(p, f, a, [(x, 1.4), (x + 0.5 * swing - 0.1, 2.3), (x + swing, floor)],
            [0.46, 0.23, 0.2])
    collar(p, f, a, (-0.05, 0.7), 0.55)
    (profile if rng.random() < 0.2 else head)(p, f, a)


def lie(p, f, a, rng):
    """Lying with the front paws before it."""
    g, coat = a.build, a.coat
    tail(p, f, a, (-2.5, 1.75), rng.uniform(0, 0.25))
    body = spline([(-0.3, 0.2), (0.5, 0.6), (0.75, 1.5), (0.2, 1.95), (-1.2, 2.0), (-2.5, 1.95),
                   (-2.75 * g, 1.4), (-2.2, 0.62), (-1.2, 0.42)])
    p.shape(f, body, coat.on("body"), 0.55, body_fur(a), (-1, 0.5))
    p.shape(f, oval(-2.0, 1.45, 0.72, 0.58), coat.on("body"), 0.5, body_fur(a), (-0.5, 1))
    p.shape(f, oval(-1.5, 1.92, 0.5, 0.16), coat.on("paw"), 0.5, Fur(0.06, 3), (1, 0))
    ruff(p, f, a, (0.12, 1.0), 0.58, 0.6)
    for y, dim in ((1.75, 0.85), (1.92, 1.0)):
        leg(p, f, a, [(-0.4, 1.6), (0.4, y - 0.02), (1.15, y)], [0.28, 0.22, 0.2], dim)
    collar(p, f, a, (0, 0.88), 0.6)
    head(p, f, a)


def face(p, f, a, rng):
    """Close-up: shoulders cut by the frame."""
    p.shape(f, spline(both([(0.0, 0.2), (0.6, 0.4), (0.95, 1.1), (1.5 * a.build, 2.0),
                            (1.7 * a.build, 3.6)])), a.coat.on("body"), 0.5, body_fur(a), (0, 1))
    ruff(p, f, a, (0, 1.35), 0.72, 0.75)
    collar(p, f, a, (0, 0.98), 0.7)
    head(p, f, a)


# pose: (drawing function, odds, middle and half-extent of its box in head units)
POSES = [
    (face, 0.7, (0.0, 0.08), 1.32),
    (sit_front, 0.12, (0.0, 0.6), 1.8),
    (sit_side, 0.06, (-0.25, 0.7), 1.9),
    (stand, 0.06, (-0.75, 0.85), 2.2),
    (lie, 0.06, (-0.55, 0.55), 1.8),
]

# ---------------------------------------------------------------------------------------------
# Surroundings: none of this knows the class


def wash(p, top, bottom, grain, scale, rng, stretch=(1, 1)):
    """Fill the canvas with a vertical gradient and a soft mottle."""
    y, x = np.mgrid[0:EDGE, 0:EDGE] / EDGE
    n = Noise(rng)
    colour = mix(top, bottom, y)
    colour = colour + grain * (n.rough(x * scale * stretch[0], y * scale * stretch[1]) - 0.5)[
        ..., None]
    p.image.paste(Image.fromarray(np.clip(colour, 0, 255).astype(np.uint8)))


CANVAS = Frame((0, 0), np.diag([EDGE, EDGE]))


def rectangle(x0, y0, x1, y1, r=0.0):
    if r == 0:
        return np.array([(x0, y0), (x1, y0), (x1, y1), (x0, y1)], float)
    corners = [(x1 - r, y0 + r, -90), (x1 - r, y1 - r, 0), (x0 + r, y1 - r, 90),
               (x0 + r, y0 + r, 180)]
    t = np.radians(np.linspace(0, 90, 6))
    return np.vstack([np.stack([x + r * np.cos(t + math.radians(d)),
                                y + r * np.sin(t + math.radians(d))], 1) for x, y, d in corners])


def room(p, rng, horizon):
    wall = random_colour(rng, 0.3, 0.72)
    wash(p, wall * 1.05, wall * 0.85, 18, 4, rng)
    style = rng.integers(4)
    tint = np.clip(wall * rng.uniform(0.7, 1.25), 0, 255)
    if style == 1:
        step = rng.uniform(0.05, 0.14)
        for x in np.arange(rng.uniform(-step, 0), 1, step):
            p.flat(CANVAS, rectangle(x, 0, x + step * 0.45, horizon), tint)
    elif style == 2:
        step = rng.uniform(0.09, 0.16)
        for i, y in enumerate(np.arange(0.02, horizon, step)):
            for x in np.arange(-0.05 + (i % 2) * step / 2, 1.05, step):
                p.flat(CANVAS, oval(x, y, step * 0.16, step * 0.16), tint)
    elif style == 3:
        x, w = rng.uniform(0.0, 0.7), rng.uniform(0.25, 0.4)
        p.flat(CANVAS, rectangle(x - 0.02, -0.1, x + w + 0.02, 0.5), (236, 232, 224))
        sky = random_colour(rng, 0.3, 0.85)
        p.shape(CANVAS, rectangle(x, -0.1, x + w, 0.48), lambda u, v: mix(sky, WHITE, v), 0,
                shadow=0)
        p.flat(CANVAS, rectangle(x + w / 2 - 0.01, -0.1, x + w / 2 + 0.01, 0.48), (236, 232, 224))
    ground = random_colour(rng, 0.4, 0.55)
    n = Noise(rng)
    planks = rng.random() < 0.5

    def floor(u, v):
        depth = (v - horizon) / (1 - horizon + 1e-6)
        c = ground * (0.8 + 0.3 * np.clip(depth, 0, 1))[..., None]
        if planks:
            x = (u - 0.5) / (0.6 + 0.7 * depth) * 9
            c = c * (0.88 + 0.24 * n(np.floor(x) * 3.7, np.zeros_like(x) + 2.2))[..., None]
            c = c * (0.9 + 0.2 * n(x * 3, v * 30))[..., None]
        else:
            c = c * (0.8 + 0.4 * n.rough(u * 40, v * 40))[..., None]
        return c

    p.shape(CANVAS, rectangle(-0.1, horizon, 1.1, 1.1), floor, 0, shadow=0.2)
    p.flat(CANVAS, rectangle(0, horizon - 0.02, 1, horizon), np.clip(wall * 1.2, 0, 255))
    if rng.random() < 0.4:
        rug = random_colour(rng, 0.5, 0.6)
        x, rx = rng.uniform(0.3, 0.7), rng.uniform(0.4, 0.6)
        for k, c in ((1.0, rug), (0.82, np.clip(rug * 1.35, 0, 255)), (0.74, rug * 0.9)):
            p.shape(CANVAS, oval(x, 0.93, rx * k, 0.2 * k), c, 0, Fur(0.02, 2), (1, 0), 0.1)


def sofa(p, rng, horizon):
    room(p, rng, horizon)
    c = random_colour(rng, 0.45, 0.58)
    n = Noise(rng)
    style = rng.integers(3)
    other = np.clip(c * rng.uniform(0.75, 1.3), 0, 255)

    def cloth(u, v):
        t = 0.25 * n(u * 60, v * 60)
        if style == 1:
            t = t + (np.sin(u * 70) > 0.3)
        elif style == 2:
            t = t + 0.5 * (np.sin(u * 60) > 0.2) + 0.5 * (np.sin(v * 60) > 0.2)
        return mix(c, other, np.clip(t, 0, 1))

    top = horizon - rng.uniform(0.25, 0.45)
    p.shape(CANVAS, rectangle(-0.1, top, 0.5, 0.95, 0.08), cloth, 0.4, relief=0.08)
    p.shape(CANVAS, rectangle(0.5, top, 1.1, 0.95, 0.08), cloth, 0.4, relief=0.08)
    p.shape(CANVAS, rectangle(-0.2, horizon + 0.12, 1.2, 1.2, 0.07), cloth, 0.4, relief=0.08)


def tree(p, rng, x, base, size):
    trunk = np.array([96, 70, 50]) * rng.uniform(0.7, 1.2)
    p.shape(CANVAS, tube([(x, base - 0.9 * size), (x, base)], [0.06 * size, 0.09 * size]), trunk)
    leaf = 255 * np.array(colorsys.hsv_to_rgb(rng.uniform(0.08, 0.4), 0.5, rng.uniform(0.35, 0.6)))
    for _ in range(5):
        at = x + rng.normal(0, 0.25) * size, base - size * rng.uniform(0.7, 1.4)
        p.shape(CANVAS, oval(*at, 0.35 * size, 0.3 * size), leaf * rng.uniform(0.85, 1.15), 0.5,
                Fur(0.025, 4, stray=2), (0, 1), 0.15)


def meadow(p, rng, horizon):
    season = rng.integers(4)
    sky = [(150, 190, 226), (206, 212, 220), (228, 190, 160), (40, 46, 84)][rng.integers(4)]
    night = sky[0] < 60
    wash(p, sky, mix(sky, (240, 236, 226), 0.15 if night else 0.6), 26, 3, rng, (1, 2))
    if night:
        for _ in range(25):
            r = rng.uniform(0.001, 0.004)
            p.flat(CANVAS, oval(rng.random(), rng.uniform(0, horizon), r, r, n=8), (226, 226, 210))
        p.flat(CANVAS, oval(rng.random(), 0.12, 0.05, 0.05), (236, 232, 206))
    grass = [(112, 142, 66), (150, 146, 78), (224, 228, 236), (196, 176, 134)][season]
    grass = np.array(grass) * rng.uniform(0.85, 1.05) * (0.5 if night else 1)
    hill = mix(grass, sky, 0.45)
    peak = rng.uniform(0.05, 0.2)
    other = peak * rng.uniform(0.3, 1.2)
    ridge = spline([(-0.1, horizon), (0.2, horizon - peak), (0.5, horizon - 0.05),
                    (0.8, horizon - other), (1.1, horizon)], closed=False)
    p.shape(CANVAS, np.vstack([ridge, [(1.1, 1), (-0.1, 1)]]), hill, 0.2, Fur(0.03, 2), (0, 1), 0)
    for _ in range(rng.integers(0, 4)):
        tree(p, rng, rng.random(), horizon + 0.02, rng.uniform(0.2, 0.5))
    n = Noise(rng)
    p.shape(CANVAS, rectangle(-0.1, horizon, 1.1, 1.1),
            lambda u, v: grass * (0.75 + 0.5 * n.rough(u * 6, v * 14))[..., None], 0,
            Fur(0.05 if season < 2 else 0.015, 5, contrast=0.2), (0.1, -1), 0.1)


def street(p, rng, horizon):
    """Brick or board wall and paving."""
    c = random_colour(rng, 0.35, 0.6)
    wash(p, c * 0.6, c * 0.5, 20, 6, rng)
    boards = rng.random() < 0.5
    h, w = (1.0, rng.uniform(0.08, 0.14)) if boards else (rng.uniform(0.05, 0.08), 0.16)
    for i, y in enumerate(np.arange(0, horizon, h)):
        for x in np.arange(-w * (i % 2) / 2, 1, w):
            p.shape(CANVAS, rectangle(x + 0.004, y + 0.004, x + w - 0.004, min(y + h, horizon)
                                      - 0.004), np.clip(c * rng.uniform(0.8, 1.15), 0, 255), 0,
                    Fur(0.02, 1.2), (0, 1) if boards else (1, 0), 0)
    g = random_colour(rng, 0.12, 0.55)
    n = Noise(rng)
    p.shape(CANVAS, rectangle(-0.1, horizon, 1.1, 1.1),
            lambda u, v: g * (0.7 + 0.6 * n.rough(u * 30, v * 40))[..., None], 0, shadow=0.3)


def studio(p, rng, horizon):
    """Out-of-focus lights or a plain sheet."""
    c = random_colour(rng, 0.4, 0.5)
    wash(p, c * rng.uniform(0.6, 1.4), c * rng.uniform(0.6, 1.4), 30, 3, rng)
    if rng.random() < 0.6:
        for _ in range(rng.integers(8, 24)):
            r = rng.uniform(0.02, 0.09)
            q = np.clip(random_colour(rng, 0.35, 0.7), 0, 255)
            p.shape(CANVAS, oval(rng.random(), rng.random(), r, r), mix(q, c, 0.35), 0.1, shadow=0)
        p.image.paste(p.image.filter(ImageFilter.GaussianBlur(6)))


PLACES = [(room, 0.26), (sofa, 0.2), (meadow, 0.3), (street, 0.12), (studio, 0.12)]


def thing(p, rng):
    """Something lying or standing about."""
    x, y, s = rng.uniform(0.02, 0.98), rng.uniform(0.6, 0.95), rng.uniform(0.06, 0.12)
    f = CANVAS.child((x, y), s)
    c = random_colour(rng, 0.6, 0.7)
    kind = rng.integers(5)
    if kind == 0:  # ball
        p.shape(f, oval(0, 0, 1, 1), lambda u, v: np.where(
            (np.abs(v - 0.2 * u * u) < 0.25)[..., None], 235.0, c), 0.8, gloss=0.5)
    elif kind == 1:  # potted plant
        for _ in range(9):
            dx = rng.normal(0, 1)
            p.shape(f, tube([(0, 0), (dx * 0.6, -1.3), (dx * 1.4, -2.2)], [0.12, 0.22, 0.03]),
                    (70 + 30 * rng.random(), 124, 66), 0.4, shadow=0.1)
        p.shape(f, np.array([(-0.8, -0.2), (0.8, -0.2), (0.55, 1), (-0.55, 1)]), c, 0.5)
    elif kind == 2:  # bowl
        p.shape(f, oval(0, -0.3, 1.3, 0.35), c * 0.5, 0)
        p.shape(f, spline([(-1.3, -0.3), (0, 0.0), (1.3, -0.3), (0.9, 0.5), (-0.9, 0.5)]), c, 0.5,
                gloss=0.4)
    elif kind == 3:  # lamp
        p.flat(f, rectangle(-0.06, -3, 0.06, 0.8), (60, 54, 50))
        p.shape(f, np.array([(-0.6, -4), (0.6, -4), (1.1, -2.6), (-1.1, -2.6)]),
                np.clip(c * 1.2 + 40, 0, 255), 0.3, shadow=0)
    else:  # books
        for k in range(3):
            dx = rng.normal(0, 0.15)
            p.shape(f, rectangle(-1.2 + dx, 0.5 - 0.4 * k, 1.2 + dx, 0.86 - 0.4 * k),
                    random_colour(rng, 0.5, 0.6), 0.2)


def cover(p, rng):
    """Something between us and the animal."""
    kind = rng.integers(6)
    c = random_colour(rng, 0.45, 0.6)
    n = Noise(rng)
    side = rng.random() < 0.5
    if kind == 0:  # cushion or blanket
        f = CANVAS.child((rng.uniform(0, 1), rng.uniform(0.95, 1.1)), rng.uniform(0.25, 0.4),
                         rng.normal(0, 0.3))
        p.shape(f, rectangle(-1, -0.75, 1, 0.75, 0.3),
                lambda u, v: mix(c, c * 0.65, 0.4 * n(u * 18, v * 18)
                                 + 0.5 * (np.sin(9 * u) > 0.4)), 0.6)
    elif kind == 1:  # grass
        for _ in range(rng.integers(20, 60)):
            x, h = rng.random(), rng.uniform(0.12, 0.38)
            green = np.array([96, 132, 58]) * rng.uniform(0.6, 1.3)
            b = rng.normal(0, 0.06)
            p.shape(CANVAS, tube([(x, 1.02), (x + b, 1 - 0.6 * h), (x + 3 * b, 1 - h)],
                                 [0.009, 0.007, 0.001]), green, 0, shadow=0)
    elif kind == 2:  # fence
        w = rng.uniform(0.025, 0.045)
        gap = rng.uniform(0.2, 0.34)
        for x in np.arange(rng.uniform(-gap, 0), 1, gap):
            p.shape(CANVAS, np.array([(x, 0.62), (x + w, 0.56), (x + 2 * w, 0.62),
                                      (x + 2 * w, 1.1), (x, 1.1)]), c, 0.3, Fur(0.03, 1), (0, 1))
        p.shape(CANVAS, rectangle(-0.1, 0.86, 1.1, 0.91), c * 0.92, 0.3)
    elif kind == 3:  # box
        y = rng.uniform(0.74, 0.86)
        p.shape(CANVAS, np.array([(0.02, y), (0.98, y), (0.95, 1.1), (0.05, 1.1)]),
                lambda u, v: mix((190, 150, 104), (150, 112, 74), n(u * 3, v * 60)), 0.15)
    elif kind == 4:  # leaves from a corner
        ox, oy = (-0.02 if side else 1.02), rng.uniform(0.1, 1.0)
        for _ in range(10):
            t = rng.uniform(-0.7, 0.7) + (0 if side else math.pi)
            r = rng.uniform(0.15, 0.4)
            f = CANVAS.child((ox, oy), r, t)
            p.shape(f, spline([(0.1, 0), (0.5, 0.14), (1, 0), (0.5, -0.14)]),
                    np.array([74, 118, 62]) * rng.uniform(0.6, 1.3), 0.4)
    else:  # door or curtain edge
        w = rng.uniform(0.08, 0.24)
        x0, x1 = (-0.1, w) if side else (1 - w, 1.1)
        p.shape(CANVAS, rectangle(x0, -0.1, x1, 1.1),
                lambda u, v: mix(c, c * 0.55, 0.5 + 0.5 * np.sin(55 * u + 2 * n(u * 3, v * 2))),
                0.15)


def ground_shadow(p, f, x0, x1, y):
    """Soft contact shadow."""
    points = f.px(oval((x0 + x1) / 2, y, (x1 - x0) / 2, 0.28))
    mask = Image.new("L", (EDGE // 4, EDGE // 4))
    ImageDraw.Draw(mask).polygon([tuple(q / 4) for q in points], fill=120)
    mask = mask.filter(ImageFilter.GaussianBlur(3)).resize((EDGE, EDGE), Image.BILINEAR)
    p.image.paste((20, 18, 24), mask=mask)


def camera(image, rng):
    """Light, exposure and faults of the image as a whole: returns the finished RGB image."""
    small = image.resize((SIZE, SIZE), Image.BOX)
    a = np.asarray(small, float) / 255
    y, x = np.mgrid[0:SIZE, 0:SIZE] / SIZE
    angle = rng.uniform(0, 2 * math.pi)
    slope = 1 + rng.uniform(0, 1.1) * ((x - 0.5) * math.cos(angle) + (y - 0.5) * math.sin(angle))
    a = a * slope[..., None]
    kind = rng.random()
    if kind < 0.1:  # shadow of a window or a fence
        g = rng.uniform(8, 22)
        t = rng.uniform(0, math.pi)
        bars = soft(np.sin(g * (x * math.cos(t) + y * math.sin(t)) + rng.uniform(0, 6)), -0.2, 0.2)
        a = a * (0.74 + 0.32 * bars)[..., None]
    elif kind < 0.18:  # shadow of leaves
        n = Noise(rng)
        a = a * (0.74 + 0.34 * soft(n.rough(x * 6, y * 6), 0.42, 0.55))[..., None]
    elif kind < 0.26:  # one hard edge of shade
        t = rng.uniform(0, 2 * math.pi)
        d = (x - 0.5) * math.cos(t) + (y - 0.5) * math.sin(t) + rng.uniform(-0.2, 0.2)
        a = a * (0.66 + 0.4 * soft(d, -0.02, 0.02))[..., None]
    a = np.clip(a, 0, 1) ** math.exp(rng.normal(0, 0.39))
    grey = a.mean(-1, keepdims=True)  # film: from black and white to vivid
    a = grey + (a - grey) * rng.choice([0, 0.4, 0.75, 1.1], p=[0.1, 0.2, 0.35, 0.35])
    warm, green = rng.normal(0, 0.34), rng.normal(0, 0.16)  # from candle light to moonlight
    a = a * np.exp([warm, green, -warm])
    a = a.mean() + (a - a.mean()) * rng.uniform(0.35, 1.15)
    a = a * math.exp(rng.normal(-0.03, 0.36))
    a = a * (np.clip(a.mean(), 0.16, 0.66) / a.mean())  # no lamp makes it all black or white
    a = a + rng.normal(0, rng.uniform(0.0, 0.03), a.shape)
    out = Image.fromarray((np.clip(a, 0, 1) * 255).astype(np.uint8))
    if rng.random() < 0.25:
        out = out.filter(ImageFilter.GaussianBlur(rng.uniform(0.3, 0.8)))
    return out


def drawing(kind, seed):
    """One finished drawing (PIL image) of a cat or a dog."""
    # Separate streams, so that scene and pose cannot depend on how much a class draws.
    scene, build, stroke = (np.random.default_rng([*seed, k]) for k in range(3))
    lamp = (scene.uniform(-0.9, 0.9), scene.uniform(-0.9, 0.1), 1.0)
    p = Painter(scene, lamp, scene.uniform(0.35, 0.65))
    horizon = scene.uniform(0.42, 0.75)
    place = PLACES[scene.choice(len(PLACES), p=[odds for _, odds in PLACES])][0]
    place(p, scene, horizon)
    for _ in range(scene.choice(3, p=[0.5, 0.35, 0.15])):
        thing(p, scene)
    if scene.random() < 0.75:  # out of focus
        p.image.paste(p.image.filter(ImageFilter.GaussianBlur(scene.uniform(2, 8))))
    which = scene.choice(len(POSES), p=[odds for _, odds, _, _ in POSES])
    pose, _, middle, half = POSES[which]
    scale = 0.5 / half * scene.uniform(0.78, 1.2)
    mirror = scene.random() < 0.5
    shift = scene.normal(0, 0.07, 2)
    f = CANVAS.child(0.5 + shift, scale, scene.normal(0, 0.13 if pose is face else 0.06), mirror)
    f = f.child(-np.array(middle))
    covered, shot = scene.random() < 0.22, scene.spawn(1)[0]
    p.rng = stroke
    if pose in (sit_front, sit_side):
        ground_shadow(p, f, -1.7, 1.4, 3.25)
    elif pose is stand:
        ground_shadow(p, f, -2.9, 0.6, 3.1)
    elif pose is lie:
        ground_shadow(p, f, -2.9, 1.4, 2.05)
    pose(p, f, make_animal(build, kind), build)
    p.rng = scene
    if covered:
        cover(p, scene)
    return camera(p.image, shot)


# ---------------------------------------------------------------------------------------------
# Files


def jpeg(job):
    kind, seed, quality = job
    data = io.BytesIO()
    drawing(kind, seed).save(data, "JPEG", quality=quality, optimize=True)
    return data.getvalue()


def jobs(seed, counts):
    """(relative path, job) of every drawing; the seeds are disjoint by construction."""
    for s, (split, n) in enumerate(counts.items()):
        for c, kind in enumerate(CLASSES):
            for i in range(n):
                own = (seed, s, c, i)
                quality = int(np.random.default_rng([*own, 9]).integers(74, 89))
                yield f"{split}/{kind}/{i:03d}.jpg", (kind, own, quality)


def contact_sheet(drawings, columns):
    tiles = [Image.open(io.BytesIO(b)) for b in drawings]
    rows = -(-len(tiles) // columns)
    sheet = Image.new("RGB", (columns * (SIZE + 4), rows * (SIZE + 4)), "white")
    for i, tile in enumerate(tiles):
        sheet.paste(tile, (i % columns * (SIZE + 4), i // columns * (SIZE + 4)))
    return sheet


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", type=Path, help="folder to write the tree and SHA256SUMS into")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--preview", type=Path, help="write a contact sheet of the first drawings")
    parser.add_argument("--count", type=int, default=40, help="drawings per class on the sheet")
    parser.add_argument("--workers", type=int, default=2)
    args = parser.parse_args()
    if not (args.out or args.preview):
        parser.error("give --out DIR, --preview PNG, or both")
    start = time.perf_counter()
    wanted = dict(jobs(args.seed, SPLITS if args.out else {"train": args.count}))
    with ProcessPoolExecutor(args.workers) as pool:
        drawn = pool.map(jpeg, wanted.values(), chunksize=4)
        drawings = dict(zip(wanted, tqdm(drawn, total=len(wanted), unit="drawing"), strict=True))
    if args.out:
        sums = []
        for name, data in sorted(drawings.items()):
            (args.out / name).parent.mkdir(parents=True, exist_ok=True)
            (args.out / name).write_bytes(data)
            sums.append(f"{hashlib.sha256(data).hexdigest()}  {name}\n")
        (args.out / "SHA256SUMS").write_text("".join(sums), encoding="ascii")
    if args.preview:
        first = [drawings[f"train/{k}/{i:03d}.jpg"] for k in CLASSES for i in range(args.count)]
        contact_sheet(first, 10).save(args.preview)
    print(f"{len(drawings)} drawings, {sum(map(len, drawings.values())) / 1e6:.2f} MB, "
          f"{time.perf_counter() - start:.0f} s")


if __name__ == "__main__":
    main()
