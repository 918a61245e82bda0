"""What a model costs, worked out from its config alone: parameters, arithmetic, memory. No torch, nothing is built."""

from __future__ import annotations

import math
from dataclasses import dataclass

from holdfast.model.config import Config, GPT2Config
from holdfast.model.portions import LONGEST, chunk_rows, keys_kept

FP32 = 4  # bytes
HALF = 2  # of bf16 and fp16
# What a process holds besides, in freed memory too scattered for what comes next, with glibc's allocator: parts of the
# activations and of the gradients that lie among them, where a second micro-batch meets what the first one left, and
# where there is one only. Fitted to bench/plan.py.
SCATTERED, SCATTERED_ONCE = (0.9, 1.0), (0.7, 2.0)
RECOMPUTED = {"none": 0.0, "every_second": 0.5, "all": 1.0}  # part of the layers that are computed again going back


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


def tensors(config: Config) -> int:
    """How many named tensors the weights are."""
    if isinstance(config, GPT2Config):
        return 2 + 2 + config.num_layers * (2 * 2 + 2 * 6)  # tables, last norm; norms and six products with biases
    mlp, norms = (3 if config.mlp == "swiglu" else 2), (4 if config.qk_norm else 2)
    return (1 if config.tied else 2) + 1 + config.num_layers * (4 + mlp + norms)


def flops_per_token(config: Config, length: int | None = None) -> int:
    """Floating-point operations to train on one token in rows of `length` tokens (None: the context length).

    6 per matrix weight (two forward, four backward), and attention over the half of the row that is behind a token on
    average: scores and mixing, each 2 * H * D * length / 2 forward, three times that with the backward pass.
    """
    length = length or config.context_length
    attention = 6 * config.num_layers * config.num_heads * config.head_size * length
    return 6 * matrix_parameters(config) + attention


