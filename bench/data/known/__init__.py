"""Public datasets that are known by name: downloaded through torchvision where it can, else by their path."""

from skipbench.bench.data.known.coco2017 import Coco2017
from skipbench.bench.data.known.oxford_pet import OxfordPet
from skipbench.bench.data.known.voc2012 import Voc2012

__all__ = ["Coco2017", "OxfordPet", "Voc2012"]
