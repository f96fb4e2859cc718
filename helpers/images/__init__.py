"""Images: load a task, build the pretrained backbones, look inside them."""

from helpers.images.backbones import (
    APPLICATIONS,
    Stage,
    application,
    mobilenet_v2,
    mobilenet_v2_classifier,
    stages,
    vgg16,
)
from helpers.images.data import BUNDLED, example, image_size, load, read_image
from helpers.images.inside import feature_maps, grad_cam, layers_to_see

__all__ = ["APPLICATIONS", "BUNDLED", "Stage", "application", "example", "feature_maps"]
__all__ += ["grad_cam", "image_size", "layers_to_see", "load", "mobilenet_v2"]
__all__ += ["mobilenet_v2_classifier", "read_image", "stages", "vgg16"]
