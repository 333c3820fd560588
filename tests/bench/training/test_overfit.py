"""Every controlled architecture learns eight scenes by heart, in every task: learning works from end to end."""

from functools import partial

import pytest
from torch.utils.data import Subset

from skipbench import archs
from skipbench.bench.data import Data, open_data
from skipbench.bench.tasks import TASKS, create_task
from skipbench.bench.training import train
from skipbench.bench.training.augmentation import Augmentation
from skipbench.bench.training.recipe import Recipe

MODELS = [name for name in archs.list_models() if "." not in name]
STILL = Augmentation(flip=0, crop_area=(1, 1), crop_aspect=1, brightness=0, contrast=0, saturation=0)
FACTORS = {"encoder": "resnet10t_quarter", "width": 32, "strides": (4, 8, 16, 32)}
# task: the score that must pass .9, factors and options that serve small images, and steps
TASK = {
    "segmentation": ("miou", {"strides": (2, 4, 8, 16, 32)}, {}, 160),
    "pose": ("pck@0.1", {}, {}, 160),
    "detection": ("ap50", {"head": "fcos_light", "out": "conv3x3"}, {"range_per_stride": 4}, 80),
}


@pytest.fixture(scope="module")
def scenes() -> Data:
    """Eight scenes that show figures, for training and for scoring alike."""
    data = open_data("scenes", size=(64, 64), train=40)
    shown = [index for index in range(40) if len(data.train[index]["joints"])][:8]
    eight = Subset(data.train, shown)
    return Data(eight, eight, eight, data.info)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("name", TASKS.names())
def test_eight_scenes_are_learnt_by_heart(name: str, model: str, scenes: Data) -> None:
    score, factors, options, steps = TASK[name]
    recipe = Recipe(images=8 * steps, batch_size=8, lr=8e-3, validations=1, augmentation=STILL, device="cpu")
    task = create_task(name, scenes.info, options)
    build = partial(archs.create_model, model, **{**task.factors, **FACTORS, **factors})
    assert train(build, scenes, task, recipe, seed=0).values[f"test/{score}"] > 0.9
