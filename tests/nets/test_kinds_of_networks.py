"""ARU's steps on networks that are no image classifiers of the registry: transformers' own, recurrent ones, token encoders."""

import pytest
import torch
import transformers
from torch import nn

from aru.core.config import AttackConfig, FinetuneConfig, ResetConfig
from aru.core.errors import InputError
from aru.data.datasets import own_sets
from aru.methods.aru.attack import attack
from aru.methods.aru.masking import mask
from aru.methods.aru.pipeline import unlearn
from aru.methods.aru.presets import AruConfig
from aru.methods.aru.resetting import reset
from aru.metrics.membership.signals import gradient_norm
from aru.metrics.representation.activations import activations, penultimate
from aru.nets.adapted import adapt
from aru.nets.models import classifier
from aru.nets.units import unit_weights
from aru.train.loop import predict
from tests.helpers.toys import CPU
from tests.helpers.untouched import untouched
from tests.nets.test_units import Decoder, Recurrent, Tokens

CLASSES, ITEMS = 3, 6
SMALL = AruConfig(
    attack=AttackConfig(steps=2), finetune=FinetuneConfig(epochs=1, batch_size=4, lr=1e-3, augment=False), reset=ResetConfig()
)
SIZE = {"hidden_size": 12, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 16}
LABELS = {"num_labels": CLASSES}
IMAGES = {
    "vit": lambda: transformers.ViTForImageClassification(
        transformers.ViTConfig(**SIZE, image_size=16, patch_size=8, **LABELS)
    ),
    "deit": lambda: transformers.DeiTForImageClassification(
        transformers.DeiTConfig(**SIZE, image_size=16, patch_size=8, **LABELS)
    ),
    "dinov2": lambda: transformers.Dinov2ForImageClassification(
        transformers.Dinov2Config(
            hidden_size=12, num_hidden_layers=2, num_attention_heads=2, image_size=16, patch_size=8, **LABELS
        )
    ),
    "resnet": lambda: transformers.ResNetForImageClassification(
        transformers.ResNetConfig(embedding_size=8, hidden_sizes=[8, 12], depths=[1, 1], layer_type="basic", **LABELS)
    ),
    "convnext": lambda: transformers.ConvNextForImageClassification(
        transformers.ConvNextConfig(hidden_sizes=[8, 12], depths=[1, 1], num_stages=2, **LABELS)
    ),
    "swin": lambda: transformers.SwinForImageClassification(
        transformers.SwinConfig(
            image_size=16, patch_size=4, embed_dim=8, depths=[1, 1], num_heads=[1, 2], window_size=2, **LABELS
        )
    ),
    "mobilenet_v2": lambda: transformers.MobileNetV2ForImageClassification(
        transformers.MobileNetV2Config(depth_multiplier=0.2, **LABELS)
    ),
}


def sets_of(inputs: torch.Tensor):
    arrays = (inputs, torch.arange(len(inputs)) % CLASSES)
    return own_sets(arrays, arrays, outputs=CLASSES)


def drawn(*shape: int) -> torch.Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(0))


def check_unlearned(network: nn.Module, inputs: torch.Tensor, config: AruConfig) -> None:
    """All steps run, units change, answers stay finite, the network given is left as it was."""
    model, sets = adapt(network), sets_of(inputs)
    with untouched(model):
        result = unlearn(model, sets, config, seed=0, compute=CPU)
    logits = predict(result.model, sets.forget, compute=CPU)
    assert logits.shape == (len(inputs), CLASSES) and torch.isfinite(logits).all()
    old = unit_weights(model)
    assert set(result.mask) == set(old)
    for name, marked in result.mask.items():
        assert marked.any(), name
        assert not torch.equal(unit_weights(result.model)[name], old[name]), name
    assert gradient_norm(result.model, sets.forget, compute=CPU).shape == (len(inputs),)
    assert penultimate(result.model, sets.forget, compute=CPU).shape[0] == len(inputs)


@pytest.mark.parametrize("kind", IMAGES)
def test_image_classifiers_of_transformers_go_through_every_step(kind):
    torch.manual_seed(0)
    network, images = IMAGES[kind](), drawn(ITEMS, 3, 16, 16)
    assert classifier(network).startswith("classifier")
    check_unlearned(network, images, SMALL)
    found = activations(adapt(network), sets_of(images).forget, compute=CPU)
    assert all(part.shape[0] == ITEMS for part in found.values())


def test_a_recurrent_network_on_sequences_of_numbers():
    torch.manual_seed(0)
    check_unlearned(Recurrent(CLASSES), drawn(ITEMS, 7, 3), SMALL)


def test_a_network_on_volumes():
    torch.manual_seed(0)
    check_unlearned(Decoder(CLASSES), drawn(ITEMS, 1, 4, 4, 4), SMALL)


def test_a_transformer_encoder_on_token_ids_needs_no_noise():
    torch.manual_seed(0)
    tokens = torch.randint(11, (ITEMS, 5), generator=torch.Generator().manual_seed(0))
    network = Tokens(CLASSES)
    with pytest.raises(InputError, match="whole numbers.*token ids.*set attack.noise to 'none'"):
        attack(adapt(network), sets_of(tokens).forget, AttackConfig(), seed=0, compute=CPU)
    check_unlearned(network, tokens, SMALL.model_copy(update={"attack": AttackConfig(noise="none")}))


def test_sequences_out_of_bounds_are_refused_with_the_remedy():
    with pytest.raises(InputError, match=r"run from 0\.\d+ to [2-9].*bounds="):
        attack(adapt(Recurrent(CLASSES)), sets_of(drawn(ITEMS, 7, 3) * 9).forget, AttackConfig(), seed=0, compute=CPU)


class Auxiliary(nn.Module):
    """Answers with a tuple in training, as GoogLeNet does; its second classifier is unused in evaluation."""

    def __init__(self) -> None:
        super().__init__()
        self.body, self.second, self.head = nn.Conv2d(3, 6, 3), nn.Linear(6, CLASSES), nn.Linear(6, CLASSES)

    def forward(self, images: torch.Tensor):
        features = self.body(images).relu().mean(dim=(2, 3))
        return (self.head(features), self.second(features)) if self.training else self.head(features)


def test_a_second_answer_in_training_is_no_hindrance_and_frozen_layers_have_scores():
    torch.manual_seed(0)
    network = Auxiliary()
    network.body.requires_grad_(False)
    model, sets = adapt(network), sets_of(drawn(ITEMS, 3, 8, 8))
    scores, marked = mask(model, sets.forget, torch.zeros(ITEMS, 3, 8, 8), SMALL.mask, seed=0, compute=CPU)
    assert {name.removeprefix("network."): bool(score.any()) for name, score in scores.items()} == {
        "body": True,
        "second": False,
    }
    assert not reset(model, marked, ResetConfig(), seed=0, example=drawn(1, 3, 8, 8)).network.body.weight.requires_grad
    result = unlearn(model, sets, SMALL, seed=0, compute=CPU)
    assert torch.isfinite(predict(result.model, sets.forget, compute=CPU)).all()
