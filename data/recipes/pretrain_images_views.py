"""Random views of photographs for `pretrain_images.py`, drawn in whole batches on the device.

Images are (n, channels, h, w) with values 0 to 255, photographs uint8 (n, side, side, channels).
"""

import torch
import torch.nn.functional as F

AREA = 0.25, 1.0  # of a photograph, in a view
RELIT = 0.5  # share of the students' views under another light
SMOOTHING = 0.1  # of the labels


class Views:
    """What teacher and students see of a batch: the same parts of the same photographs.

    `mixed` is the share of views that are blended with another photograph (mixup, Zhang et al.,
    2018); None gives the whole photographs as they are.
    """

    def __init__(self, photographs, mixed):
        self.photographs, self.plain = photographs, mixed is None
        n, side, device = len(photographs), photographs.shape[1], photographs.device
        if self.plain:
            zero = torch.zeros(n, device=device)
            self.boxes = zero, zero, zero + side, zero + side, zero > 1
        else:
            self.boxes = _draw_boxes(n, side, device)
            self.gain, self.shift = _draw_recolouring(n, device)
            self.keep = _draw_blending(n, mixed, device)

    def images(self, pixels, sharpness=None):
        """The views at a size of `pixels`, as the teacher sees them."""
        if sharpness is None:
            sharpness = torch.ones(len(self.photographs), device=self.photographs.device)
        x = _cut(self.photographs, self.boxes, pixels, sharpness)
        if self.plain:
            return x
        x = (x * self.gain + self.shift).clamp(0, 255)
        return x * self.keep + x.flip(0) * (1 - self.keep)

    def student_images(self, pixels):
        """As `images`, with edges of random sharpness and half of them under another light."""
        n, device = len(self.photographs), self.photographs.device
        return relit(self.images(pixels, _uniform(0, 1.4, n, device=device).exp()), RELIT)

    def targets(self, labels, classes):
        """Smoothed, blended one-hot labels (n, classes)."""
        y = F.one_hot(labels, classes).float()
        keep = self.keep[:, :, 0, 0]
        y = y * keep + y.flip(0) * (1 - keep)
        return y * (1 - SMOOTHING) + SMOOTHING / classes


def relit(x, share):
    """Images, a share of them as if under another light.

    They are brighter or darker, warmer or colder, stronger lit on one side; half of them lie in
    haze of a random colour, and all of them have grain.
    """
    n, device = len(x), x.device

    def normal(std, *shape):
        return torch.randn(n, *shape, device=device) * std

    def even(low, high, *shape):
        return _uniform(low, high, n, *shape, device=device)

    bright = normal(0.45, 1, 1, 1).clamp(-1.3, 0.8)
    warm, green = normal(0.3, 1, 1, 1), normal(0.15, 1, 1, 1)
    tint = torch.cat([warm, green, -warm], 1)
    across = torch.linspace(-1, 1, x.shape[2], device=device)
    slope = normal(0.25, 1, 1, 1) * across[:, None] + normal(0.25, 1, 1, 1) * across
    view = x / 255 * (bright + tint + slope).exp()
    haze = even(0, 0.65, 1, 1, 1) * (even(0, 1, 1, 1, 1) < 0.5)
    colour = even(0.1, 0.9, 3, 1, 1) / 2 + even(0.05, 0.45, 1, 1, 1)
    view = view * (1 - haze) + colour * haze
    view = view + torch.randn_like(view) * even(0, 0.05, 1, 1, 1)
    return torch.where(even(0, 1, 1, 1, 1) < share, view.clamp(0, 1) * 255, x)


def _uniform(low, high, *shape, device):
    return torch.rand(shape, device=device) * (high - low) + low


def _draw_boxes(n, side, device):
    """(tops, lefts, heights, widths, mirrored) of random parts of a photograph."""
    area, ratio = _uniform(*AREA, n, device=device), _uniform(-0.25, 0.25, n, device=device).exp()
    width = (side * (area * ratio).sqrt()).clamp(max=side)
    height = (side * (area / ratio).sqrt()).clamp(max=side)
    top = torch.rand(n, device=device) * (side - height)
    left = torch.rand(n, device=device) * (side - width)
    return top, left, height, width, torch.rand(n, device=device) < 0.5


def _draw_recolouring(n, device):
    gain = _uniform(0.8, 1.2, n, 1, 1, 1, device=device)
    gain = gain * _uniform(0.9, 1.1, n, 3, 1, 1, device=device)
    return gain, _uniform(-20, 20, n, 1, 1, 1, device=device)


def _draw_blending(n, share, device):
    """How much of each photograph remains when it is blended with another; 1 for most."""
    keep = _uniform(0.5, 1, n, 1, 1, 1, device=device)
    return torch.where(torch.rand(n, 1, 1, 1, device=device) < share, keep, torch.ones_like(keep))


def _cut(photographs, boxes, pixels, sharpness):
    """Images (n, channels, pixels, pixels) of parts of photographs."""
    top, left, height, width, mirrored = boxes
    side = photographs.shape[1]
    rows = _resampling(top, height, pixels, side, sharpness)
    columns = _resampling(left, width, pixels, side, sharpness)
    columns = torch.where(mirrored[:, None, None], columns.flip(1), columns)
    view = torch.einsum("nph,nhwc->npwc", rows, photographs.float())
    return torch.einsum("nqw,npwc->ncpq", columns, view)


def _resampling(start, length, pixels, side, sharpness):
    """(n, pixels, side): how much of each row of a photograph goes into each row of a view.

    Sharpness 1 is bilinear (with antialiasing where it shrinks); the larger, the nearer to
    nearest-neighbour, with edges as sharp as those of a photograph taken at that size.
    """
    at = (torch.arange(pixels, device=start.device) + 0.5) / pixels
    centre = start[:, None] + at * length[:, None]
    scale = (length / pixels).clamp(min=1)[:, None, None]
    there = torch.arange(side, device=start.device) + 0.5
    distance = (there - centre[:, :, None]).abs() / scale
    weight = (0.5 + sharpness[:, None, None] * (0.5 - distance)).clamp(0, 1) * (distance < 1)
    return weight / weight.sum(-1, keepdim=True)
