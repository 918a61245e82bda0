"""What a model is, as plain numbers: enough to build it, to count it and to read it back from a checkpoint. No torch.

Shapes are checked when a config is made, so a wrong one is refused before anything is allocated.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal

Mlp = Literal["swiglu", "relu2"]
Profile = Literal["portable", "fast"]
PAIR_ROWS = 5  # of a table of pairs, for each token of the vocabulary
LONGEST_CONTEXT = 2**20  # the tables of positions are made for all of it


@dataclass(frozen=True, slots=True)
class TransformerConfig:
    """Pre-norm decoder: RMSNorm, rotary positions, grouped-query attention, no biases.

    num_kv_heads:      heads of keys and values; each serves num_heads / num_kv_heads query heads.
    head_dim:          width of one head; None: hidden_size / num_heads.
    intermediate_size: width inside the feed-forward part.
    mlp:               "swiglu": down(silu(gate(x)) * up(x)); "relu2": down(relu(up(x))^2).
    qk_norm:           RMSNorm over each head's query and key, before the rotation.
    tied:              one table of token vectors for reading and for writing.
    profile:           "portable": just what stock classes have; "fast": with what extras.py adds.
    """

    vocab_size: int
    context_length: int
    hidden_size: int
    num_layers: int
    num_heads: int
    num_kv_heads: int
    intermediate_size: int
    head_dim: int | None = None
    mlp: Mlp = "swiglu"
    qk_norm: bool = True
    tied: bool = True
    profile: Profile = "portable"
    rope_theta: float = 10_000.0
    norm_eps: float = 1e-6
    dropout: float = 0.0

    def __post_init__(self) -> None:
        _check_sizes(self, ("vocab_size", "context_length", "hidden_size", "num_layers"))
        _check_sizes(self, ("num_heads", "num_kv_heads", "intermediate_size"))
        if self.head_dim is None:
            _check_divides("hidden_size", self.hidden_size, "num_heads", self.num_heads)
        _check_divides("num_heads", self.num_heads, "num_kv_heads", self.num_kv_heads)
        if self.head_size < 2 or self.head_size % 2:
            raise ValueError(f"rotary positions need an even head width, not {self.head_size}")
        if self.mlp not in ("swiglu", "relu2"):
            raise ValueError(f"mlp is swiglu or relu2, not {self.mlp!r}")
        if self.profile not in ("portable", "fast"):
            raise ValueError(f"profile is portable or fast, not {self.profile!r}")
        _check_above_zero(self, ("rope_theta", "norm_eps"))
        _check_dropout(self.dropout)

    @property
    def head_size(self) -> int:
        """Width of one head."""
        return self.head_dim if self.head_dim is not None else self.hidden_size // self.num_heads

    @property
    def pair_rows(self) -> int:
        """Rows of the table of pairs that the profile fast has."""
        return PAIR_ROWS * self.vocab_size if self.profile == "fast" else 0


@dataclass(frozen=True, slots=True)
class GPT2Config:
    """The decoder of Radford et al. 2019: LayerNorm, learned positions, GELU, biases, tied embeddings."""

    vocab_size: int
    context_length: int
    hidden_size: int
    num_layers: int
    num_heads: int
    intermediate_size: int | None = None  # None: 4 * hidden_size
    norm_eps: float = 1e-5
    dropout: float = 0.0

    def __post_init__(self) -> None:
        _check_sizes(self, ("vocab_size", "context_length", "hidden_size", "num_layers", "num_heads"))
        if self.intermediate_size is not None:
            _check_sizes(self, ("intermediate_size",))
        _check_divides("hidden_size", self.hidden_size, "num_heads", self.num_heads)
        _check_above_zero(self, ("norm_eps",))
        _check_dropout(self.dropout)

    @property
    def head_size(self) -> int:
        """Width of one head."""
        return self.hidden_size // self.num_heads

    @property
    def num_kv_heads(self) -> int:
        """Every query head has its own keys and values."""
        return self.num_heads

    @property
    def mlp_size(self) -> int:
        """Width inside the feed-forward part."""
        return self.intermediate_size if self.intermediate_size is not None else 4 * self.hidden_size


Config = TransformerConfig | GPT2Config
FAMILIES: dict[str, type[TransformerConfig] | type[GPT2Config]] = {"transformer": TransformerConfig, "gpt2": GPT2Config}


def family(config: Config) -> str:
    """The name under which `FAMILIES` holds the config's type."""
    return "gpt2" if isinstance(config, GPT2Config) else "transformer"


def tied(config: Config) -> bool:
    """Whether one table is both read and written with."""
    return isinstance(config, GPT2Config) or config.tied


def config_to_dict(config: Config) -> dict[str, Any]:
    """The config as JSON values, with its family; `config_from_dict` reads it back."""
    return {"family": family(config), **asdict(config)}


def config_from_dict(values: Mapping[str, Any]) -> Config:
    """The config that `config_to_dict` wrote. Raises ValueError on an unknown family, a missing or an unknown key."""
    rest = dict(values)
    name = rest.pop("family", None)
    if name not in FAMILIES:
        raise ValueError(f"there is no model family {name!r}; families: {', '.join(FAMILIES)}")
    kind = FAMILIES[name]
    if unknown := rest.keys() - {field.name for field in fields(kind)}:
        raise ValueError(f"{name} has no setting {', '.join(sorted(unknown))}")
    try:
        return kind(**rest)
    except TypeError as error:
        raise ValueError(f"the settings of a {name} are incomplete: {error}") from error


def _check_sizes(config: Config, names: tuple[str, ...]) -> None:
    for name in names:
        value = getattr(config, name)
        if type(value) is not int or value < 1:
            raise ValueError(f"{name} must be at least 1, not {value!r}")
    if config.context_length > LONGEST_CONTEXT:
        raise ValueError(f"context_length must be at most {LONGEST_CONTEXT}, not {config.context_length}")


def _check_above_zero(config: Config, names: tuple[str, ...]) -> None:
    for name in names:
        if not (value := getattr(config, name)) > 0:
            raise ValueError(f"{name} must be above 0, not {value}")


def _check_divides(large: str, size: int, small: str, part: int) -> None:
    if size % part:
        raise ValueError(f"{large} ({size}) must be a multiple of {small} ({part})")


def _check_dropout(dropout: float) -> None:
    if not 0 <= dropout < 1:
        raise ValueError(f"dropout must be at least 0 and below 1, not {dropout}")
