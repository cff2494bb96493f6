"""An ONNX package from another exporter: PyTorch's, with the inputs and outputs that Optimum gives GPT-2's text-generation-with-past.

The model is the case "foreign" of gpt_reference.py, written the way transformers writes GPT-2: a causal mask in a buffer, the padding mask as
a large negative bias, keys and values concatenated to the past. The graph has no num_logits_to_keep and no metadata of this library.

    python3 foreign_package.py fixtures/foreign-package
"""
import json
import math
import os
import sys

import torch

from gpt_reference import CASES, weights

CASE = next(case for case in CASES if case["name"] == "foreign")


class Gpt2(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.w = {name: torch.tensor(value, dtype=torch.float32) for name, value in weights(CASE).items()}
        for name, value in self.w.items():
            self.register_buffer(name.replace(".", "_"), value)
        self.register_buffer("causal", torch.tril(torch.ones(CASE["T"], CASE["T"])).bool().view(1, 1, CASE["T"], CASE["T"]))

    def parameter(self, name):
        return getattr(self, name.replace(".", "_"))

    def norm(self, x, name):
        return torch.nn.functional.layer_norm(x, (CASE["C"],), self.parameter(name + ".weight"), self.parameter(name + ".bias"), 1e-5)

    def linear(self, x, name):
        return x @ self.parameter(name + ".weight") + self.parameter(name + ".bias")

    def heads(self, x):
        return x.view(x.size(0), x.size(1), CASE["H"], CASE["C"] // CASE["H"]).permute(0, 2, 1, 3)

    def forward(self, input_ids, attention_mask, position_ids, *past):
        lowest = torch.finfo(torch.float32).min
        hidden = (1.0 - attention_mask[:, None, None, :].to(torch.float32)) * lowest
        x = self.parameter("wte.weight")[input_ids] + self.parameter("wpe.weight")[position_ids]
        present = []
        for i in range(CASE["L"]):
            h = f"h.{i}."
            q, k, v = self.linear(self.norm(x, h + "ln_1"), h + "attn.c_attn").split(CASE["C"], dim=2)
            q, k, v = self.heads(q), torch.cat((past[2 * i], self.heads(k)), dim=-2), torch.cat((past[2 * i + 1], self.heads(v)), dim=-2)
            present += [k, v]
            scores = q @ k.transpose(-1, -2) / math.sqrt(CASE["C"] // CASE["H"])
            seen = self.causal[:, :, k.size(-2) - q.size(-2):k.size(-2), :k.size(-2)]
            scores = torch.where(seen, scores, torch.tensor(lowest)) + hidden
            merged = (torch.softmax(scores, -1) @ v).permute(0, 2, 1, 3).contiguous()
            x = x + self.linear(merged.view(x.size(0), x.size(1), CASE["C"]), h + "attn.c_proj")
            inner = self.linear(self.norm(x, h + "ln_2"), h + "mlp.c_fc")
            active = 0.5 * inner * (1 + torch.tanh(math.sqrt(2 / math.pi) * (inner + 0.044715 * torch.pow(inner, 3))))
            x = x + self.linear(active, h + "mlp.c_proj")
        return (self.norm(x, "ln_f") @ self.parameter("wte.weight").t(), *present)


def main(folder):
    os.makedirs(folder, exist_ok=True)
    head = (1, CASE["H"], 3, CASE["C"] // CASE["H"])
    names = [f"{{}}.{i}.{part}" for i in range(CASE["L"]) for part in ("key", "value")]
    inputs = ["input_ids", "attention_mask", "position_ids"] + [name.format("past_key_values") for name in names]
    outputs = ["logits"] + [name.format("present") for name in names]
    axes = {"input_ids": {0: "batch_size", 1: "sequence_length"}, "attention_mask": {0: "batch_size", 1: "past_sequence_length + sequence_length"},
            "position_ids": {0: "batch_size", 1: "sequence_length"}, "logits": {0: "batch_size", 1: "sequence_length"}}
    axes.update({name: {0: "batch_size", 2: "past_sequence_length"} for name in inputs[3:]})
    axes.update({name: {0: "batch_size", 2: "past_sequence_length + sequence_length"} for name in outputs[1:]})
    example = (torch.ones(1, 2, dtype=torch.int64), torch.ones(1, 5, dtype=torch.int64), torch.tensor([[3, 4]]),
               *[torch.zeros(head) for _ in names])
    torch.onnx.export(Gpt2(), example, os.path.join(folder, "model.onnx"), opset_version=14, input_names=inputs, output_names=outputs, dynamic_axes=axes)
    config = {"model_type": "gpt2", "architectures": ["GPT2LMHeadModel"], "activation_function": "gelu_new", "vocab_size": CASE["V"],
              "n_positions": CASE["T"], "n_embd": CASE["C"], "n_layer": CASE["L"], "n_head": CASE["H"], "n_inner": None,
              "layer_norm_epsilon": 1e-5, "use_cache": True}
    with open(os.path.join(folder, "config.json"), "w", encoding="utf-8") as file:
        json.dump(config, file, indent=2)
        file.write("\n")


if __name__ == "__main__":
    main(sys.argv[1])
