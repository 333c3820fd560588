"""The one training recipe that all arms share."""

from typing import Annotated, Any, ClassVar, Literal

import torch
from pydantic import BaseModel, ConfigDict, Field, model_validator

from skipbench.bench.training.augmentation import Augmentation
from skipbench.bench.training.machine import Device, Precision, require_devices, resolve_device, resolve_precision
from skipbench.bench.validation import LATER, determining

RECALIBRATION_IMAGES = 256  # as many as that give BatchNorm its statistics
Count = Annotated[int, Field(ge=1)]
Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]
Source = Literal["initialisation", "order", "augmentation"]  # of what a seed varies
Optimizer = Literal["adamw", "sgd", "rmsprop"]
Schedule = Literal["one_cycle", "cosine", "poly"]


class Recipe(BaseModel):
    """How every network is trained: by default AdamW under a one-cycle schedule, for a budget in images seen."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    asked: ClassVar = frozenset({"minutes", "minutes_for", "alike", "timed"})  # by which `images` is set, no more

    images: Count = 8192  # budget in images seen, rounded up to whole batches
    minutes: Positive | None = None  # budget in time instead, scoring included: images are set by a timed start
    minutes_for: Literal["cell", "run"] = "cell"  # of each training, or of all trainings of a run together
    alike: Literal["images", "minutes"] = "images"  # what arms have equally: as much as the slowest sees, or time
    timed: dict[str, Count] = Field(default_factory=dict)  # images that were set so; a run writes them
    batch_size: Count = 16
    accumulate: Annotated[Count, LATER] = 1  # parts in which a batch is computed one by one, for less memory
    optimizer: Annotated[Optimizer, LATER] = "adamw"
    momentum: Annotated[float, Field(ge=0, lt=1), LATER] = 0.9  # of sgd
    schedule: Annotated[Schedule, LATER] = "one_cycle"
    lr: Positive = 1e-3  # the highest learning rate of the schedule
    encoder_lr: Annotated[NotNegative | None, LATER] = None  # the encoder's, 0: it doesn't learn; None: lr
    # the share of the steps in which lr rises to its highest; 0 where only another schedule is given
    warmup: Annotated[float, Field(ge=0, lt=1)] = 0.3
    weight_decay: NotNegative = 1e-2  # of weights; norms and biases have none
    decay_all: Annotated[bool, LATER] = False  # norms and biases decay, too
    ema: Annotated[Annotated[float, Field(gt=0, lt=1)] | None, LATER] = None  # decay of averaged weights: 0.999
    clip_norm: Positive = 1.0  # gradients are scaled down to this norm
    data_init: bool = True  # logits are brought to one scale before the first step
    recalibrate: bool = True  # statistics of BatchNorm are taken anew before each validation
    # times the validation split is scored, evenly spread, the last at the end
    validations: Annotated[int, Field(ge=1, le=10_000)] = 4
    patience: Annotated[Count | None, LATER] = None  # validations without a better score, after which it ends
    precision: Precision = "auto"  # bf16-mixed where the machine computes bfloat16 natively
    channels_last: bool = True
    device: Device = "auto"
    devices: Count = 1  # that share each batch, with the result of one; on the CPU, processes
    threads: Count | None = None  # CPU threads of each; None: as many as torch uses already, shared out
    augmentation: Augmentation = Augmentation()
    vary: Annotated[Literal["all"] | Source, LATER] = "all"  # what the seed varies; the rest is as with seed 0

    @model_validator(mode="before")
    @classmethod
    def _warm_up_of_schedule(cls, given: Any) -> Any:
        """Only one-cycle warms up unless it is said."""
        if isinstance(given, dict) and given.get("schedule", "one_cycle") != "one_cycle":
            return {"warmup": 0.0, **given}
        return given

    @model_validator(mode="after")
    def _evenly_shared(self) -> "Recipe":
        if self.batch_size % self.devices:
            raise ValueError(
                f"batch_size is {self.batch_size}, which devices: {self.devices} cannot share; give a multiple."
            )
        if self.batch_size // self.devices % self.accumulate:
            raise ValueError(
                f"batch_size is {self.batch_size}, on {self.devices} device(s), which accumulate: "
                f"{self.accumulate} does not divide into equal parts; give a multiple."
            )
        return self

    def resolved(self) -> "Recipe":
        """Return the recipe with what this machine decides in words: each of it changes the bits of a result.

        Raises MachineError where a device is missing.
        """
        device = resolve_device(self.device)
        require_devices(device, self.devices)
        return self.model_copy(
            update={
                "device": device.type,
                "precision": resolve_precision(self.precision, device),
                "threads": self.threads or max(1, torch.get_num_threads() // self.devices),
            }
        )

    @property
    def identity(self) -> dict[str, Any]:
        """What determines a result: neither what images were set by, nor later options at their default."""
        return {name: value for name, value in determining(self).items() if name not in self.asked}

    def seed_of(self, source: Source, seed: int) -> int:
        """Return the seed from which a source of variation is drawn."""
        return seed if self.vary in ("all", source) else 0

    @property
    def steps(self) -> int:
        """The number of batches trained on."""
        return -(-self.images // self.batch_size)

    @property
    def recalibration_steps(self) -> int:
        """The number of batches that statistics are averaged over before each validation."""
        return min(-(-RECALIBRATION_IMAGES // self.batch_size), self.steps) if self.recalibrate else 0

    @property
    def validation_steps(self) -> set[int]:
        """The steps, counted from 1, after which the validation split is scored."""
        return self.spread(self.validations)

    def spread(self, times: int) -> set[int]:
        """Return so many steps, counted from 1, evenly spread with the last among them; all if there are fewer."""
        return {-(-self.steps * turn // times) for turn in range(1, times + 1)}
