"""The networks of `pretrain_images.py` in PyTorch, with the layer names of Keras Applications."""

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

EMBEDDING = 1280  # length of the teacher's feature vector
EPSILON = 1e-3  # of every BatchNorm, as in Keras
VGG16_BLOCKS = ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3))  # channels, convolutions
# Of MobileNetV2: expansion, channels, blocks, stride of the first block.
MOBILENET_BLOCKS = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)


def _norm(channels):
    return nn.BatchNorm2d(channels, eps=EPSILON, momentum=0.01)


class VGG16(nn.Module):
    """VGG16 without its top (Simonyan and Zisserman, 2015), each convolution `width` as wide.

    Every convolution is followed by BatchNorm, without which so deep a network learns nothing
    (Ioffe and Szegedy, 2015); `named_arrays` folds it into the convolution.
    """

    def __init__(self, width):
        super().__init__()
        self.order, channels = [], 3
        for block, (full, depth) in enumerate(VGG16_BLOCKS, 1):
            filters = int(full * width)
            for i in range(1, depth + 1):
                name = f"block{block}_conv{i}"
                self.add_module(name, nn.Conv2d(channels, filters, 3, padding=1, bias=False))
                self.add_module(f"{name}_bn", _norm(filters))
                self.order.append((name, i == depth))
                channels = filters
        self.features = channels

    def forward(self, x):
        """Prepared images (n, 3, h, w) to averaged features (n, channels)."""
        for name, last in self.order:
            x = getattr(self, f"{name}_bn")(getattr(self, name)(x))
            x = F.relu(x, inplace=True)
            if last:
                x = F.max_pool2d(x, 2)
        return x.mean((2, 3), dtype=torch.float32)

    @staticmethod
    def prepared(x):
        """RGB 0..255 as `keras.applications.vgg16.preprocess_input` makes it."""
        mean = torch.tensor([103.939, 116.779, 123.68], device=x.device, dtype=x.dtype)
        return x.flip(1) - mean[:, None, None]


class MobileNetV2(nn.Module):
    """MobileNetV2 1.0 without its top (Sandler et al., 2018)."""

    features = EMBEDDING

    def __init__(self):
        super().__init__()
        self._add("Conv1", "bn_Conv1", 3, 32, 3, stride=2)
        self.blocks, channels = [], 32
        for expansion, filters, repeats, first_stride in MOBILENET_BLOCKS:
            for i in range(repeats):
                self._add_block(channels, expansion, filters, first_stride if i == 0 else 1)
                channels = filters
        self._add("Conv_1", "Conv_1_bn", channels, self.features, 1)

    def _add(self, conv, bn, *args, **kwargs):
        self.add_module(conv, nn.Conv2d(*args, bias=False, **kwargs))
        self.add_module(bn, _norm(args[1]))

    def _add_block(self, channels, expansion, filters, stride):
        prefix = f"block_{len(self.blocks)}_" if self.blocks else "expanded_conv_"
        inner = channels * expansion
        if expansion > 1:
            self._add(f"{prefix}expand", f"{prefix}expand_BN", channels, inner, 1)
        padding = 1 if stride == 1 else 0  # `_padded` pads where the stride is 2
        depthwise = {"stride": stride, "padding": padding, "groups": inner}
        self._add(f"{prefix}depthwise", f"{prefix}depthwise_BN", inner, inner, 3, **depthwise)
        self._add(f"{prefix}project", f"{prefix}project_BN", inner, filters, 1)
        self.blocks.append((prefix, expansion > 1, stride, stride == 1 and channels == filters))

    def _layer(self, x, conv, bn, active=True):
        x = getattr(self, bn)(getattr(self, conv)(x))
        return F.relu6(x, inplace=True) if active else x

    def forward(self, x):
        """Prepared images (n, 3, h, w) to averaged features (n, 1280)."""
        x = self._layer(_padded(x), "Conv1", "bn_Conv1")
        for prefix, expands, stride, adds in self.blocks:
            y = self._layer(x, f"{prefix}expand", f"{prefix}expand_BN") if expands else x
            y = _padded(y) if stride == 2 else y
            y = self._layer(y, f"{prefix}depthwise", f"{prefix}depthwise_BN")
            y = self._layer(y, f"{prefix}project", f"{prefix}project_BN", active=False)
            x = x + y if adds else y
        return self._layer(x, "Conv_1", "Conv_1_bn").mean((2, 3), dtype=torch.float32)

    @staticmethod
    def prepared(x):
        """RGB 0..255 as -1..1."""
        return x / 127.5 - 1


