"""Pretrain the course's two miniature image backbones.

Makes   vgg16-narrow.weights.h5 (VGG16 without its top, a quarter as wide) and the modules
        mobilenet-v2-035-feature-vector and -classification (MobileNetV2 0.35, called as TF Hub's).
From    191 classes of Tiny ImageNet without its cats and dogs, 240 photographs of 64x64 pixels
        each, 20 of them held out, as <class>/<n>.jpg. There is no background class.
Taught  by the labels and by MobileNetV2 1.0/224 (Apache-2.0): beside the class, a second linear
        head learns to point where the teacher's feature vector of the same photograph points
        (distillation, Hinton et al. 2015; of features, Romero et al. 2015). The teacher was
        trained on all of ImageNet, cats and dogs included; the miniatures learn only from its
        answers to the photographs of the 191 classes.
Relit   VGG16 is then trained a little further, BatchNorm folded in and with new heads, on
        photographs as if under other lamps, candle to moonlight, in haze and with grain, while
        the teacher's answer is that to the photograph itself: what is said of a thing should
        not depend on the lamp.
Takes   40 to 45 minutes of one processor core for each model (an epoch at 64 pixels: 180 s for
        VGG16, 105 s for MobileNetV2), 77 and 64 minutes when both ran side by side on two busy
        cores, 9 minutes of a core for VGG16's other lamps, and before all that 5 to 10 minutes
        for the teacher, once. Every epoch is kept: stop when you like, and the same command goes
        on from there. The committed run relit the exported weights of the first part, whose
        checkpoint was gone; the numbers are the same.

    python data/recipes/pretrain_images.py train vgg16
    python data/recipes/pretrain_images.py train vgg16-relit
    python data/recipes/pretrain_images.py train mobilenet
    python data/recipes/pretrain_images.py export vgg16-relit
    python data/recipes/pretrain_images.py export mobilenet
    python data/recipes/pretrain_images.py probe

Training is plain Keras 3 on any backend; the teacher, the export of the modules and their probe
need TensorFlow.

Measured, source: accuracy on the 3,820 held-out photographs at 64 pixels, of 191 classes: VGG16
34.8 %, with its new heads after the other lamps 27.2 %; MobileNetV2 23.8 %.

Measured, target: a logistic regression on the frozen features (averaged over the picture) of 10,
20 or 100 photographs of cats and as many of dogs; accuracy in % on 300 others, mean and spread of
10 draws.

    pixels  model      weights       10 a class   20 a class  100 a class
        64  vgg16      pretrained    64.6 +-5.6    69.6 +-2.5    75.1 +-1.5
        64  vgg16      random        49.7 +-2.7    50.6 +-2.5    57.4 +-3.8
        64  mobilenet  pretrained    60.9 +-4.3    63.0 +-3.6    68.5 +-2.7
        64  mobilenet  random        51.2 +-3.0    49.0 +-3.5    51.7 +-2.9
        96  vgg16      pretrained    65.7 +-3.7    67.8 +-3.5    74.4 +-1.6
        96  vgg16      random        49.8 +-3.2    51.1 +-2.8    57.5 +-2.6
        96  mobilenet  pretrained    61.8 +-4.9    67.2 +-3.1    70.7 +-1.1
        96  mobilenet  random        52.3 +-5.2    53.1 +-4.6    57.8 +-2.3
       128  vgg16      pretrained    63.6 +-3.3    64.9 +-3.3    73.2 +-1.1
       128  vgg16      random        51.4 +-4.0    52.2 +-2.7    60.9 +-3.8
       128  mobilenet  pretrained    61.9 +-4.1    66.7 +-2.6    72.6 +-1.5
       128  mobilenet  random        53.4 +-5.4    53.3 +-3.2    58.6 +-3.4

Measured, what the other lamps add: at 64 pixels the first part alone reaches 64.1, 68.3 and 74.3 %
on the photographs, at 96 pixels 65.5, 68.4 and 74.9 %. With the course's head on ten drawings a
class (data/sample/cats-vs-dogs, 40 draws) the test accuracy rises from 70.9 to 74.3 %, and on the
validation drawings, by which the length was chosen, from 69.9 to 72.4 %. Six epochs at 7e-4 give
72.4 and 70.4 %: longer, and the features serve the 191 classes rather than others.

Measured, teacher: after the first stage (3 epochs) the narrow VGG16 with labels alone
(`--teacher-weight 0`) has a source accuracy of 14.1 % and reaches 65.3 % at 64 pixels with 100 a
class; with the teacher, 15.1 % and 70.3 %. One run of each.
"""

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import keras
import pretrain_images_models as models
from places import asset, work_folder
from pretrain_images_corpus import (
    BATCH,
    SEED,
    Batches,
    class_folders,
    read_corpus,
    recoloured,
    relit,
    teach,
)

