"""Pretrain the course's narrow YAMNet.

Makes   yamnet-narrow, a module called as TF Hub's YAMNet is: the MobileNetV1 of Howard et al.
        (2017) on log-mel patches (Hershey et al. 2017), a quarter as wide but for its last layer,
        which gives embeddings of 512 numbers.
From    16,000 scenes of 1.92 s, 48,000 patches of 0.96 s (pretrain_yamnet_sounds.py): half of their
        layers are cuts of 62 real clips of everyday sounds (ESC-50's layout, folds 1 to 3) and of
        300 spoken digits, half are synthesised; mixed, filtered, stretched and put in rooms.
        600 more scenes, with real clips of folds 4 and 5, are held out.
        Then 16,000 clips of twelve kinds from synthesise_sounds.py, throat clearing to rain, in
        2,000 recordings of their own: no speaker, room or microphone of the bundled clips is in
        them.
Without coughs: class 24 is never opened, and two of 64 real clips in which the teacher hears a
        cough or throat clearing are left out. Nothing that synthesises a cough is in the scenes or
        the clips. The twelve kinds are those that stand beside the coughs in data/sample/sounds;
        and the teacher takes a cough to be likelier than not in 47 of the 48,000 patches, as it may
        in any filtered noise.
Taught  by YAMNet itself (Google, Apache-2.0): one linear head learns its 521 scores, another its
        standardised embedding of the same patch (distillation, Hinton et al. 2015; of features,
        Romero et al. 2015). The teacher was trained on AudioSet, coughs included; the narrow
        network learns only from its answers to these scenes. The head of the scores stays in the
        module, with YAMNet's class names (its class map, Apache-2.0), to show what it hears.
Takes   7 minutes of a shared processor core for the scenes and the teacher's answers, 12 epochs
        of 82 s on a core of its own, 20 to 40 minutes of one core for the clips of twelve kinds,
        and 10 minutes of one core for their 4 epochs (pretrain_yamnet_kinds.py). All but the 4
        epochs is kept as it grows: stop when you like, and the same command goes on from there.
        The committed run was stopped three times after the third of the 12 epochs, and its second
        stage set to 6, 8 and 10 epochs in turn, so that a run in one go has a slightly different
        learning rate.

    python data/recipes/pretrain_yamnet.py teach
    python data/recipes/pretrain_yamnet.py train
    python data/recipes/pretrain_yamnet.py kinds
    python data/recipes/pretrain_yamnet.py export
    python data/recipes/pretrain_yamnet.py probe

Training is plain Keras 3 on any backend; the teacher, the export of the module and its probe need
TensorFlow. The clips, the digits and the teacher come from the mirror (COURSE_MIRROR); none of them
is part of the course.

Measured, source: after the 12 epochs the second head explains 73 % of the variance of the teacher's
standardised embedding on the 1,800 held-out patches; the highest of 521 scores is the teacher's own
in 47 % of them, and in 59 % of those where the teacher gives over 0.3. After `kinds`, 83.1 % of 800
held-out clips, most with another sound in the background, are named right.

Measured, target: the course's head on the embedding of each of 5, 10 or 20 coughs and as many other
clips, as the course takes it, the mean of patches of unit length; balanced accuracy in % on clips
of other folds, mean and spread of 20 draws. No recording is on both sides. Real clips: drawn from
folds 1 to 3, tested on folds 4 and 5, of which the narrow network has met no clip at all; of the
other clips drawn it has met most. Log-mel: mean and deviation of each band. Most of the real coughs
come from one source of voice messages, and a classifier may profit from that channel. Synthesised
clips: data/sample/sounds, drawn from folds 1 to 3, tested on fold 5.

    real clips
                         5 a class    10 a class    20 a class
    YAMNet             88.2 +-4.1    91.7 +-3.0    94.2 +-2.2
    narrow YAMNet      86.1 +-4.8    90.5 +-3.5    95.4 +-2.0
      before `kinds`   85.5 +-5.0    89.5 +-3.6    94.9 +-2.8
    random weights     82.9 +-2.7    83.0 +-2.3    84.0 +-1.8
    log-mel            84.4 +-1.6    85.4 +-1.7    86.0 +-1.3
    labels only        79.8 +-7.4    87.3 +-3.8    91.0 +-2.3
    synthesised clips
                         5 a class    10 a class    20 a class
    YAMNet             70.2 +-5.4    74.7 +-2.9    78.7 +-2.8
    narrow YAMNet      83.5 +-6.5    88.8 +-3.4    90.5 +-3.5
      before `kinds`   71.9 +-6.6    78.9 +-5.2    84.0 +-4.7
    random weights     51.0 +-3.4    54.0 +-3.7    53.9 +-4.1
    log-mel            54.8 +-4.0    57.2 +-3.1    60.5 +-3.2
    labels only        67.6 +-6.5    72.0 +-4.7    77.5 +-3.6

"labels only" had no teacher but the names of what is in a scene (10 categories, 10 digits, 11 kinds
of synthesised sound; `train --labels-only`), and stopped after 8 epochs. One run of each.

Measured, how `kinds` is trained (10 a class, synthesised clips, 40 draws; chosen by fold 4, beside
it fold 5; one run of each): 4 epochs as committed 84.3 and 88.1 %; a weight of 2 for the kinds 83.5
and 85.9, of 15 (4 of 6 epochs) 83.9 and 86.6; with random bands, levels and mixtures 79.9 and 84.9,
though as many of the kinds are named right then (84.4 %; 86.6 % with the weight of 15).

Measured, last layer: after the first stage (2 epochs), 256 channels in place of 512 have a held-out
loss of 1.12 in place of 1.08, and a logistic regression on the mean embedding of 10 a class gives
84.2 in place of 84.9 % on the real clips, 66.4 in place of 67.2 % on the synthesised ones. 1,024
would not fit in 3.6 MB. One run of each.
"""

