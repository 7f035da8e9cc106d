"""From scores of images to scores of people: a person is found when any photo is.

The most exposed photo of a person who has many lies higher by chance alone. So a person is held to unseen people
at the same number of photos k: the score is the share of unseen people whose maximum over k photos, drawn from all
that they have, lies below the person's own. Where fewer than 20 unseen people (than half of them, if that is less)
have so many photos, k is the most that 20 have, and k of the person's photos are drawn. That leaves nothing to find
where there is nothing, whatever the numbers of photos; it asks that the photos of a person are exchangeable, not that
they are independent. Copies of a photo are to be merged before.
"""

from dataclasses import dataclass
from typing import Literal, TypedDict

import numpy as np
from scipy.special import gammaln

from aru.core.errors import InputError, LeakError
from aru.stats.roc import check_scores

PEOPLE = 20
"""Unseen people who must have k photos (half of them where there are fewer than 40): a share then has fine steps."""
DECIMALS = 12
"""Of a score, so that the last bits of a sum make no difference between equals."""


@dataclass(frozen=True)
class PeopleScores:
    """People in the order of their ids. Shape: each (P,).

    score: in (0, 1), the rank among unseen people at the same number of photos; 0.5 on average where nothing is
    found. maximum: the highest score of an image, of all photos. photos: how many there are; drawn: how many of them
    the score rests on.
    """

    ids: np.ndarray
    score: np.ndarray
    maximum: np.ndarray
    photos: np.ndarray
    drawn: np.ndarray


class ExposedPerson(TypedDict):
    """One of the `most_exposed`."""

    rank: int
    id: str
    score: float
    maximum: float
    photos: int
    drawn: int


def people_scores(
    forget: np.ndarray, forget_people: np.ndarray, unseen: np.ndarray, unseen_people: np.ndarray, *, seed: int
) -> tuple[PeopleScores, PeopleScores]:
    """Scores of the forgotten and of the unseen people, from scores of their images, higher for members.

    Everyone is compared with all unseen people, these with themselves too, which is a tie where no photo is left out.
    Shape: scores and ids of people (F,), (F,), (U,), (U,); one row a photo. Raises InputError where there are fewer
    than 2 unseen people, LeakError where a person is on both sides.
    """
    forget, unseen = check_scores(forget, unseen)
    _check_people(forget, forget_people, unseen, unseen_people)
    found, others = _by_person(forget, forget_people), _by_person(unseen, unseen_people)
    sizes = np.sort([len(photos) for photos in others.values()])[::-1]
    most = int(sizes[min(PEOPLE, (len(sizes) + 1) // 2) - 1])
    reference = list(others.values())
    scores = [
        _people(found, most, reference, np.random.default_rng([seed, 0])),
        _people(others, most, reference, np.random.default_rng([seed, 1])),
    ]
    return scores[0], scores[1]


def most_exposed(people: PeopleScores, *, count: int = 10, by: Literal["score", "maximum"] = "score") -> list[ExposedPerson]:
    """The people with the highest scores: rank from 1, id, score, maximum, photos, drawn; ties by maximum, then by id.

    `by="maximum"` ranks by the most exposed photo of all instead: no draw can hide it, but a person with many photos
    stands high by chance alone, so the list names people to look at and proves nothing.
    """
    if count < 1 or by not in ("score", "maximum"):
        raise InputError(f"count is {count} and by is {by!r}: name 1 or more, by score or maximum")
    score = people.score if by == "score" else people.maximum
    order = np.lexsort((np.arange(len(people.ids)), -people.maximum, -score))[:count]
    return [
        {
            "rank": rank,
            "id": str(people.ids[row]),
            "score": float(people.score[row]),
            "maximum": float(people.maximum[row]),
            "photos": int(people.photos[row]),
            "drawn": int(people.drawn[row]),
        }
        for rank, row in enumerate(order, start=1)
    ]


def _people(side: dict[str, np.ndarray], most: int, reference: list[np.ndarray], rng: np.random.Generator) -> PeopleScores:
    """Hold everyone of one side to the reference people."""
    drawn = np.array([min(len(photos), most) for photos in side.values()])
    tops = np.array([rng.permutation(photos)[:k].max() for photos, k in zip(side.values(), drawn, strict=True)])
    below, compared = np.zeros(len(tops)), np.zeros(len(tops))
    for photos in reference:
        below += _chance_below(np.sort(photos), tops, drawn)
        compared += drawn <= len(photos)
    return PeopleScores(
        ids=np.array(list(side)),
        # Ranked as one more of them: who beats all of 20 people is not as sure as who beats all of 300.
        score=np.round((below + 0.5) / (compared + 1), DECIMALS),
        maximum=np.array([photos.max() for photos in side.values()]),
        photos=np.array([len(photos) for photos in side.values()]),
        drawn=drawn,
    )


def _chance_below(photos: np.ndarray, tops: np.ndarray, drawn: np.ndarray) -> np.ndarray:
    """Chance that the maximum of k = `drawn` of the n sorted photos lies below the top, a tie half: C(r, k) / C(n, k),
    r of them below; 0 where n < k."""
    chances = []
    for side in ("left", "right"):
        lower = np.searchsorted(photos, tops, side=side)
        enough = lower >= drawn
        rank = np.where(enough, lower, drawn)
        total = np.maximum(len(photos), drawn)
        chances.append(np.where(enough, np.exp(_log_choose(rank, drawn) - _log_choose(total, drawn)), 0.0))
    return (chances[0] + chances[1]) / 2


def _log_choose(total: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    return gammaln(total + 1) - gammaln(chosen + 1) - gammaln(total - chosen + 1)


def _by_person(scores: np.ndarray, people: np.ndarray) -> dict[str, np.ndarray]:
    """Every person's scores, people in the order of their ids."""
    order = np.argsort(people, kind="stable")
    ids, starts = np.unique(np.asarray(people)[order], return_index=True)
    return dict(zip(ids.tolist(), np.split(scores[order], starts[1:]), strict=True))


def _check_people(forget: np.ndarray, forget_people: np.ndarray, unseen: np.ndarray, unseen_people: np.ndarray) -> None:
    for name, scores, people in (("forget", forget, forget_people), ("unseen", unseen, unseen_people)):
        if len(people) != len(scores):
            raise InputError(f"{len(people)} people were given for {len(scores)} {name} images: one an image is needed")
    if len(np.unique(unseen_people)) < 2:
        raise InputError("all unseen images are of 1 person: people can be compared with 2 unseen people or more")
    both = np.intersect1d(forget_people, unseen_people)
    if both.size:
        raise LeakError(
            f"person {both[0]} has both forget and unseen images ({both.size} do): nobody can be both; choose "
            "unseen images of other people"
        )
