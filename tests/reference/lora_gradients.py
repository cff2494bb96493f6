"""Logits, loss and LoRA gradients of a tiny GPT-2, computed with PyTorch in float64: the oracle of the adapter's tests.

The network is gpt_gradients.py's "pre-norm" case, weights by the same formula, with every projection y = x W + b extended by
(alpha / r) x A^T B^T. A and B follow a formula that the tests know too. Prints JSON; `python3 lora_gradients.py > fixtures/lora_gradients.json`.
"""
import json
import math

import torch

V, T, C, L, H = 11, 6, 8, 2, 2
R, ALPHA = 3, 6.0
IDS = [[1, 5, 3, 9, 0, 2], [7, 7, 10, 4, 6, 8]]
TARGETS = [[5, 3, 9, 0, 2, 7], [7, 10, 4, 6, 8, 1]]
MODULES = [("attn.c_attn", C, 3 * C), ("attn.c_proj", C, C), ("mlp.c_fc", C, 4 * C), ("mlp.c_proj", 4 * C, C)]


def base_layout():
    names = [("wte.weight", (V, C)), ("wpe.weight", (T, C))]
    for i in range(L):
        h = f"h.{i}."
        names += [(h + "ln_1.weight", (C,)), (h + "ln_1.bias", (C,)),
                  (h + "attn.c_attn.weight", (C, 3 * C)), (h + "attn.c_attn.bias", (3 * C,)),
                  (h + "attn.c_proj.weight", (C, C)), (h + "attn.c_proj.bias", (C,)),
                  (h + "ln_2.weight", (C,)), (h + "ln_2.bias", (C,)),
                  (h + "mlp.c_fc.weight", (C, 4 * C)), (h + "mlp.c_fc.bias", (4 * C,)),
                  (h + "mlp.c_proj.weight", (4 * C, C)), (h + "mlp.c_proj.bias", (C,))]
    return names + [("ln_f.weight", (C,)), ("ln_f.bias", (C,))]


def lora_layout():
    names = []
    for i in range(L):
        for module, inputs, outputs in MODULES:
            names += [(f"h.{i}.{module}.lora_A.weight", (R, inputs)), (f"h.{i}.{module}.lora_B.weight", (outputs, R))]
    return names


def tensors():
    w = {}
    for k, (name, shape) in enumerate(base_layout()):
        i = torch.arange(math.prod(shape), dtype=torch.float64)
        value = 0.3 * torch.sin(0.37 * i + 1.3 * k)
        if ".ln_" in "." + name and name.endswith("weight"):
            value = value + 1.0
        w[name] = value.to(torch.float32).to(torch.float64).reshape(shape)
    for k, (name, shape) in enumerate(lora_layout()):
        i = torch.arange(math.prod(shape), dtype=torch.float64)
        w[name] = (0.2 * torch.cos(0.53 * i + 0.7 * k)).to(torch.float32).to(torch.float64).reshape(shape).requires_grad_()
    return w


def project(x, w, name):
    return x @ w[name + ".weight"] + w[name + ".bias"] + ALPHA / R * (x @ w[name + ".lora_A.weight"].T) @ w[name + ".lora_B.weight"].T


def norm(x, w, name):
    mean = x.mean(-1, keepdim=True)
    return (x - mean) / torch.sqrt(((x - mean) ** 2).mean(-1, keepdim=True) + 1e-5) * w[name + ".weight"] + w[name + ".bias"]


def gelu(x):
    return 0.5 * x * (1 + torch.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x ** 3)))


def attention(x, w, h):
    d = C // H
    q, k, v = project(x, w, h + "attn.c_attn").split(C, -1)
    hidden = torch.triu(torch.ones(T, T, dtype=torch.bool), 1)
    heads = []
    for n in range(H):
        part = slice(n * d, (n + 1) * d)
        scores = (q[..., part] @ k[..., part].transpose(1, 2) / math.sqrt(d)).masked_fill(hidden, -math.inf)
        heads.append(torch.softmax(scores, -1) @ v[..., part])
    return project(torch.cat(heads, -1), w, h + "attn.c_proj")


w = tensors()
ids, targets = torch.tensor(IDS), torch.tensor(TARGETS)
x = w["wte.weight"][ids] + w["wpe.weight"]
for i in range(L):
    h = f"h.{i}."
    x = x + attention(norm(x, w, h + "ln_1"), w, h)
    x = x + project(gelu(project(norm(x, w, h + "ln_2"), w, h + "mlp.c_fc")), w, h + "mlp.c_proj")
logits = norm(x, w, "ln_f") @ w["wte.weight"].T
loss = -torch.log_softmax(logits, -1).gather(-1, targets.unsqueeze(-1)).mean()
loss.backward()
print(json.dumps({
    "V": V, "T": T, "C": C, "L": L, "H": H, "rank": R, "alpha": ALPHA, "ids": IDS, "targets": TARGETS, "loss": loss.item(),
    "logits": [round(v, 9) for v in logits.detach().flatten().tolist()],
    "gradients": {name: [float(f"{v:.8e}") for v in w[name].grad.flatten().tolist()] for name, _ in lora_layout()},
}))