def _padded(x):
    """Padded as Keras pads before a convolution of stride 2: one row and column, or two if odd."""
    rows, columns = x.shape[2] % 2, x.shape[3] % 2
    return F.pad(x, (columns, 1, rows, 1))


class Student(nn.Module):
    """A backbone with two linear heads: the class, and the teacher's feature vector."""

    def __init__(self, backbone, classes):
        super().__init__()
        self.backbone = backbone
        self.label = nn.Linear(backbone.features, classes)
        self.teacher = nn.Linear(backbone.features, EMBEDDING)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")

    def forward(self, x):
        """Prepared images (n, 3, h, w) to (logits, predicted feature vectors)."""
        features = self.backbone(x)
        with torch.autocast(x.device.type, enabled=False):
            return self.label(features), self.teacher(features)


def conv_and_norm(network):
    """Pairs of names: each convolution and the BatchNorm that follows it."""
    names = [name for name, _ in network.named_children()]
    return list(zip(names[::2], names[1::2], strict=True))


def teacher_network(file):
    """MobileNetV2 with the weights that `write_teacher` wrote; frozen."""
    network = MobileNetV2()
    with np.load(file) as kept, torch.no_grad():
        for conv, bn in conv_and_norm(network):
            old, kernel = getattr(network, conv), torch.from_numpy(kept[f"{conv}/kernel"])
            new = nn.Conv2d(
                *(old.in_channels, old.out_channels, old.kernel_size, old.stride, old.padding),
                groups=old.groups,
            )
            order = (2, 3, 0, 1) if "depthwise" in conv else (3, 2, 0, 1)
            new.weight.copy_(kernel.permute(order))
            new.bias.copy_(torch.from_numpy(kept[f"{conv}/bias"]))
            setattr(network, conv, new)
            setattr(network, bn, nn.Identity())
    return network.eval().requires_grad_(False)


def named_arrays(student):
    """A student's weights as {LAYER/WEIGHT: array} in the layout of Keras, kernels in float16.

    VGG16's BatchNorm is folded into its convolutions. Vectors stay float32: a variance may be too
    small for float16.
    """
    found, network = {}, student.backbone
    for conv, bn in conv_and_norm(network):
        order = (2, 3, 0, 1) if "depthwise" in conv else (2, 3, 1, 0)
        kernel = getattr(network, conv).weight.detach().float().cpu().permute(order)
        layer = getattr(network, bn)
        parts = (layer.weight, layer.bias, layer.running_mean, layer.running_var)
        gamma, beta, mean, variance = (part.detach().float().cpu() for part in parts)
        if isinstance(network, VGG16):
            scale = gamma / torch.sqrt(variance + EPSILON)
            found[f"{conv}/kernel"], found[f"{conv}/bias"] = kernel * scale, beta - mean * scale
        else:
            found |= {f"{conv}/kernel": kernel, f"{bn}/gamma": gamma, f"{bn}/beta": beta}
            found |= {f"{bn}/moving_mean": mean, f"{bn}/moving_variance": variance}
    found["label/kernel"] = student.label.weight.detach().float().cpu().T
    found["label/bias"] = student.label.bias.detach().float().cpu()
    return {k: v.numpy().astype("float16" if v.ndim > 1 else "float32") for k, v in found.items()}
