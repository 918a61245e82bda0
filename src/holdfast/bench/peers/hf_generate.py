"""transformers (github.com/huggingface/transformers): `generate` with a model of ours that was exported."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import torch
import transformers

from holdfast.bench.peers.pace import PROMPT, pace


def main() -> None:
    """Continue prompts as the config says."""
    config = json.loads(Path(sys.argv[1]).read_text("utf-8"))
    torch.set_num_threads(config["threads"])
    model = transformers.AutoModelForCausalLM.from_pretrained(config["model"]).eval()

    def made(prompts: list[list[int]], new: int) -> int:
        ids = torch.tensor(prompts)
        wanted = transformers.GenerationConfig(
            max_new_tokens=new, min_new_tokens=new, do_sample=False, eos_token_id=None, pad_token_id=0
        )
        out = model.generate(ids, attention_mask=torch.ones_like(ids), generation_config=wanted)
        return int(out.numel() - ids.numel())

    found = pace(made, config["vocab"], model.config.max_position_embeddings - PROMPT)
    Path(config["out"]).write_text(json.dumps(found) + "\n", "utf-8")


if __name__ == "__main__":
    main()
