"""Rewards, losses and gradients of tiny reward models, computed with PyTorch in float64: the oracle of the reward model's tests.

The network is gpt_gradients.py's, weights by the same formula; the head's and the read-out token's weights continue it from k = 100. Every sequence is computed by
itself, so that nothing is padded. Prints JSON; `python3 reward_gradients.py > fixtures/reward_gradients.json`.
"""
import json
import math

import torch
from torch.nn.functional import logsigmoid

V, T, C, L, H = 11, 9, 8, 2, 2
READOUT = V
P, Q = [1, 5, 3], [7, 7]

# Each case: its prompts, and each prompt's responses with their grades.
CASES = [
    {"name": "last token", "readout": False, "post": False, "margin": 0.0, "centering": 0.0,
     "groups": [[P, [[4, 6, 0], [9, 2, 10, 0], [8, 0]], [2, 1, 0]], [Q, [[3, 0], [1, 2, 4, 0]], [0, 1]]]},
    {"name": "read-out token", "readout": True, "post": False, "margin": 0.25, "centering": 0.1,
     "groups": [[P, [[4, 6, 0], [9, 2, 0], [8, 0], [5, 0]], [1, 3, 1, 0]], [Q, [[3, 0], [1, 2, 4, 0]], [1, 0]]]},
    {"name": "last token, post-norm", "readout": False, "post": True, "margin": 0.0, "centering": 0.0,
     "groups": [[P, [[4, 6, 0], [9, 0]], [0, 1]]]},
]


def layout(case):
    names = [("wte.weight", (V, C)), ("wpe.weight", (T, C))]
    for i in range(L):
        h = f"h.{i}."
        names += [(h + "ln_1.weight", (C,)), (h + "ln_1.bias", (C,)),
                  (h + "attn.c_attn.weight", (C, 3 * C)), (h + "attn.c_attn.bias", (3 * C,)),
                  (h + "attn.c_proj.weight", (C, C)), (h + "attn.c_proj.bias", (C,)),
                  (h + "ln_2.weight", (C,)), (h + "ln_2.bias", (C,)),
                  (h + "mlp.c_fc.weight", (C, 4 * C)), (h + "mlp.c_fc.bias", (4 * C,)),
                  (h + "mlp.c_proj.weight", (4 * C, C)), (h + "mlp.c_proj.bias", (C,))]
    if not case["post"]:
        names += [("ln_f.weight", (C,)), ("ln_f.bias", (C,))]
    extra = ([("readout_token.weight", (1, C))] if case["readout"] else []) + [("head.weight", (1, C)), ("head.bias", (1,))]
    return list(enumerate(names)) + [(100 + k, item) for k, item in enumerate(extra)]


def weights(case):
    result = {}
    for k, (name, shape) in layout(case):
        i = torch.arange(math.prod(shape), dtype=torch.float64)
        value = 0.3 * torch.sin(0.37 * i + 1.3 * k)
        if ".ln_" in "." + name and name.endswith("weight"):
            value = value + 1.0
        result[name] = value.to(torch.float32).to(torch.float64).reshape(shape).requires_grad_()
    return result


def layer_norm(x, w, name):
    mean = x.mean(-1, keepdim=True)
    return (x - mean) / torch.sqrt(((x - mean) ** 2).mean(-1, keepdim=True) + 1e-5) * w[name + ".weight"] + w[name + ".bias"]


def attention(x, w, h):
    qkv = x @ w[h + "attn.c_attn.weight"] + w[h + "attn.c_attn.bias"]
    d, out = C // H, []
    for head in range(H):
        q, k, v = (qkv[:, n * C + head * d:n * C + (head + 1) * d] for n in range(3))
        scores = q @ k.T / math.sqrt(d)
        scores = scores + torch.full_like(scores, -math.inf).triu(1)
        out.append(torch.softmax(scores, -1) @ v)
    return torch.cat(out, -1) @ w[h + "attn.c_proj.weight"] + w[h + "attn.c_proj.bias"]


def feed_forward(x, w, h):
    u = x @ w[h + "mlp.c_fc.weight"] + w[h + "mlp.c_fc.bias"]
    return 0.5 * u * (1 + torch.tanh(math.sqrt(2 / math.pi) * (u + 0.044715 * u ** 3))) @ w[h + "mlp.c_proj.weight"] + w[h + "mlp.c_proj.bias"]


def reward(ids, w, case):
    table = torch.cat([w["wte.weight"], w["readout_token.weight"]]) if case["readout"] else w["wte.weight"]
    x = table[torch.tensor(ids)] + w["wpe.weight"][: len(ids)]
    for i in range(L):
        h = f"h.{i}."
        if case["post"]:
            x = layer_norm(x + attention(x, w, h), w, h + "ln_1")
            x = layer_norm(x + feed_forward(x, w, h), w, h + "ln_2")
        else:
            x = x + attention(layer_norm(x, w, h + "ln_1"), w, h)
            x = x + feed_forward(layer_norm(x, w, h + "ln_2"), w, h)
    x = x if case["post"] else layer_norm(x, w, "ln_f")
    return x[-1] @ w["head.weight"][0] + w["head.bias"][0]


def run(case):
    w = weights(case)
    rewards, loss = [], 0
    for prompt, responses, grades in case["groups"]:
        r = [reward(prompt + response + ([READOUT] if case["readout"] else []), w, case) for response in responses]
        rewards.append([v.item() for v in r])
        pairs = [(i, j) for i in range(len(r)) for j in range(len(r)) if grades[i] > grades[j]]
        for i, j in pairs:
            each = -logsigmoid(r[i] - r[j] - case["margin"] * (grades[i] - grades[j])) + case["centering"] * (r[i] + r[j]) ** 2
            loss = loss + each / len(pairs) / len(case["groups"])
    loss.backward()
    return {
        **case,
        "V": V, "T": T, "C": C, "L": L, "H": H,
        "rewards": rewards,
        "loss": loss.item(),
        "gradients": {name: [float(f"{v:.8e}") for v in (w[name].grad if w[name].grad is not None else torch.zeros(shape)).flatten().tolist()] for _, (name, shape) in layout(case)},
    }


print(json.dumps([run(case) for case in CASES]))
