"""What the processor can do, by PyTorch's word."""

import torch

from aru.compute.kernels import instructions


def test_it_is_pytorchs_word_and_no_for_a_name_that_pytorch_does_not_know(monkeypatch):
    for word in (True, False):
        monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda word=word: word, raising=False)
        assert instructions.has("amx_tile") is word
    assert instructions.has("abacus") is False
