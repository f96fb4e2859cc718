"""The training of `pretrain_images.py`: two students, one teacher, the same views for all."""

import json
import math
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from places import write_whole
from pretrain_images_networks import (
    VGG16,
    MobileNetV2,
    Student,
    named_arrays,
    teacher_network,
)
from pretrain_images_views import Views
from torch import nn

SEED = 7
HELD_OUT = 20  # photographs per class kept for measuring
BATCH = 384
TEACHER_PIXELS = 160
TEACHER_WEIGHT, LABEL_WEIGHT = 10.0, 0.5  # of the two losses
WEIGHT_DECAY, CLIP = 0.03, 5.0
# Of each student: the backbone, the sizes of its views and their shares, the highest learning rate.
STUDENTS = {
    "vgg16": (lambda: VGG16(0.5), {64: 0.65, 96: 0.35}, 2e-3),
    "mobilenet": (MobileNetV2, {64: 0.2, 96: 0.4, 128: 0.4}, 2.5e-3),
}


def read_corpus(source):
    """(photographs uint8 (n, 64, 64, 3), labels (n,), held out (n,), class names)."""
    folders = sorted(p for p in Path(source).glob("*") if p.is_dir() and any(p.glob("*.jpg")))
    if not folders:
        raise SystemExit(
            f"{source} has no folders of jpg files, one per class: lay Tiny ImageNet out so, "
            "without its cats and dogs, and give its folder with --source."
        )
    rng = np.random.default_rng(SEED)
    files, labels, held = [], [], []
    for label, folder in enumerate(folders):
        inside = sorted(folder.glob("*.jpg"))
        files += inside
        labels += [label] * len(inside)
        held.append(rng.permutation(len(inside)) < HELD_OUT)
    with ThreadPoolExecutor() as pool:
        photographs = np.stack(list(pool.map(_read, files, chunksize=64)))
    return photographs, np.array(labels), np.concatenate(held), [f.name for f in folders]


def _read(file):
    with Image.open(file) as photograph:
        return np.asarray(photograph.convert("RGB"))


class Trainer:
    """Teacher, photographs and students on one device."""

    def __init__(self, source, teacher, device):
        torch.manual_seed(SEED)
        self.device = device
        self.autocast = torch.autocast(device, torch.bfloat16, enabled=device == "cuda")
        photographs, labels, held, self.class_names = read_corpus(source)
        self.photographs = torch.from_numpy(photographs).to(device)
        self.labels = torch.from_numpy(labels).to(device)
        self.training = torch.from_numpy(np.flatnonzero(~held)).to(device)
        self.held = torch.from_numpy(np.flatnonzero(held)).to(device)
        self.teacher = teacher_network(teacher).to(device, memory_format=torch.channels_last)
        if device == "cuda":
            self.teacher.bfloat16()
        self.students = {
            name: Student(build(), len(self.class_names)).to(device)
            for name, (build, _, _) in STUDENTS.items()
        }
        self.optimizers = {name: _optimizer(student) for name, student in self.students.items()}
        self.mean, self.std = self._standard()

    def _standard(self):
        """Mean and standard deviation of the teacher's features over views of the training part."""
        order = torch.randperm(len(self.training), device=self.device)
        batches = self.training[order].split(BATCH)[:40]
        found = torch.cat([self._features(Views(self.photographs[rows], 0.0)) for rows in batches])
        return found.mean(0), found.std(0) + 1e-3

    @torch.no_grad()
    def _features(self, views):
        x = MobileNetV2.prepared(views.images(TEACHER_PIXELS))
        x = x.contiguous(memory_format=torch.channels_last)
        return self.teacher(x.to(next(self.teacher.parameters()).dtype))

    def _target(self, views):
        return (self._features(views) - self.mean) / self.std

    def _outputs(self, name, x):
        student = self.students[name]
        with self.autocast:
            x = student.backbone.prepared(x).contiguous(memory_format=torch.channels_last)
            return student(x)

    def step(self, rows, rate, mixed, pixels):
        """One batch for all students; `rate` scales their highest learning rates.

        Returns:
            Of each student the cosine to the teacher and the cross-entropy.
        """
        views = Views(self.photographs[rows], mixed)
        target = self._target(views)
        labels = views.targets(self.labels[rows], len(self.class_names))
        losses = []
        for name in self.students:
            logits, features = self._outputs(name, views.student_images(pixels[name]))
            cosine = F.cosine_similarity(features, target).mean()
            cross_entropy = F.cross_entropy(logits, labels)
            loss = TEACHER_WEIGHT * (1 - cosine) + LABEL_WEIGHT * cross_entropy
            optimizer = self.optimizers[name]
            for group in optimizer.param_groups:
                group["lr"] = rate * STUDENTS[name][2]
            optimizer.zero_grad(set_to_none=False)
            loss.backward()
            nn.utils.clip_grad_norm_([p for g in optimizer.param_groups for p in g["params"]], CLIP)
            optimizer.step()
            losses.append(torch.stack([cosine, cross_entropy]).detach())
        return torch.stack(losses)

    @torch.no_grad()
    def evaluate(self):
        """{student: {pixels: (accuracy, cosine to the teacher)}} on the held-out photographs."""
        found = {}
        for name, student in self.students.items():
            student.eval()
            found[name] = {pixels: self._evaluate(name, pixels) for pixels in STUDENTS[name][1]}
            student.train()
        return found

    def _evaluate(self, name, pixels):
        right, close = [], []
        for rows in self.held.split(BATCH):
            views = Views(self.photographs[rows], None)
            logits, features = self._outputs(name, views.images(pixels))
            right.append(logits.argmax(1) == self.labels[rows])
            close.append(F.cosine_similarity(features, self._target(views)))
        return [round(torch.cat(found).float().mean().item(), 4) for found in (right, close)]

    def save(self, folder):
        """Write NAME.npz of each student, for the export."""
        for name, student in self.students.items():
            arrays = named_arrays(student) | {"class_names": np.array(self.class_names)}
            write_whole(folder / f"{name}.npz", lambda f, a=arrays: np.savez_compressed(f, **a))

    def save_check(self, folder):
        """Write check.npz: images, and the students' features by which the export is checked."""
        torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
        x = Views(self.photographs[self.held[:16]], None).images(64)
        found = {"images": x.permute(0, 2, 3, 1).cpu().numpy()}
        for name, student in self.students.items():
            backbone = student.eval().float().backbone
            with torch.no_grad():
                found[name] = backbone(backbone.prepared(x)).cpu().numpy()
        write_whole(folder / "check.npz", lambda file: np.savez(file, **found))


