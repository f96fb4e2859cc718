"""Pretrain the course's two miniature image backbones.

Makes   vgg16-half.weights.h5 (VGG16 without its top, half as wide) and the modules
        mobilenet-v2-100-feature-vector and -classification (MobileNetV2 1.0, called as TF Hub's).
Data    191 classes of Tiny ImageNet without its cats and dogs, photographs of 64x64 pixels as
        CLASS/N.jpg: 42,020 for training, 3,820 (20 per class) held out. There is no background
        class. No image of a cat or a dog was used to train, to stop or to choose.
Teacher MobileNetV2 1.0/224 (Google, Apache-2.0), at 160 pixels (distillation, Hinton et al., 2015;
        of features, Romero et al., 2015). It was trained on all of ImageNet, cats and dogs
        included; the miniatures learn only from what it says of photographs of the 191 classes.
        Teacher and students see the same random view each time (cropped to 25 to 100 % of the
        area, mirrored, recoloured, at first half of them blended with another photograph), for
        long: Beyer et al. (2022). The students also see half of the views under another light.
Loss    10 x (1 - cosine to the teacher's standardised features, through a linear head) + 0.5 x
        cross-entropy of the label (smoothing 0.1). AdamW, cosine to 0, bfloat16, batches of 384.
Takes   on one NVIDIA H200 84.7 epochs in 429 s, and 30.5 epochs in 162 s after a warm restart,
        both networks in the same run; about 820 s of the machine in all, and the other commands a
        few minutes on two processor cores. One run, one seed. A GPU does not add up in the same
        order twice, so another run gives other weights.

    python data/recipes/pretrain_images.py teacher     # needs TensorFlow
    python data/recipes/pretrain_images.py train       # needs PyTorch and a GPU
    python data/recipes/pretrain_images.py export      # needs TensorFlow, as probe does
    python data/recipes/pretrain_images.py probe data/sample/cats-vs-dogs

Training is PyTorch, as depthwise convolutions and the many small operations of the views run fast
there without a compiler; the course itself never needs it. Layers are named as in Keras. The
networks in PyTorch and in Keras were compared on 40 photographs at 64, 96 and 128 pixels: teacher
1.5e-5, VGG16 5e-6 and MobileNetV2 3e-6 at most. Rounding kernels to float16, and the GPU, change
features by up to 2.5e-3 (of 9.6) and 7.7e-3 (of 3.7). The exported modules differ from the Keras
model by 2e-6 at most.

Measured, source: accuracy in % on the 3,820 held-out photographs, of 191 classes, and cosine to the
teacher. After the first part VGG16 had 52.7 and 57.0 %, MobileNetV2 37.5, 50.1 and 54.2 %.

    pixels   VGG16          MobileNetV2
        64   53.1   0.573   38.5   0.516
        96   57.7   0.575   51.3   0.598
       128                  55.3   0.608

In training the cosines are 0.590 and 0.612: the networks still underfit, and more epochs or larger
views would help more than regularisation.

Measured, target: a logistic regression (the course's head, C=0.05) on the frozen features of 10, 30
or 100 images per class; accuracy in %, mean and standard deviation of 20 draws. The drawings are
tested on 1,000 (standard error 1 point), the photographs on 300 (2 to 3 points). The teacher
itself reaches 90.4 (10) and 93.5 % (100) on the photographs, shrunk to 64 pixels before.

    drawings (data/sample/cats-vs-dogs)                photographs (catalogue: cats-vs-dogs)
    pixels  network      10          30          100         10          30          100
        64  VGG16        81.5 +-3.6  87.1 +-1.6  91.2 +-0.7  70.5 +-4.2  76.4 +-2.6  79.7 +-1.8
        96  VGG16        84.2 +-2.0  89.8 +-1.4  94.4 +-0.5  72.1 +-4.3  79.2 +-2.8  81.9 +-2.1
       128  VGG16        86.6 +-1.7  90.7 +-1.4  94.0 +-0.6  72.5 +-4.6  79.8 +-2.6  83.6 +-2.3
        64  MobileNetV2  77.5 +-3.3  84.5 +-1.7  88.5 +-0.8  68.1 +-4.4  72.4 +-2.5  75.6 +-1.8
        96  MobileNetV2  83.0 +-2.8  89.2 +-1.4  93.1 +-0.7  71.2 +-4.7  77.0 +-1.9  79.0 +-2.2
       128  MobileNetV2  86.2 +-2.8  91.9 +-1.4  95.3 +-0.4  72.8 +-4.6  79.7 +-2.3  81.3 +-1.8

Random weights stay between 50 and 52 % on 10 drawings per class and below 59 % on 100; on the
photographs they reach 53 and 62 %.

Measured, cost on two processor cores: seconds for the features of all 1,500 drawings; milliseconds
per image and step of training all of VGG16, or its last block on features of the blocks before.

    pixels   VGG16    MobileNetV2   train VGG16   train its last block
        64    3.3 s         0.9 s        9.9 ms                 0.6 ms
        96    6.4 s         1.6 s       15.7 ms                 1.4 ms
       128   10.4 s         2.5 s       40.0 ms                 2.3 ms

The course reads images at 96 pixels (`image_size` in the catalogue). From 64 to 96 pixels the
accuracy on drawings rises by 3 (VGG16) and 5 points (MobileNetV2); 128 add 2 to 3 points on 10
drawings per class, nothing to VGG16 on 100, and cost 1.6 times the time for features and 2.5 times
that for training.
"""

