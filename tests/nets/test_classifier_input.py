"""What the classifier sees."""

import pytest
import torch
from torch import nn

from aru.core.errors import InputError
from aru.nets.classifier_input import logits_and_features
from tests.helpers.toys import small_net
from tests.library.own import GroupNet


def test_features_are_what_the_last_layer_gets():
    model, images = small_net(), torch.rand(3, 3, 16, 16)
    logits, features = logits_and_features(model, images)
    assert torch.equal(model.fc(features), logits) and torch.equal(model(images), logits) and features.requires_grad
    assert not model.fc._forward_pre_hooks


def test_maps_and_tokens_are_averaged():
    model = GroupNet()
    logits, features = logits_and_features(model, torch.rand(3, 3, 8, 8))
    assert torch.allclose(model.classes(features[:, :, None, None]).flatten(1), logits, atol=1e-6)
    tokens = nn.Sequential(nn.Flatten(2), nn.Linear(16, 8))  # (B, 3 channels as tokens, 16)
    images = torch.rand(2, 3, 4, 4)
    assert torch.allclose(logits_and_features(tokens, images)[1], images.flatten(2).mean(dim=1))


def test_a_layer_that_runs_twice_is_refused():
    layer = nn.Linear(4, 4)
    with pytest.raises(InputError, match="taken for the classifier of Sequential, ran 2 times"):
        logits_and_features(nn.Sequential(layer, nn.ReLU(), layer), torch.rand(2, 4))
