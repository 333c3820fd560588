"""What people get wrong: each is one sentence and exit code 2 before anything is trained or written."""

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from skipbench.bench.records.store import open_run

Folder = Callable[..., Path]
LETTERS = "abcdefghijklmnopqrst"


def refused(skipbench: Any, *arguments: object) -> str:
    """Return the one sentence that a refused run says."""
    outcome = skipbench("run", *arguments)
    assert outcome.code == 2, outcome
    assert outcome.err.startswith("skipbench: ")
    assert outcome.err.count("\n") == 1
    assert "Traceback" not in outcome.err
    return str(outcome.err)


def remove_masks(root: Path) -> None:
    for path in (root / "masks" / "train").iterdir():
        path.unlink()


def write_mask(root: Path, value: int, size: tuple[int, int] = (40, 56)) -> None:
    Image.fromarray(np.full(size, value, np.uint8)).save(root / "masks" / "train" / "0.png")


def truncate_image(root: Path) -> None:
    path = root / "images" / "val" / "1.png"
    path.write_bytes(path.read_bytes()[:200])


def empty(root: Path) -> None:
    for path in sorted(root.rglob("*.png")):
        path.unlink()


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (empty, ["is not in a known format", "images/<split>/<name>.jpg"]),
        (remove_masks, ["images/train/0.png", "has no mask", "expected masks/train/0.png"]),
        (lambda root: write_mask(root, 7), ["masks/train/0.png", "contains the value 7", "expected 0 to 1"]),
        (lambda root: write_mask(root, 0, (40, 55)), ["masks/train/0.png", "55x40", "56x40"]),
        (truncate_image, ["images/val/1.png", "cannot be read as an image"]),
        (lambda root: (root / "images" / "test" / "0.png").write_text("no image"), ["images/test/0.png"]),
    ],
    ids=["empty", "no mask", "class out of range", "other size", "truncated", "unreadable"],
)
def test_a_data_folder_that_cannot_be_used(
    skipbench: Any,
    tiny_suite: str,
    tmp_path: Path,
    small_folder: Folder,
    spoil: Callable[[Path], Any],
    words: list[str],
) -> None:
    root = small_folder(tmp_path / "my_images")
    spoil(root)
    sentence = refused(
        skipbench,
        tiny_suite,
        "data.classes=[ground, disc]",
        "data.drop=0",
        "--data",
        root,
        "--out",
        tmp_path / "run",
    )
    for word in words:
        assert word in sentence
    assert not (tmp_path / "run").exists()


def test_a_data_folder_that_is_not_there(skipbench: Any, tiny_suite: str, tmp_path: Path) -> None:
    assert "absent" in refused(skipbench, tiny_suite, "--data", tmp_path / "absent", "--out", tmp_path / "run")


def test_images_that_differ_in_size_are_normal(
    skipbench: Any, tiny_suite: str, tmp_path: Path, small_folder: Folder
) -> None:
    root = small_folder(tmp_path / "my_images")
    for kind, mode in (("images", "RGB"), ("masks", "L")):
        path = root / kind / "train" / "0.png"
        Image.open(path).convert(mode).resize((70, 30), Image.Resampling.NEAREST).save(path)
    outcome = skipbench("run", tiny_suite, "seeds=[0]", "--data", root, "--out", tmp_path / "run")
    assert outcome.code == 0, outcome.err
    assert {cell.dataset for cell in open_run(tmp_path / "run").cells()} == {"my_images"}