import argparse
import csv
import json
import time
from pathlib import Path

import keras
import numpy as np
import pretrain_yamnet_models as models
from places import asset, work_folder
from pretrain_yamnet_corpus import BATCH, SEED, Batches, mean_and_spread, read_corpus, teach

# Stages of (epochs, highest learning rate); each ends at a rate of 0, fit for use.
STAGES = ((2, 4e-3), (10, 4e-3))
SAMPLE = Path(__file__).resolve().parents[1] / "sample" / "sounds"
SCORES_WEIGHT = 50.0  # of the scores' loss, the mean of 521, beside the embedding's


def compile_student(model, learning_rate, steps):
    """AdamW (Loshchilov and Hutter 2019), warm-up, then cosine decay to 0 after `steps` batches."""
    rate = keras.optimizers.schedules.CosineDecay(
        learning_rate / 20,
        steps - steps // 20,
        warmup_target=learning_rate,
        warmup_steps=steps // 20,
    )
    optimizer = keras.optimizers.AdamW(rate, weight_decay=0.02, global_clipnorm=5.0)
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    entropy = keras.losses.BinaryCrossentropy(from_logits=True)
    if "labels" in model.output_names:
        losses, weights = {"labels": entropy}, {"labels": 1.0}
    else:
        losses = {"scores": entropy, "teacher": keras.losses.MeanSquaredError()}
        weights = {"scores": SCORES_WEIGHT, "teacher": 1.0}
    # XLA makes these small convolutions slower on a CPU under TensorFlow.
    jit = False if keras.backend.backend() == "tensorflow" else "auto"
    model.compile(optimizer, loss=losses, loss_weights=weights, jit_compile=jit)
    optimizer.build(model.trainable_variables)


