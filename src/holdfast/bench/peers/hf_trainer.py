"""transformers (github.com/huggingface/transformers): its GPT-2 class under its Trainer, with fused AdamW."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from typing import Any

import torch
import transformers
from torch.optim.lr_scheduler import LambdaLR
from torch.utils.data import IterableDataset

from holdfast.bench.peers.loop import Course, cosine, start


class Rows(IterableDataset[dict[str, torch.Tensor]]):
    """Rows of the course's batches, for ever. The class shifts the labels by itself."""

    def __init__(self, course: Course) -> None:
        self.course = course

    def __iter__(self) -> Iterator[dict[str, torch.Tensor]]:
        while True:
            for row in self.course.batch()[0]:
                yield {"input_ids": row, "labels": row}


class Teller(transformers.TrainerCallback):
    """Tells the course of every step, and the Trainer when it is over."""

    def __init__(self, course: Course) -> None:
        self.course = course

    def on_step_end(self, args: Any, state: Any, control: Any, **rest: Any) -> None:
        self.course.stepped()
        control.should_training_stop = self.course.over


def main() -> None:
    """Train it as the config says."""
    course, _ = start()
    config = course.config
    shape = transformers.GPT2Config(
        vocab_size=config["vocab"],
        n_positions=config["context"],
        n_embd=config["width"],
        n_layer=config["layers"],
        n_head=config["width"] // config["head_size"],
        resid_pdrop=0.0,
        embd_pdrop=0.0,
        attn_pdrop=0.0,
        bos_token_id=0,
        eos_token_id=0,
    )
    model = transformers.GPT2LMHeadModel(shape)
    parameters = sum(each.numel() for each in model.parameters())
    rate = config["learning_rate"]
    optimizer = torch.optim.AdamW(model.parameters(), lr=rate, weight_decay=0.1, betas=(0.9, 0.95), fused=True)
    with tempfile.TemporaryDirectory() as folder:
        arguments = transformers.TrainingArguments(
            output_dir=folder,
            per_device_train_batch_size=config["rows"],
            max_steps=config["steps"] or 10**9,
            max_grad_norm=1.0,
            use_cpu=True,
            torch_compile=config["compile"],
            save_strategy="no",
            logging_strategy="no",
            report_to=[],
            disable_tqdm=True,
            seed=config["seed"],
        )
        transformers.Trainer(
            model=model,
            args=arguments,
            train_dataset=Rows(course),
            optimizers=(optimizer, LambdaLR(optimizer, lambda _: cosine(course.progress))),
            callbacks=[Teller(course)],
        ).train()
    course.end(lambda ids: model.eval()(ids).logits, parameters, transformers=transformers.__version__)


if __name__ == "__main__":
    main()