@pytest.mark.parametrize(
    ("override", "sentence"),
    [
        ("arms=[{model: unett}]", "unknown model 'unett'. Did you mean 'unet'?"),
        ("arms=[{model: unet, fusoin: add}]", "unknown factor 'fusoin'. Did you mean 'fusion'?"),
        ("arms=[{model: unet, sweep: {fusion: [add, ad]}}]", "unknown fusion 'ad'. Did you mean 'add'?"),
        (
            "arms=[{model: unet}, {model: unet, fusion: concat_wide}]",
            "the arms 'unet' and 'unet' are the same; remove one of them.",
        ),
        ("model.encoder=resnet81", "unknown encoder 'resnet81'. Did you mean 'resnet"),
        ("model.width=wide", "factor 'width' is 'wide'"),
        ("recpie.images=8", "in the suite: unknown key 'recpie'. Did you mean 'recipe'?"),
        ("recipe.imagse=8", "in recipe: unknown key 'imagse'. Did you mean 'images'?"),
        ("recipe.images=many", "recipe.images is 'many', expected a whole number."),
        ("recipe.augmentation.flip=2", "recipe.augmentation.flip is 2, expected 1.0 or less."),
        ("recipe.augmentation.flop=1", "in recipe.augmentation: unknown key 'flop'. Did you mean 'flip'?"),
        ("cost.siz=[1, 2]", "in cost: unknown key 'siz'. Did you mean 'size'?"),
        ("cost.size=[32]", "cost.size lacks item 2."),
        ("cost.size=[0, 32]", "cost.size[0] is 0, expected more than 0."),
        ("margin=a", "margin is 'a', expected a number."),
        ("margin={test/miou: -1}", "margin.test/miou is -1, expected more than 0.0."),
        ("latency.round=3", "in latency: unknown key 'round'. Did you mean 'rounds'?"),
        ("data.sise=[32, 32]", "in data: unknown key 'sise'. Did you mean 'size'?"),
        ("data.size=32", "data.size is 32, expected a list, such as [96, 96]."),
        ("data.name=scene", "unknown dataset 'scene'. Did you mean 'scenes'?"),
        ("task=segmentatoin", "unknown task 'segmentatoin'. Did you mean 'segmentation'?"),
        ("seeds=0", "seeds is 0, expected a list."),
        ("task.border=10", "in task: unknown key 'border'. Did you mean 'border_sigma'?"),
    ],
)
def test_a_suite_with_something_wrong_in_it(
    skipbench: Any, tiny_suite: str, tmp_path: Path, override: str, sentence: str
) -> None:
    said = refused(skipbench, tiny_suite, override, "--out", tmp_path / "run")
    assert said.startswith(f"skipbench: {sentence}")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("a: &a [*a]", "contains more than 10,000 values or 30 levels"),
        (f"a: [&a [x], {', '.join(f'&{after} [*{one}, *{one}]' for one, after in pairwise(LETTERS))}]", "10,000"),
        ("a: " + "[" * 5000, "nested too deeply"),
        ("a: " + "[" * 50 + "]" * 50, "30 levels"),
        ("seeds: [!!int foo]", "invalid literal for int"),
        ("a: !!set {x}", "the tag 'tag:yaml.org,2002:set' is not supported"),
        ("a: !!python/object:os.system x", "is not supported"),
        ('a: "\\U00110000"', "not in range"),
        ('a: "\\x1b"', "contains characters that cannot be shown"),
        (f"seeds: [{'1' * 5000}]", "Exceeds the limit"),
        ("seeds: [99999999999999999999]", "is not a finite number, or is too large"),
        ("recipe: {lr: .inf}", "inf is not a finite number, or is too large"),
        ("1: 2", "unknown key '1'"),
        ("true: 2", "the key True is not text"),
        ("description: 2020-13-45", "duplicate key 'description'"),
        ("seed: =", "unknown key 'seed'"),
        ("arms: [{model: unet, name: x}]", "duplicate key 'arms'"),
        ("x: " + "long " * 300_000, "longer than 1,000,000 characters"),
    ],
)  # fmt: skip
def test_a_suite_that_no_reader_should_follow(skipbench: Any, tmp_path: Path, line: str, words: str) -> None:
    (tmp_path / "suite.yaml").write_text(f"name: x\ndescription: 2020-13-45\narms: [{{model: unet}}]\n{line}\n")
    said = refused(skipbench, tmp_path / "suite.yaml", "--dry-run")
    assert words in said
    assert len(said) < 600


def test_what_is_no_factor_or_no_file_name(skipbench: Any, tiny_suite: str) -> None:
    assert "unknown factor 'nam'" in refused(skipbench, tiny_suite, "arms=[{model: unet, nam: x}]", "--dry-run")
    assert "cannot be read as text" in refused(skipbench, "x" * 300)
    assert "is nested more than 30 levels deep" in refused(skipbench, tiny_suite, "recipe." * 400 + "x=1")
    assert len(refused(skipbench, tiny_suite, f"recipe.images={'x' * 5000}")) < 300


@pytest.mark.parametrize("name", ["7", "None", "''", "'a\\nb'"])
def test_a_plug_in_whose_name_is_none(skipbench: Any, tiny_suite: str, tmp_path: Path, name: str) -> None:
    head = "from skipbench.archs import Fusion, register_fusion"
    (tmp_path / "mine.py").write_text(f"{head}\n@register_fusion({name})\nclass Mine(Fusion):\n    pass\n")
    assert "the name of a fusion must be one line of text, not" in refused(
        skipbench, tiny_suite, "--plugin", tmp_path / "mine.py"
    )


def test_a_plug_in_that_raises_what_no_error_is(skipbench: Any, tiny_suite: str, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("class Odd(BaseException):\n    pass\nraise Odd('a\\nb' * 999)")
    said = refused(skipbench, tiny_suite, "--plugin", tmp_path / "mine.py")
    assert "mine.py cannot be imported, line 3: Odd: a b" in said
    assert len(said) < 600


def test_a_plug_in_that_does_not_import(skipbench: Any, tiny_suite: str, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("import no_such_module_anywhere")
    said = refused(skipbench, tiny_suite, "--plugin", tmp_path / "mine.py", "--out", tmp_path / "run")
    assert "mine.py cannot be imported, line 1: ModuleNotFoundError" in said
    assert not (tmp_path / "run").exists()


def test_the_run_folder_of_something_else(skipbench: Any, tiny_suite: str, tmp_path: Path) -> None:
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "thesis.tex").write_text("do not lose")
    said = refused(skipbench, tiny_suite, "--out", tmp_path / "thesis")
    assert "nothing was overwritten" in said
    assert [path.name for path in (tmp_path / "thesis").iterdir()] == ["thesis.tex"]


def test_boxes_are_not_bent(skipbench: Any, tiny_suite: str, tmp_path: Path) -> None:
    said = refused(skipbench, tiny_suite, "task=detection", "recipe.augmentation.elastic.sigma=2", "--dry-run")
    assert "leave out recipe.augmentation.elastic for detection" in said
