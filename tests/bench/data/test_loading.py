"""Batches: padded to one shape, in the order asked for, and read ahead of use, or joined from memory."""

import pickle
import threading
from typing import ClassVar

import pytest
import torch
from torch.utils.data import Dataset

from skipbench.bench.data import Sample, open_data
from skipbench.bench.data.loading import batches, collate, in_order, in_random_order


def test_objects_and_people_are_padded_to_the_most_of_a_batch() -> None:
    data = open_data("scenes", size=(64, 64), train=12)
    samples = [data.train[index] for index in range(12)]
    batch = collate(samples)
    most = max(len(sample["labels"]) for sample in samples)
    assert batch["boxes"].shape == (12, most, 4)
    assert len({len(sample["joints"]) for sample in samples}) > 1
    for i, sample in enumerate(samples):
        objects, people = len(sample["labels"]), len(sample["joints"])
        for key, value in sample.items():
            count = {
                "boxes": objects,
                "labels": objects,
                "ignored": objects,
                "joints": people,
                "visibility": people,
            }
            assert torch.equal(batch[key][i, : count.get(key)], value), key
        assert (batch["labels"][i, objects:] == -1).all()
        assert not batch["boxes"][i, objects:].any()
        assert batch["joints"][i, people:].isnan().all()
        assert not batch["visibility"][i, people:].any()


def test_images_without_any_person_make_a_batch_of_none() -> None:
    sample = {"image": torch.zeros(3, 2, 2), "joints": torch.zeros(0, 5, 2), "boxes": torch.zeros(0, 4)}
    batch = collate([sample, sample])
    assert batch["joints"].shape == (2, 0, 5, 2)
    assert batch["boxes"].shape == (2, 0, 4)


def test_keys_that_samples_lack_are_left_out() -> None:
    assert set(collate([{"image": torch.zeros(1)}], ("image", "instances"))) == {"image"}


@pytest.mark.parametrize("at_once", [False, True])
def test_what_is_in_memory_is_joined_where_it_is_asked_for_and_the_rest_ahead(at_once: bool) -> None:
    makers: dict[str, set[int]] = {"first": set(), "again": set()}

    class Numbers(Dataset[Sample]):
        kept: ClassVar[set[int]] = set()

        def holds(self, index: int) -> bool:
            return index in self.kept

        def __getitem__(self, index: int) -> Sample:
            makers["again" if index in self.kept else "first"].add(threading.get_ident())
            return {"image": torch.tensor(index)}

    numbers, order = Numbers(), [[3, 1], [0, 2], [2, 2], [1, 0], [3, 3]]
    for _ in range(2):
        made = [batch["image"].tolist() for batch in batches(numbers, ("image",), order, at_once)]
        assert made == order
        Numbers.kept = {0, 1, 2, 3}
    assert threading.get_ident() not in makers["first"]
    assert (makers["again"] == {threading.get_ident()}) == at_once


def test_samples_of_a_dataset_are_held_once_they_are_made_and_not_in_another_process() -> None:
    train = open_data("scenes", size=(32, 32), train=4).train
    assert not train.holds(2)
    assert train[2]
    assert train.holds(2)
    assert not pickle.loads(pickle.dumps(train)).holds(2)


def test_what_reading_raises_reaches_the_one_who_asked() -> None:
    with pytest.raises(IndexError, match="sample 4 of 4"):
        list(batches(open_data("scenes", size=(32, 32), train=4).train, ("image",), [[0, 1], [3, 4]]))


def test_a_pass_takes_every_sample_once() -> None:
    assert [list(indices) for indices in in_order(5, 2)] == [[0, 1], [2, 3], [4]]
    order = in_random_order(10, 7, 4, torch.Generator().manual_seed(0))
    flat = [index for indices in order for index in indices]
    assert [len(indices) for indices in order] == [4] * 7
    assert sorted(flat[:10]) == sorted(flat[10:20]) == list(range(10))
    assert flat[:10] != flat[10:20]
    assert len(set(flat[20:])) == 8