TEACHER_WEIGHT = 10.0
HEAD_STEPS, HEAD_RATE = 60, 3e-3  # of new heads on a trunk that was trained before


@dataclass(frozen=True)
class Plan:
    """How one backbone is made: `stages` are (pixels, epochs, highest learning rate).

    `build` makes the backbone, or takes the student of the plan that this one goes on from.
    """

    build: Callable
    preprocess: Callable
    stages: tuple
    save: Callable | None
    goes_on_from: str | None = None
    light: Callable = recoloured


PLANS = {
    "vgg16": Plan(
        build=lambda: models.with_batchnorm(models.narrow_vgg16()),
        preprocess=keras.applications.vgg16.preprocess_input,
        stages=((48, 3, 2e-3), (64, 4, 2e-3), (64, 5, 2e-3), (64, 4, 1.2e-3)),
        save=None,
    ),
    "vgg16-relit": Plan(
        build=models.folded_vgg16,
        preprocess=keras.applications.vgg16.preprocess_input,
        stages=((64, 2, 5e-4),),
        save=models.save_vgg16,
        goes_on_from="vgg16",
        light=relit,
    ),
    "mobilenet": Plan(
        build=models.mobilenet,
        preprocess=keras.applications.mobilenet_v2.preprocess_input,
        stages=((64, 3, 3e-3), (64, 4, 3e-3), (64, 7, 3e-3), (64, 9, 3e-3)),
        save=models.save_mobilenet,
    ),
}


def compile_student(model, learning_rate, steps, teacher_weight):
    """AdamW (Loshchilov and Hutter 2019), warm-up, then cosine decay to 0 after `steps` batches."""
    rate = keras.optimizers.schedules.CosineDecay(
        learning_rate / 20,
        steps - steps // 10,
        warmup_target=learning_rate,
        warmup_steps=steps // 10,
    )
    optimizer = keras.optimizers.AdamW(rate, weight_decay=0.02, global_clipnorm=5.0)
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    model.compile(
        optimizer,
        loss={
            "label": keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=0.1),
            "teacher": keras.losses.CosineSimilarity(),
        },
        loss_weights={"label": 1.0, "teacher": teacher_weight},
        metrics={"label": ["accuracy"]},
        # XLA makes these small convolutions slower on a CPU under TensorFlow.
        jit_compile=False if keras.backend.backend() == "tensorflow" else "auto",
    )
    optimizer.build(model.trainable_variables)


def train(name, training, held_out, folder, teacher_weight):
    """Train one backbone, one checkpoint an epoch; a second call goes on where it stopped.

    Each stage starts its learning rate anew (warm restarts, Loshchilov and Hutter 2017), so the
    weights are fit for use after every one of them, and stages can be added later.
    """
    plan = PLANS[name]
    keras.utils.set_random_seed(SEED)
    model = student(name, len(training.class_names), folder.parent)
    folder.mkdir(parents=True, exist_ok=True)
    done, first = epochs_done(folder), 1
    if plan.goes_on_from and not done:
        settle_heads(model, plan, training, teacher_weight)
    for pixels, epochs, learning_rate in plan.stages:
        steps = len(training.labels) // BATCH * epochs
        compile_student(model, learning_rate, steps, teacher_weight)
        for epoch in range(first, first + epochs):
            if epoch == done:
                model.load_weights(checkpoint(folder, epoch))
            if epoch > done:
                row = {"epoch": epoch, "pixels": pixels}
                row |= train_epoch(model, plan, training, held_out, pixels, epoch)
                model.save_weights(checkpoint(folder, epoch))
                with (folder / "log.jsonl").open("a") as log:
                    log.write(json.dumps(row) + "\n")
                checkpoint(folder, epoch - 1).unlink(missing_ok=True)
                print(json.dumps(row), flush=True)
        first += epochs


def student(name, classes, work):
    """The model of one plan as its training begins; its heads are new in any case."""
    plan = PLANS[name]
    if not plan.goes_on_from:
        return models.student(plan.build(), classes)
    return models.student(plan.build(trained(plan.goes_on_from, classes, work)), classes)


