"""What a model costs, worked out from its config alone: parameters, arithmetic, memory. No torch, nothing is built."""

from __future__ import annotations

from dataclasses import dataclass

from holdfast.model.config import Config, GPT2Config

FP32 = 4  # bytes


def parameters(config: Config) -> int:
    """How many weights are trained; a tied table counts once."""
    width = config.hidden_size
    if isinstance(config, GPT2Config):
        biases = 5 * width + config.mlp_size  # q, k, v, o, down; up
        norms = 2 * 2 * width
        tables = (config.vocab_size + config.context_length) * width
        return tables + config.num_layers * (_layer_matrices(config) + biases + norms) + 2 * width
    norms = 2 * width + (2 * config.head_size if config.qk_norm else 0)
    tables = config.vocab_size * width * (1 if config.tied else 2)
    return tables + config.num_layers * (_layer_matrices(config) + norms) + width


def matrix_parameters(config: Config) -> int:
    """Weights that every token is multiplied with: the layers' matrices and the head, not the looked-up tables."""
    return config.num_layers * _layer_matrices(config) + config.vocab_size * config.hidden_size


def flops_per_token(config: Config, length: int | None = None) -> int:
    """Floating-point operations to train on one token in rows of `length` tokens (None: the context length).

    6 per matrix weight (two forward, four backward), and attention over the half of the row that is behind a token on
    average: scores and mixing, each 2 * H * D * length / 2 forward, three times that with the backward pass.
    """
    length = length or config.context_length
    attention = 6 * config.num_layers * config.num_heads * config.head_size * length
    return 6 * matrix_parameters(config) + attention


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes that training takes while a step is at its largest, by what for."""

    weights: int
    gradients: int
    optimizer: int
    activations: int
    logits: int

    @property
    def total(self) -> int:
        """All of it."""
        return self.weights + self.gradients + self.optimizer + self.activations + self.logits


def memory(config: Config, rows: int, optimizer: str, logit_elements: int) -> Memory:
    """Training in fp32 with micro-batches of `rows` full rows.

    optimizer: "adamw" keeps two numbers per weight, "muon" one per weight of a hidden matrix and two for the rest.
    logit_elements: the most logits held at once, see loss.CHUNK_ELEMENTS; their number is bounded by the batch's.
    """
    count = parameters(config)
    hidden = config.num_layers * _layer_matrices(config)
    slots = 2 * count - (hidden if optimizer == "muon" else 0)
    tokens = rows * config.context_length
    logits = 2 * min(tokens * config.vocab_size, max(logit_elements, config.vocab_size))
    head = config.vocab_size * config.hidden_size  # the head's gradient is made before the others
    return Memory(
        weights=FP32 * count,
        gradients=FP32 * count,
        optimizer=FP32 * slots,
        activations=FP32 * tokens * _kept_per_token(config),
        logits=FP32 * (logits + head + tokens * config.hidden_size),
    )


def _layer_matrices(config: Config) -> int:
    """Weights in the matrices of one layer."""
    queries, keys = config.num_heads * config.head_size, config.num_kv_heads * config.head_size
    attention = config.hidden_size * (2 * queries + 2 * keys)
    if isinstance(config, GPT2Config):
        return attention + 2 * config.hidden_size * config.mlp_size
    return attention + (3 if config.mlp == "swiglu" else 2) * config.hidden_size * config.intermediate_size


def _kept_per_token(config: Config) -> int:
    """Numbers per token that the backward pass reads again, of all layers and the final norm.

    A norm keeps its input or its quotient, a product its input, attention its three inputs and its output, the head
    the gradient it has made already.
    """
    width, queries = config.hidden_size, config.num_heads * config.head_size
    if isinstance(config, GPT2Config):
        return config.num_layers * (4 * width + 4 * queries + 2 * config.mlp_size) + 2 * width
    normed_heads = 1 if config.qk_norm else 0
    heads = (2 + normed_heads) * (queries + config.num_kv_heads * config.head_size)
    mlp = (4 if config.mlp == "swiglu" else 2) * config.intermediate_size
    return config.num_layers * (4 * width + heads + mlp) + 2 * width
