"""Small checkpoint folders, written with the safetensors format's published rules and numpy: the oracle of the checkpoint reader's tests.

The format: eight bytes of header length (little-endian), a JSON header with each tensor's dtype, shape and data_offsets (begin and end,
from the end of the header), then the data. `python3 safetensors_checkpoints.py` writes fixtures/checkpoints/.

Element i of the k-th parameter (k its place in `layout`) is ((7 i + 3 k) mod 251 - 125) / 64: a multiple of 1/64 below 2 in size, which
float16 and bfloat16 hold exactly, so that the tests can ask for equality.
"""
import json
import math
import os
import struct

import numpy as np

V, T, C, L, H = 11, 6, 4, 2, 2
ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "fixtures", "checkpoints")


def layout(gpt1):
    names = [("tokens_embed.weight" if gpt1 else "wte.weight", (V, C)), ("positions_embed.weight" if gpt1 else "wpe.weight", (T, C))]
    for n in range(L):
        h = f"h.{n}."
        names += [(h + "ln_1.weight", (C,)), (h + "ln_1.bias", (C,)),
                  (h + "attn.c_attn.weight", (C, 3 * C)), (h + "attn.c_attn.bias", (3 * C,)),
                  (h + "attn.c_proj.weight", (C, C)), (h + "attn.c_proj.bias", (C,)),
                  (h + "ln_2.weight", (C,)), (h + "ln_2.bias", (C,)),
                  (h + "mlp.c_fc.weight", (C, 4 * C)), (h + "mlp.c_fc.bias", (4 * C,)),
                  (h + "mlp.c_proj.weight", (4 * C, C)), (h + "mlp.c_proj.bias", (C,))]
    return names if gpt1 else names + [("ln_f.weight", (C,)), ("ln_f.bias", (C,))]


def values(k, shape):
    i = np.arange(math.prod(shape))
    return (((7 * i + 3 * k) % 251 - 125) / 64).astype(np.float32).reshape(shape)


def encode(array, dtype):
    if dtype == "BF16":  # the upper half of a float32
        return (array.astype(np.float32).view(np.uint32) >> 16).astype("<u2").tobytes()
    return array.astype({"F32": "<f4", "F16": "<f2", "F64": "<f8", "U8": "u1", "BOOL": "u1", "I64": "<i8"}[dtype]).tobytes()


def write(path, tensors, metadata=None, pad=True):
    header, data = {}, b""
    if metadata:
        header["__metadata__"] = metadata
    for name, dtype, array in tensors:
        raw = encode(array, dtype)
        header[name] = {"dtype": dtype, "shape": list(array.shape), "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    text = json.dumps(header).encode()
    if pad:
        text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + data)


def folder(name, config):
    path = os.path.join(ROOT, name)
    os.makedirs(path, exist_ok=True)
    with open(os.path.join(path, "config.json"), "w") as file:
        json.dump(config, file, indent=2)
        file.write("\n")
    return path


def gpt2_config(**more):
    return {"activation_function": "gelu_new", "architectures": ["GPT2LMHeadModel"], "attn_pdrop": 0.1, "bos_token_id": 10, "embd_pdrop": 0.2,
            "eos_token_id": 10, "initializer_range": 0.02, "layer_norm_epsilon": 1e-05, "model_type": "gpt2", "n_ctx": T, "n_embd": C, "n_head": H,
            "n_inner": None, "n_layer": L, "n_positions": T, "resid_pdrop": 0.3, "summary_activation": None, "summary_type": "cls_index",
            "task_specific_params": {"text-generation": {"do_sample": True, "max_length": 50}}, "use_cache": True, "vocab_size": V, **more}


gpt2 = [(name, values(k, shape)) for k, (name, shape) in enumerate(layout(gpt1=False))]
gpt1 = [(name, values(k, shape)) for k, (name, shape) in enumerate(layout(gpt1=True))]

# As save_pretrained writes it.
path = folder("gpt2", gpt2_config(transformers_version="4.30.0", torch_dtype="float32"))
write(os.path.join(path, "model.safetensors"), [("transformer." + n, "F32", a) for n, a in sorted(gpt2)], {"format": "pt"})

# As the first published GPT-2 is: no prefix, the causal mask of each layer; here with a stored copy of the head too, four types, an unpadded header.
path = folder("gpt2-unprefixed", gpt2_config())
kinds = ["F32", "F16", "BF16", "F64"]
mixed = [(n, kinds[k % 4], a) for k, (n, a) in enumerate(gpt2)]
mask = np.tril(np.ones((1, 1, T, T)))
for n in range(L):
    mixed += [(f"h.{n}.attn.bias", ["F32", "BOOL"][n % 2], mask), (f"h.{n}.attn.masked_bias", "F32", np.array(-1e4))]
mixed.append(("lm_head.weight", "F32", gpt2[0][1]))
write(os.path.join(path, "model.safetensors"), mixed, pad=False)

# In two shards with an index.
path = folder("gpt2-sharded", gpt2_config())
shards = {"model-00001-of-00002.safetensors": gpt2[:9], "model-00002-of-00002.safetensors": gpt2[9:]}
for file_name, part in shards.items():
    write(os.path.join(path, file_name), [("transformer." + n, "F32", a) for n, a in part], {"format": "pt"})
with open(os.path.join(path, "model.safetensors.index.json"), "w") as file:
    json.dump({"metadata": {"total_size": sum(a.nbytes for _, a in gpt2)},
               "weight_map": {"transformer." + n: f for f, part in shards.items() for n, _ in part}}, file, indent=2)
    file.write("\n")

# GPT-1.
path = folder("gpt1", {"afn": "gelu", "architectures": ["OpenAIGPTLMHeadModel"], "attn_pdrop": 0.1, "embd_pdrop": 0.1, "initializer_range": 0.02,
                       "layer_norm_epsilon": 1e-05, "model_type": "openai-gpt", "n_ctx": T, "n_embd": C, "n_head": H, "n_layer": L,
                       "n_positions": T, "predict_special_tokens": True, "resid_pdrop": 0.1, "vocab_size": V})
write(os.path.join(path, "model.safetensors"), [("transformer." + n, "F32", a) for n, a in sorted(gpt1)], {"format": "pt"})