def trained(name, classes, work):
    """The student of a plan's newest checkpoint."""
    folder = work / name
    done = epochs_done(folder)
    if not done:
        raise SystemExit(f"{folder} has no checkpoint; run `train {name}` first")
    model = student(name, classes, work)
    # The checkpoint also holds the optimizer, which has no place in this model: hence the skip.
    model.load_weights(checkpoint(folder, done), skip_mismatch=True)
    return model


def settle_heads(model, plan, training, teacher_weight):
    """Train new heads a little on a frozen trunk, so that they do not spoil what it knows."""
    trunk = models.trunk(model)
    trunk.trainable = False
    compile_student(model, HEAD_RATE, HEAD_STEPS, teacher_weight)
    pixels = plan.stages[0][0]
    batches = Batches(training, pixels, plan.preprocess, seed=(SEED, 0), light=plan.light)
    model.fit(batches, steps_per_epoch=HEAD_STEPS, verbose=0)
    trunk.trainable = True


def train_epoch(model, plan, training, held_out, pixels, epoch):
    """One epoch; returns its seconds (and those of all processor cores), losses, accuracies."""
    start, start_cpu = time.time(), time.process_time()
    batches = Batches(training, pixels, plan.preprocess, seed=(SEED, epoch), light=plan.light)
    fitted = model.fit(batches, epochs=epoch, initial_epoch=epoch - 1)
    row = {"seconds": round(time.time() - start)}
    row["processor_seconds"] = round(time.process_time() - start_cpu)
    found = model.evaluate(Batches(held_out, pixels, plan.preprocess), verbose=0, return_dict=True)
    row |= {k: round(float(v[-1]), 4) for k, v in fitted.history.items()}
    return row | {f"held_out_{k}": round(float(v), 4) for k, v in found.items()}


def epochs_done(folder):
    """How many epochs a backbone's folder has a log of."""
    log = folder / "log.jsonl"
    return len(log.read_text().splitlines()) if log.exists() else 0


def checkpoint(folder, epoch):
    return folder / f"epoch{epoch}.weights.h5"


def export(name, class_names, work, out):
    """Write the files of the newest checkpoint."""
    out.mkdir(parents=True, exist_ok=True)
    PLANS[name].save(trained(name, len(class_names), work), class_names, out)


def arguments():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    for command, text in (
        ("teach", "write down the teacher's vectors"),
        ("train", "train one backbone, or go on with it"),
        ("export", "write the newest checkpoint into the files the course opens"),
    ):
        sub = commands.add_parser(command, help=text)
        if command != "teach":
            made = [name for name, plan in PLANS.items() if command == "train" or plan.save]
            sub.add_argument("model", choices=made)
        if command != "export":
            sub.add_argument("--teacher", type=Path, help="MobileNetV2's feature vector module")
        if command == "train":
            sub.add_argument(
                "--teacher-weight",
                type=float,
                default=TEACHER_WEIGHT,
                help="weight of its loss beside the labels'; 0: labels only",
            )
        if command == "export":
            sub.add_argument("--out", type=Path, default=models.WEIGHTS, help="where to")
        sub.add_argument("--source", type=Path, help="folder of Tiny ImageNet's classes")
        sub.add_argument("--work", type=Path, help="folder of checkpoints (default: in the cache)")
    sub = commands.add_parser("probe", help="measure the committed files on cats and dogs")
    sub.add_argument("--photographs", type=Path, help="folder train|validation|test/cats|dogs")
    sub.add_argument("--pixels", type=int, nargs="+", default=[64, 96, 128])
    sub.add_argument("--a-class", type=int, nargs="+", default=[10, 20, 100])
    return parser.parse_args()


def main():
    args = arguments()
    if args.command == "probe":
        from pretrain_images_probe import print_table  # needs scikit-learn, training does not

        print_table(args.photographs or asset("cats-vs-dogs"), args.pixels, args.a_class)
        return
    source = args.source or asset("tiny-imagenet")
    work = args.work or work_folder("pretrain_images")
    if args.command == "export":
        names = [folder.name for folder in class_folders(source)]
        export(args.model, names, work, args.out)
        return
    taught = args.command == "teach" or args.teacher_weight > 0
    if taught:
        teach(source, args.teacher or asset("mobilenet-v2-feature-vector"), work)
    if args.command == "train":
        training, held_out = read_corpus(source, work, taught=taught)
        train(args.model, training, held_out, work / args.model, args.teacher_weight)


if __name__ == "__main__":
    main()
