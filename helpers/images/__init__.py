"""Images: load a task, open the pretrained backbones."""

from helpers.images.backbones import mobilenet_v2, mobilenet_v2_classifier, vgg16
from helpers.images.data import BUNDLED, image_size, load, read_image

__all__ = ["BUNDLED", "image_size", "load", "mobilenet_v2", "mobilenet_v2_classifier"]
__all__ += ["read_image", "vgg16"]
