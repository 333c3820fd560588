"""A preset: an FPN that concatenates."""

import skipbench
from skipbench.archs.presets import PRESETS

skipbench.register_preset("fpn_of_two")({**PRESETS["fpn"], "fusion": "concat"})
