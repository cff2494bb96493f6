"""A LoRA adapter's folder in the form that PEFT 0.19 saves over transformers' GPT-2, written with the safetensors format's published rules: an
oracle of the adapter reader's tests that shares no code with it. `python3 peft_adapter.py` writes fixtures/peft-adapter/.

The base has 3 layers of 16. Rank 4, alpha 6, on c_attn and both c_proj. Element i of the k-th tensor, in the order of the names, is
((7 i + 3 k) mod 251 - 125) / 64, which float16 holds exactly.
"""
import json
import math
import os
import struct

C, L, R = 16, 3, 4
ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "fixtures", "peft-adapter")
MODULES = [("attn.c_attn", C, 3 * C), ("attn.c_proj", C, C), ("mlp.c_proj", 4 * C, C)]

shapes = {}
for layer in range(L):
    for module, inputs, outputs in MODULES:
        prefix = f"base_model.model.transformer.h.{layer}.{module}"
        shapes[prefix + ".lora_A.weight"] = (R, inputs)
        shapes[prefix + ".lora_B.weight"] = (outputs, R)

header, data = {"__metadata__": {"format": "pt"}}, b""
for k, (name, shape) in enumerate(sorted(shapes.items())):
    values = [((7 * i + 3 * k) % 251 - 125) / 64 for i in range(math.prod(shape))]
    part = struct.pack(f"<{len(values)}e", *values)
    header[name] = {"dtype": "F16", "shape": list(shape), "data_offsets": [len(data), len(data) + len(part)]}
    data += part
text = json.dumps(header).encode()
text += b" " * (-len(text) % 8)

os.makedirs(ROOT, exist_ok=True)
with open(os.path.join(ROOT, "adapter_model.safetensors"), "wb") as file:
    file.write(struct.pack("<Q", len(text)) + text + data)
with open(os.path.join(ROOT, "adapter_config.json"), "w") as file:
    json.dump({
        "alora_invocation_tokens": None, "alpha_pattern": {}, "arrow_config": None, "auto_mapping": None, "base_model_name_or_path": "openai-community/gpt2", "bias": "none",
        "corda_config": None, "ensure_weight_tying": False, "eva_config": None, "exclude_modules": None, "fan_in_fan_out": True, "inference_mode": True, "init_lora_weights": True,
        "layer_replication": None, "layers_pattern": None, "layers_to_transform": None, "loftq_config": {}, "lora_alpha": 6, "lora_bias": False, "lora_dropout": 0.05,
        "lora_ga_config": None, "megatron_config": None, "megatron_core": "megatron.core", "modules_to_save": None, "peft_type": "LORA", "peft_version": "0.19.1",
        "qalora_group_size": 16, "r": R, "rank_pattern": {}, "revision": None, "target_modules": ["c_proj", "c_attn"], "target_parameters": None, "task_type": "CAUSAL_LM",
        "trainable_token_indices": None, "use_bdlora": None, "use_dora": False, "use_qalora": False, "use_rslora": False,
    }, file, indent=2)
with open(os.path.join(ROOT, "README.md"), "w") as file:
    file.write("---\nlibrary_name: peft\n---\n")
