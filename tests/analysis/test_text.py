"""Settings and environment, flattened, with every value that occurs."""

from skipbench.analysis.text import distinct, flatten


def test_nested_keys_are_joined_and_none_is_left_out():
    assert dict(flatten({"versions": {"torch": "2.14", "timm": None}, "size": [96, 128], "dirty": False})) == {
        "versions.torch": "2.14",
        "size": "96, 128",
        "dirty": "False",
    }


def test_mappings_in_a_list_go_by_their_number():
    assert dict(flatten({"arms": [{"model": "unet", "fusion": ["add", "max"]}, {"model": "fpn"}]})) == {
        "arms.0.model": "unet",
        "arms.0.fusion": "add, max",
        "arms.1.model": "fpn",
    }


def test_every_value_that_occurs_is_kept_once():
    assert distinct([{"commit": "a"}, {"commit": "b", "gpu": "x"}, {"commit": "a"}]) == {
        "commit": ["a", "b"],
        "gpu": ["x"],
    }


def test_fractions_have_six_digits():
    assert dict(flatten({"aspect": 4 / 3, "lr": 0.002, "limits": [32 / 3, 64]})) == {
        "aspect": "1.33333",
        "lr": "0.002",
        "limits": "10.6667, 64",
    }
