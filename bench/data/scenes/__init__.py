"""Scenes of blobs and articulated figures, generated for this study, the same on every machine."""

import hashlib
from functools import partial
from typing import Annotated

import torch
from pydantic import Field

from skipbench.bench.data.annotations import Boxes, Instances, Joints, Mask, Sample
from skipbench.bench.data.base import SPLITS, CachedDataset, Data, DataInfo, DataSource, register_dataset
from skipbench.bench.data.scenes.figures import BONES, JOINTS
from skipbench.bench.data.scenes.scene import CLASSES, OBJECTS, Scene, make_scene
from skipbench.bench.records import content_hash

__all__ = ["CLASSES", "JOINTS", "OBJECTS", "Scene", "Scenes", "make_scene"]

Count = Annotated[int, Field(ge=1)]
Pixels = Annotated[int, Field(ge=32, le=1024)]


@register_dataset("scenes")
class Scenes(DataSource):
    """How many scenes of which size; an object is 1/12 to 2/3 of the shorter side long.

    Scene i of a split depends on the seed, the split, i and the size alone.
    """

    size: tuple[Pixels, Pixels] = (96, 96)  # (H, W)
    train: Count = 4000
    val: Count = 400
    test: Count = 400
    seed: Annotated[int, Field(ge=0)] = 0

    def open(self) -> Data:
        """Return the scenes; each is generated when it is first asked for."""
        counts = {split: getattr(self, split) for split in SPLITS}
        train, val, test = (
            CachedDataset(partial(_sample, self.size, self.seed, number), counts[split], self.size)
            for number, split in enumerate(SPLITS)
        )
        bones = tuple((JOINTS.index(bone.start), JOINTS.index(bone.end)) for bone in BONES if bone.end in JOINTS)
        info = DataInfo(
            name="scenes",
            size=self.size,
            counts=counts,
            fingerprint=self._fingerprint(),
            annotations=(Mask(CLASSES), Instances(), Boxes(OBJECTS), Joints(JOINTS, bones=bones)),
        )
        return Data(train, val, test, info)

    def _fingerprint(self) -> str:
        """Return a hash of the options and of one scene per split, so that a changed generator shows."""
        digest = hashlib.sha256()
        for number in range(len(SPLITS)):
            scene = make_scene(self.size, self.seed, number, 0)
            digest.update(b"".join(value.tobytes() for value in vars(scene).values()))
        return content_hash({"options": self.model_dump(mode="json"), "content": digest.hexdigest()})


def _sample(size: tuple[int, int], seed: int, split: int, index: int) -> Sample:
    return {name: torch.from_numpy(value) for name, value in vars(make_scene(size, seed, split, index)).items()}