import argparse
import sys
from pathlib import Path

from places import WEIGHTS, asset, work_folder, write_whole

# Epochs, scale of the learning rates, share of blended views: a training, and a warm restart
# (Loshchilov and Hutter, 2017) whose end is better than that of the training.
PARTS = ((84.65, 1.0, 0.5), (30.46, 0.6, 0.2))


def write_teacher(module_folder, out):
    """Write the kernels and biases of MobileNetV2's module, BatchNorm folded in, for PyTorch.

    Raises ValueError if Keras's MobileNetV2 with these weights answers otherwise than the module.
    """
    import keras
    import numpy as np
    import tensorflow as tf

    module = tf.saved_model.load(str(module_folder))
    model = keras.applications.MobileNetV2(
        (224, 224, 3), include_top=False, weights=None, pooling="avg"
    )
    stored = {variable.name.split(":")[0]: variable.numpy() for variable in module.variables}
    layers, arrays = [layer for layer in model.layers if layer.weights], {}
    for layer in layers:
        depthwise = isinstance(layer, keras.layers.DepthwiseConv2D)
        names = ["depthwise_kernel"] if depthwise else [w.name for w in layer.weights]
        layer.set_weights([stored[f"{layer.name}/{name}"] for name in names])
    x = np.random.default_rng(0).uniform(0, 1, (4, 224, 224, 3)).astype("float32")
    gap = np.abs(module(x).numpy() - model(x * 2 - 1).numpy()).max()
    print(f"Keras's MobileNetV2 and the module differ by at most {gap:.1e}")
    if gap > 1e-3:
        raise ValueError(f"{module_folder} is not the MobileNetV2 that Keras builds")
    for conv, norm in zip(layers[::2], layers[1::2], strict=True):
        gamma, beta, mean, variance = norm.get_weights()
        scale = gamma / np.sqrt(variance + norm.epsilon)
        depthwise = isinstance(conv, keras.layers.DepthwiseConv2D)
        kernel = conv.get_weights()[0] * (scale[:, None] if depthwise else scale)
        arrays |= {f"{conv.name}/kernel": kernel, f"{conv.name}/bias": beta - mean * scale}
    write_whole(out, lambda file: np.savez(file, **arrays))


def train(source, work, device):
    """Train both students; a second call goes on with the part that was not finished."""
    from pretrain_images_training import Trainer, keep_state, restore_state, train_part

    trainer = Trainer(source, work / "teacher.npz", device)
    for number in range(restore_state(trainer, work / "state.pt"), len(PARTS)):
        epochs, peak, mixed = PARTS[number]
        train_part(trainer, work, epochs=epochs, peak=peak, mixed=mixed)
        keep_state(trainer, work / "state.pt", number + 1)
    trainer.save_check(work)


def arguments(given=None):
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    for command, text in (
        ("teacher", "write the teacher's weights for PyTorch"),
        ("train", "train both networks, or go on with them"),
        ("export", "write the files that the course opens"),
    ):
        sub = commands.add_parser(command, help=text)
        sub.add_argument("--work", type=Path, help="folder in between (default: in the cache)")
        if command == "teacher":
            sub.add_argument("--module", type=Path, help="MobileNetV2's feature vector module")
        if command == "train":
            sub.add_argument("--source", type=Path, help="folder of Tiny ImageNet's classes")
            sub.add_argument("--device", default="cuda")
        if command == "export":
            sub.add_argument("--out", type=Path, default=WEIGHTS, help="where to")
    sub = commands.add_parser("probe", help="measure the bundled files on cats and dogs")
    sub.add_argument("folder", type=Path, help="folder train|validation|test/cats|dogs")
    sub.add_argument("--pixels", type=int, nargs="+", default=[64, 96, 128])
    sub.add_argument("--labels", type=int, nargs="+", default=[10, 30, 100], help="per class")
    return parser.parse_args(given)


def main():
    """Run one command."""
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
    args = arguments()
    if args.command == "probe":
        from pretrain_images_probe import print_table

        print_table(args.folder, args.pixels, args.labels)
        return
    work = args.work or work_folder("pretrain_images")
    work.mkdir(parents=True, exist_ok=True)
    if args.command == "teacher":
        write_teacher(args.module or asset("mobilenet-v2-feature-vector"), work / "teacher.npz")
    elif args.command == "train":
        train(args.source or asset("tiny-imagenet"), work, args.device)
    else:
        from pretrain_images_export import export

        export(work, args.out)


if __name__ == "__main__":
    main()