def train(work, folder, *, last=models.LAST, taught=True, stages=STAGES):
    """Train the narrow network, one checkpoint an epoch; a second call goes on where it stopped.

    Each stage starts its learning rate anew (warm restarts, Loshchilov and Hutter 2017).
    """
    keras.utils.set_random_seed(SEED)
    training, held_out = read_corpus(work, "training"), read_corpus(work, "held_out")
    moments = mean_and_spread(training)
    model = models.student(last=last, taught=taught)
    folder.mkdir(parents=True, exist_ok=True)
    done, first = epochs_done(folder), 1
    for epochs, learning_rate in stages:
        compile_student(model, learning_rate, len(training) // BATCH * epochs)
        for epoch in range(first, first + epochs):
            if epoch == done:
                model.load_weights(checkpoint(folder, epoch))
            if epoch > done:
                start, start_cpu = time.time(), time.process_time()
                batches = Batches(training, moments, taught=taught, seed=(SEED, epoch))
                fitted = model.fit(batches, epochs=epoch, initial_epoch=epoch - 1, verbose=0)
                row = {"epoch": epoch, "seconds": round(time.time() - start)}
                row["processor_seconds"] = round(time.process_time() - start_cpu)
                found = model.evaluate(
                    Batches(held_out, moments, taught=taught), verbose=0, return_dict=True
                )
                row |= {k: round(float(v[-1]), 4) for k, v in fitted.history.items()}
                row |= {f"held_out_{k}": round(float(v), 4) for k, v in found.items()}
                model.save_weights(checkpoint(folder, epoch))
                with (folder / "log.jsonl").open("a") as log:
                    log.write(json.dumps(row) + "\n")
                checkpoint(folder, epoch - 1).unlink(missing_ok=True)
                print(json.dumps(row), flush=True)
        first += epochs


def epochs_done(folder):
    """How many epochs a folder has a log of."""
    log = folder / "log.jsonl"
    return len(log.read_text(encoding="utf8").splitlines()) if log.exists() else 0


def checkpoint(folder, epoch):
    return folder / f"epoch{epoch}.weights.h5"


def trained(folder, **kind):
    """The student of the newest checkpoint."""
    done = epochs_done(folder)
    if not done:
        raise SystemExit(f"{folder} has no checkpoint; run `train` first")
    model = models.student(**kind)
    # The checkpoint also holds the optimizer, which has no place in this model: hence the skip.
    model.load_weights(checkpoint(folder, done), skip_mismatch=True)
    return model


def go_on(work):
    """The second part: pretrain_yamnet_kinds.py, on the newest checkpoint of the first."""
    from pretrain_yamnet_kinds import learn_kinds  # its synthesiser needs numba

    keras.utils.set_random_seed(SEED)
    student = trained(work / "taught")
    plain = models.folded(student)
    share = learn_kinds(student, plain, read_corpus(work, "training"), work, SCORES_WEIGHT)
    print(f"held-out clips whose kind is named right: {share:.1%}")
    plain.save_weights(work / "kinds_body.weights.h5")
    np.savez(work / "kinds_scores.npz", *student.get_layer("scores").get_weights())


def load_kinds(work, student, plain):
    """Put what `go_on` has left into a plain body and into the student's layer of scores."""
    if not (work / "kinds_scores.npz").exists():
        raise SystemExit(f"{work} has no kinds_scores.npz; run `kinds` first")
    plain.load_weights(work / "kinds_body.weights.h5")
    with np.load(work / "kinds_scores.npz") as kept:
        student.get_layer("scores").set_weights([kept["arr_0"], kept["arr_1"]])


def class_rows(teacher):
    """(index, mid, display_name) of the teacher's scores."""
    with (Path(teacher) / "assets" / "yamnet_class_map.csv").open(newline="") as file:
        return [tuple(row.values()) for row in csv.DictReader(file)]


def print_probe(work, source):
    """Print how the committed module and others do on real clips and on those of the course."""
    import pretrain_yamnet_probe as probe  # needs scikit-learn, training does not
    import tensorflow as tf

    real, drawn = probe.read_clips(source), probe.read_clips(SAMPLE)
    narrow, yamnet = (tf.saved_model.load(str(f)) for f in (models.FOLDER, asset("yamnet")))
    keras.utils.set_random_seed(SEED)
    inputs = {
        "YAMNet": lambda clips: probe.embedded(yamnet, clips),
        "narrow YAMNet": lambda clips: probe.embedded(narrow, clips),
        "random weights": lambda clips: probe.body_embedded(models.body(), narrow, clips),
        "log-mel": lambda clips: probe.log_mel(narrow, clips),
    }
    if epochs_done(work / "labels"):
        labels = models.folded(trained(work / "labels", taught=False))
        inputs["labels only"] = lambda clips: probe.body_embedded(labels, narrow, clips)
    tasks = {
        "real clips": (real, (1, 2, 3), (4, 5)),
        "synthesised clips": (drawn, (1, 2, 3), (5,)),
    }
    probe.print_table(tasks, inputs, (5, 10, 20))


def arguments():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    for command, text in (
        ("teach", "make the scenes and write down the teacher's answers"),
        ("train", "train the narrow network, or go on with it"),
        ("kinds", "go on with twelve kinds of synthesised sound"),
        ("export", "write what `kinds` has left into the module the course opens"),
        ("probe", "measure the committed module on coughs"),
    ):
        sub = commands.add_parser(command, help=text)
        sub.add_argument("--work", type=Path, help="folder of scenes and checkpoints")
        if command in ("teach", "probe"):
            sub.add_argument("--source", type=Path, help="folder in ESC-50's layout")
        if command == "train":
            sub.add_argument("--labels-only", action="store_true", help="no teacher: to compare")
    return parser.parse_args()


def main():
    args = arguments()
    work = args.work or work_folder("pretrain_yamnet")
    if args.command == "teach":
        source = args.source or asset("environmental-sounds")
        teach(source, asset("spoken-digits"), asset("yamnet"), work)
    elif args.command == "train":
        folder = work / ("labels" if args.labels_only else "taught")
        train(work, folder, taught=not args.labels_only)
    elif args.command == "kinds":
        go_on(work)
    elif args.command == "export":
        student, plain = trained(work / "taught"), models.body()
        load_kinds(work, student, plain)
        scores = student.get_layer("scores").get_weights()
        models.save_module(plain, scores, class_rows(asset("yamnet")))
    else:
        print_probe(work, args.source or asset("environmental-sounds"))


if __name__ == "__main__":
    main()
