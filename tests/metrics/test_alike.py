"""The ranking of people by features: what is like what, and what differs between photos of one person counts little."""

import numpy as np
import pytest
import torch

from aru.core.errors import InputError
from aru.metrics.representation.alike import Gallery


def order(gallery: Gallery, query: torch.Tensor) -> list[str]:
    return [ranked.person for ranked in gallery.rank(query)]


def test_people_come_in_the_order_of_their_most_similar_image() -> None:
    """Nobody has two different images, so the similarity is the plain cosine from the mean, here computed one by one."""
    generator = torch.Generator().manual_seed(0)
    features, query = torch.randn(9, 5, generator=generator), torch.randn(5, generator=generator)
    people = np.asarray(list("abcdefghi"))
    centered = features - features.mean(dim=0)
    asked = query - features.mean(dim=0)
    similar = {person: float(one @ asked / (one.norm() * asked.norm())) for person, one in zip(people, centered, strict=True)}
    ranked = Gallery(features, people).rank(query)
    assert [one.person for one in ranked] == sorted(similar, key=lambda name: -similar[name])
    assert all(one.similarity == pytest.approx(similar[one.person], abs=1e-5) for one in ranked)


def test_every_image_of_a_person_is_told_the_most_similar_first() -> None:
    features = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.9, 0.3], [-1.0, -1.0]])
    ranked = Gallery(features, np.asarray(["a", "b", "a", "c"])).rank(torch.tensor([1.0, 0.05]))
    assert (ranked[0].person, ranked[0].images) == ("a", (0, 2))
    assert sorted(place for one in ranked for place in one.images) == [0, 1, 2, 3]
    assert all(-1 <= one.similarity <= 1 for one in ranked)


def test_what_differs_between_photos_of_one_person_counts_little() -> None:
    """Three large directions are the light of a photo and say nothing about anybody; twenty small ones say who it is."""
    rng = np.random.default_rng(0)
    who = rng.normal(0, 1, (30, 20))

    def photo(person: int) -> np.ndarray:
        return np.concatenate([rng.normal(0, 6, 3), who[person] + rng.normal(0, 0.5, 20)])

    people = np.repeat([f"p{number}" for number in range(30)], 6)
    features = torch.tensor(np.stack([photo(int(name[1:])) for name in people]), dtype=torch.float32)
    gallery, mean, plain_right, right = Gallery(features, people), features.mean(dim=0), 0, 0
    for person in range(30):
        query = torch.tensor(photo(person), dtype=torch.float32)
        plain = torch.nn.functional.cosine_similarity(features - mean, (query - mean)[None])
        plain_right += people[int(plain.argmax())] == f"p{person}"
        right += order(gallery, query)[0] == f"p{person}"
    assert right >= 28 and plain_right <= 20, (right, plain_right)


def test_query_that_is_the_mean_is_like_nobody_and_ties_keep_their_order() -> None:
    features = torch.tensor([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]])
    ranked = Gallery(features, np.asarray(list("dbca"))).rank(torch.zeros(2))
    assert [(one.person, one.similarity) for one in ranked] == [(name, 0.0) for name in "dbca"]


@pytest.mark.parametrize(
    ("features", "people"), [(torch.zeros(0, 3), []), (torch.zeros(2, 3), ["a"]), (torch.zeros(2), ["a", "b"])]
)
def test_lengths_that_do_not_fit_are_refused(features: torch.Tensor, people: list[str]) -> None:
    with pytest.raises(InputError, match="is needed"):
        Gallery(features, np.asarray(people))
