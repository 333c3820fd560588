"""The words by which names of files and folders tell the split."""

import re

WORDS = {
    "train": ("train", "training", "trn", "tr", "trainval"),
    "val": ("val", "valid", "validation", "dev", "devel", "eval", "evaluation", "minival"),
    "test": ("test", "testing", "tst", "ts"),
}
_SPLITS = {word: split for split, words in WORDS.items() for word in words}
_SHORT = ("tr", "ts")  # nnU-Net's imagesTr; as words of their own they say too little
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
KNOWN = "train (or training), val (valid, validation, dev, eval), test (testing)"


def words_of(name: str) -> list[str]:
    """Return the words of a name in lower case: "imagesTr_train2017" is images, tr, train."""
    return [word.lower() for word in _WORD.findall(name)]


def split_of(name: str) -> str:
    """Return the split that the words of a name tell, the first one that does; "" if none does."""
    words = words_of(name)
    told = (_SPLITS[word] for word in words if word in _SPLITS and (word not in _SHORT or word != words[0]))
    return next(told, "")


def is_split(name: str) -> bool:
    """Return whether a name is a word for a split, and nothing else."""
    words = words_of(name)
    return len(words) == 1 and words[0] in _SPLITS and words[0] not in _SHORT