@dataclass(frozen=True, slots=True)
class Demand:
    """What a stage of training asks for.

    rows:            full rows of one micro-batch. accumulates: a step has more than one of them.
    logit_elements:  the most logits held at once, see portions.CHUNK_ELEMENTS; their number is bounded by the batch's.
    optimizer:       "adamw" keeps two numbers per weight, "muon" one per weight of a hidden matrix, two for the rest.
    precision:       fp32, or a half format in which the products are made; weights and their state are fp32 always.
    recompute:       which layers keep only their input and are computed again in the backward pass, see RECOMPUTED.
    packed:          rows hold several documents, so that a mask says who sees whom.
    snapshot:        the state is copied to be saved beside the training.
    evaluation_rows: full rows measured at once. cache_tokens: tokens of all samples that are written together.
    heap:            on the heap of a CPU's process; False on a device with an allocator of its own.
    kernels:         native/ does what it can.
    """

    rows: int
    logit_elements: int
    accumulates: bool = False
    optimizer: str = "adamw"
    precision: str = "fp32"
    recompute: str = "none"
    packed: bool = False
    snapshot: bool = False
    evaluation_rows: int = 0
    cache_tokens: int = 0
    heap: bool = False
    kernels: bool = False


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes that training takes, by what for, each at its own largest: not all of them at the same moment.

    update:     what the optimizer needs while it is at work. evaluation, cache: measuring, and sampling.
    snapshot:   the copy of the state that is being saved.
    unused:     freed memory that is too scattered to be used for what comes next.
    total:      all that is held at the largest moment.
    """

    weights: int
    gradients: int
    optimizer: int
    activations: int
    logits: int
    update: int
    evaluation: int
    cache: int
    snapshot: int
    unused: int
    total: int


def memory(config: Config, demand: Demand) -> Memory:
    """What training takes under `demand`.

    The largest moment is either where the backward pass begins, with all activations and, from the second micro-batch
    on, all gradients; or behind it, with all gradients and whatever the update, an evaluation or a sample needs.
    """
    count, hidden = parameters(config), config.num_layers * _layer_matrices(config)
    number = FP32 if demand.precision == "fp32" else HALF
    weights, gradients = FP32 * count, FP32 * count
    if number != FP32:
        weights += number * matrix_parameters(config)  # each is turned once per micro-batch
    optimizer = FP32 * (2 * count - (hidden if demand.optimizer == "muon" else 0))
    snapshot = FP32 * count + optimizer if demand.snapshot else 0
    tokens = demand.rows * config.context_length
    activations = tokens * _kept_per_token(config, demand)
    if demand.packed:
        activations += FP32 * tokens * config.context_length
    logits = _logit_bytes(config, tokens, number, demand.logit_elements)
    update = FP32 * _muon_workspace(config) if demand.optimizer == "muon" else 0
    evaluation = _evaluation_bytes(config, demand)
    cache = FP32 * demand.cache_tokens * 2 * config.num_layers * config.num_kv_heads * config.head_size
    among, between = SCATTERED if demand.accumulates else SCATTERED_ONCE
    unused = int(among * activations + between * gradients) if demand.heap else 0
    first = activations + logits + (gradients if demand.accumulates else 0)
    then = gradients + max(update, evaluation, cache)
    total = weights + optimizer + snapshot + max(first, then) + unused
    return Memory(
        weights, gradients, optimizer, activations, logits, update, evaluation, cache, snapshot, unused, total
    )


def _layer_matrices(config: Config) -> int:
    """Weights in the matrices of one layer."""
    queries, keys = config.num_heads * config.head_size, config.num_kv_heads * config.head_size
    attention = config.hidden_size * (2 * queries + 2 * keys)
    if isinstance(config, GPT2Config):
        return attention + 2 * config.hidden_size * config.mlp_size
    return attention + (3 if config.mlp == "swiglu" else 2) * config.hidden_size * config.intermediate_size


def _kept_per_token(config: Config, demand: Demand) -> int:
    """Bytes per token that the backward pass reads again, of all layers and the final norm.

    A layer that is computed again keeps its input, and all that it needs while its turn lasts.
    """
    layer, width = _kept_by_a_layer(config, demand), config.hidden_size
    again = math.ceil(config.num_layers * RECOMPUTED[demand.recompute])
    layers = (config.num_layers - again) * layer + again * FP32 * width + (layer if again else 0)
    final = 2 * FP32 * width  # the last norm's input, and the gradient that the head has made already
    return layers + final


def _kept_by_a_layer(config: Config, demand: Demand) -> int:
    """A norm keeps its input in fp32, attention its three inputs and its output or its probabilities, a product its
    input: one for all that read the same in fp32, one for each of them where every product turns its own."""
    number = FP32 if demand.precision == "fp32" else HALF
    width, queries = config.hidden_size, config.num_heads * config.head_size
    probabilities = 0
    if demand.heap and number == FP32 and config.context_length <= LONGEST and not config.dropout:
        probabilities = FP32 * config.num_heads * keys_kept(config.context_length) // config.context_length
    dropped = FP32 * 2 * width if config.dropout else 0
    if isinstance(config, GPT2Config):
        read = 2 if number == FP32 else 3 + 1
        return FP32 * 2 * width + number * (read * width + 4 * queries + 2 * config.mlp_size) + dropped + probabilities
    swiglu = config.mlp == "swiglu"
    read = 2 if number == FP32 else 3 + (2 if swiglu else 1)
    shared = config.num_kv_heads * config.head_size
    heads = 2 * queries + shared  # queries and keys, turned, and what attention makes
    heads += shared if number == FP32 else 0  # values, apart from what they were projected with
    heads += queries + 2 * shared if config.qk_norm or number == HALF else 0  # all three as they were projected
    mlp = (2 if not swiglu else 3 if demand.kernels else 4) * config.intermediate_size
    return FP32 * 2 * width + number * (read * width + heads + mlp) + dropped + probabilities


def _logit_bytes(config: Config, tokens: int, number: int, most: int) -> int:
    """The head at work: a chunk of logits in fp32, and in the products' format; or behind the last one, its gradients.

    The head's gradient is made before the others, and is there twice when it is scaled.
    """
    head = config.vocab_size * config.hidden_size
    chunks = (
        chunk_rows(tokens, config.vocab_size, most) * config.vocab_size * (FP32 if number == FP32 else number + FP32)
    )
    return FP32 * (2 * head + max(chunks // FP32, tokens * config.hidden_size))


def _evaluation_bytes(config: Config, demand: Demand) -> int:
    """A forward pass that keeps nothing: the widest moment of one layer, and a chunk of logits."""
    tokens, width = demand.evaluation_rows * config.context_length, config.hidden_size
    inside = config.mlp_size if isinstance(config, GPT2Config) else config.intermediate_size
    chunk = chunk_rows(tokens, config.vocab_size, demand.logit_elements) * config.vocab_size
    return FP32 * (tokens * max(3 * inside + 2 * width, 7 * width) + (chunk if tokens else 0))


def _muon_workspace(config: Config) -> int:
    """Numbers that Muon holds beside its state: four times the matrices of the shape that has most of them."""
    queries, keys = config.num_heads * config.head_size, config.num_kv_heads * config.head_size
    inside = config.mlp_size if isinstance(config, GPT2Config) else config.intermediate_size
    shapes: dict[tuple[int, int], int] = {}
    gated = not isinstance(config, GPT2Config) and config.mlp == "swiglu"
    products = [(queries, config.hidden_size), (keys, config.hidden_size), (keys, config.hidden_size)]
    products += [(config.hidden_size, queries), (config.hidden_size, inside), (inside, config.hidden_size)]
    for rows, columns in products + ([(inside, config.hidden_size)] if gated else []):
        shapes[rows, columns] = shapes.get((rows, columns), 0) + rows * columns
    return 4 * config.num_layers * max(shapes.values())
