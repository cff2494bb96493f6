"""Logits of small GPTs, computed with numpy in float64: the oracle of the ONNX package's tests.

An implementation of its own, one token sequence at a time: no cache, no batch, no padding, loops over heads and positions. Weights follow
a formula that FormulaWeights.cs knows too, exact in float32, so that only logits are stored.

    python3 gpt_reference.py > fixtures/gpt_logits.json
"""
import json
import math

import numpy as np

CASES = [
    {"name": "pre-norm", "V": 97, "T": 64, "C": 48, "L": 3, "H": 4, "F": 192, "post": False, "band": None},
    {"name": "post-norm", "V": 61, "T": 32, "C": 32, "L": 2, "H": 2, "F": 128, "post": True, "band": None},
    {"name": "banded", "V": 53, "T": 40, "C": 32, "L": 4, "H": 4, "F": 128, "post": False, "band": 4},
    {"name": "narrow", "V": 29, "T": 16, "C": 15, "L": 1, "H": 3, "F": 22, "post": False, "band": None},
    {"name": "foreign", "V": 29, "T": 24, "C": 16, "L": 2, "H": 2, "F": 64, "post": False, "band": None},
    {"name": "one head", "V": 40, "T": 24, "C": 8, "L": 5, "H": 1, "F": 32, "post": False, "band": None},
]

# Rows of unequal length: the tests decode the first alone, and all of them as one batch padded on the left.
LENGTHS = [14, 9, 1]


def numbers(k, count):
    """count numbers in [-0.3, 0.3): 24 bits of a 32-bit hash of the element's index and the tensor's, times a float32."""
    x = (np.arange(1, count + 1, dtype=np.uint64) * 0x9E3779B1 + k * 0x85EBCA77) & 0xFFFFFFFF
    x ^= x >> 15
    x = (x * 0x2C1B3C6D) & 0xFFFFFFFF
    x ^= x >> 12
    x = (x * 0x297A2D39) & 0xFFFFFFFF
    x ^= x >> 15
    unit = (x >> 8).astype(np.float32) / np.float32(1 << 24) - np.float32(0.5)
    return unit * np.float32(0.6)


def layout(case):
    v, t, c, f = case["V"], case["T"], case["C"], case["F"]
    names = [("wte.weight", (v, c)), ("wpe.weight", (t, c))]
    for i in range(case["L"]):
        h = f"h.{i}."
        names += [(h + "ln_1.weight", (c,)), (h + "ln_1.bias", (c,)),
                  (h + "attn.c_attn.weight", (c, 3 * c)), (h + "attn.c_attn.bias", (3 * c,)),
                  (h + "attn.c_proj.weight", (c, c)), (h + "attn.c_proj.bias", (c,)),
                  (h + "ln_2.weight", (c,)), (h + "ln_2.bias", (c,)),
                  (h + "mlp.c_fc.weight", (c, f)), (h + "mlp.c_fc.bias", (f,)),
                  (h + "mlp.c_proj.weight", (f, c)), (h + "mlp.c_proj.bias", (c,))]
    if not case["post"]:
        names += [("ln_f.weight", (c,)), ("ln_f.bias", (c,))]
    return names


def weights(case):
    result = {}
    for k, (name, shape) in enumerate(layout(case)):
        value = numbers(k, math.prod(shape))
        if "ln_" in name and name.endswith("weight"):
            value = value + np.float32(1)
        result[name] = value.astype(np.float64).reshape(shape)
    return result


def layer_norm(x, w, name):
    mean = x.mean(-1, keepdims=True)
    variance = ((x - mean) ** 2).mean(-1, keepdims=True)
    return (x - mean) / np.sqrt(variance + 1e-5) * w[name + ".weight"] + w[name + ".bias"]


def attention(x, w, case, layer):
    h, c, heads = f"h.{layer}.attn.", case["C"], case["H"]
    d, t = c // heads, len(x)
    qkv = x @ w[h + "c_attn.weight"] + w[h + "c_attn.bias"]
    q, k, v = qkv[:, :c], qkv[:, c:2 * c], qkv[:, 2 * c:]
    band = case["band"] if case["band"] is not None and layer % 2 == 1 else t
    out = np.zeros((t, c))
    for head in range(heads):
        part = slice(head * d, (head + 1) * d)
        for i in range(t):
            first = max(0, i - band + 1)
            scores = k[first:i + 1, part] @ q[i, part] / math.sqrt(d)
            chances = np.exp(scores - scores.max())
            out[i, part] = (chances / chances.sum()) @ v[first:i + 1, part]
    return out @ w[h + "c_proj.weight"] + w[h + "c_proj.bias"]


def feed_forward(x, w, layer):
    h = f"h.{layer}.mlp."
    inner = x @ w[h + "c_fc.weight"] + w[h + "c_fc.bias"]
    active = 0.5 * inner * (1 + np.tanh(math.sqrt(2 / math.pi) * (inner + 0.044715 * inner ** 3)))
    return active @ w[h + "c_proj.weight"] + w[h + "c_proj.bias"]


def hidden_states(ids, w, case):
    x = w["wte.weight"][ids] + w["wpe.weight"][:len(ids)]
    for layer in range(case["L"]):
        h = f"h.{layer}."
        if case["post"]:
            x = layer_norm(x + attention(x, w, case, layer), w, h + "ln_1")
            x = layer_norm(x + feed_forward(x, w, layer), w, h + "ln_2")
        else:
            x = x + attention(layer_norm(x, w, h + "ln_1"), w, case, layer)
            x = x + feed_forward(layer_norm(x, w, h + "ln_2"), w, layer)
    if not case["post"]:
        x = layer_norm(x, w, "ln_f")
    return x


def logits(ids, w, case):
    return hidden_states(ids, w, case) @ w["wte.weight"].T


def main():
    cases = []
    for case in CASES:
        w = weights(case)
        rows = []
        for row, length in enumerate(LENGTHS):
            ids = [(7 * i + 11 * row + 3) * (i + 1) % case["V"] for i in range(length)]
            values = logits(np.array(ids), w, case)
            rows.append({"ids": ids, "logits": [float(f"{value:.8g}") for value in values.reshape(-1)]})
        cases.append(dict(case, rows=rows))
    print(json.dumps({"cases": cases}, separators=(",", ":")))


if __name__ == "__main__":
    main()