def _optimizer(student):
    """AdamW (Loshchilov and Hutter, 2019) of two long vectors: all kernels, everything else.

    Parameters and gradients become views of these, so that a step is a few operations, whatever
    the number of layers.
    """
    groups = []
    for decay, own in ((WEIGHT_DECAY, lambda p: p.ndim > 1), (0.0, lambda p: p.ndim <= 1)):
        parts = [p for p in student.parameters() if own(p)]
        whole = nn.Parameter(torch.cat([p.detach().reshape(-1) for p in parts]))
        whole.grad, at = torch.zeros_like(whole), 0
        for p in parts:
            span = slice(at, at + p.numel())
            p.data, p.grad = whole.data[span].view(p.shape), whole.grad[span].view(p.shape)
            at += p.numel()
        groups.append({"params": [whole], "weight_decay": decay})
    return torch.optim.AdamW(groups, lr=1e-3)


def learning_rate(step, steps, warm):
    """Linear warm-up, then half a cosine down to 0, as a share of the highest rate."""
    if step < warm:
        return (step + 1) / warm
    return 0.5 * (1 + math.cos(math.pi * (step - warm) / max(1, steps - warm)))


def train_part(trainer, folder, *, epochs, peak, mixed):
    """Train for `epochs`; the log gets a line per epoch, the weights are kept every ten.

    Args:
        trainer: the `Trainer`.
        folder: where log.jsonl and the weights go.
        epochs: passes over the training photographs; fractions are allowed.
        peak: scales the learning rates.
        mixed: share of blended views at first; it falls to none.
    """
    rng = np.random.default_rng(SEED)
    per_epoch = len(trainer.training) // BATCH
    steps, start, total = int(epochs * per_epoch), time.time(), 0
    drawn = {
        name: rng.choice(list(shares), steps, p=list(shares.values()))
        for name, (_, shares, _) in STUDENTS.items()
    }
    for step in range(steps):
        at = step % per_epoch * BATCH
        if at == 0:
            order = torch.randperm(len(trainer.training), device=trainer.device)
        rows = trainer.training[order[at : at + BATCH]]
        rate = peak * learning_rate(step, steps, min(per_epoch * 2, steps // 10))
        pixels = {name: int(sizes[step]) for name, sizes in drawn.items()}
        total = total + trainer.step(rows, rate, mixed * (1 - step / steps), pixels)
        done = step + 1
        if done % per_epoch == 0 or done == steps:
            means = (total / (step % per_epoch + 1)).tolist()
            row = {"epoch": round(done / per_epoch, 2), "seconds": round(time.time() - start, 1)}
            for name, (cosine, entropy) in zip(trainer.students, means, strict=True):
                row[name] = {"cosine": round(cosine, 4), "cross_entropy": round(entropy, 4)}
            if done == steps or done // per_epoch % 10 == 0:
                row["held_out"] = trainer.evaluate()
                trainer.save(folder)
            print(line := json.dumps(row), flush=True)
            with (folder / "log.jsonl").open("a") as log:
                log.write(line + "\n")
            total = 0


def keep_state(trainer, file, parts_done):
    """Keep what the next part goes on from."""
    state = {"parts": parts_done, "mean": trainer.mean, "std": trainer.std}
    for name, student in trainer.students.items():
        state[name] = student.state_dict()
        state[f"{name} optimizer"] = trainer.optimizers[name].state_dict()
    write_whole(file, lambda opened: torch.save(state, opened))


def restore_state(trainer, file):
    """Restore what `keep_state` kept; returns the number of parts done, 0 without a file."""
    if not file.exists():
        return 0
    state = torch.load(file, map_location=trainer.device, weights_only=True)
    for name, student in trainer.students.items():
        student.load_state_dict(state[name])
        trainer.optimizers[name].load_state_dict(state[f"{name} optimizer"])
    trainer.mean, trainer.std = state["mean"], state["std"]
    return state["parts"]
