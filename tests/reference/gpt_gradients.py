"""Loss and gradients of tiny GPTs, computed with PyTorch in float64: the oracle of the trainer's tests.

An implementation of its own: explicit softmax attention, explicit LayerNorm, an untied view of the tied head, GPT-2's tensor names.
Weights follow a formula that the tests know too. Prints JSON; `python3 gpt_gradients.py > fixtures/gpt_gradients.json`.
"""
import json
import math

import torch

CASES = [
    {"name": "pre-norm", "V": 11, "T": 6, "C": 8, "L": 2, "H": 2, "post": False, "band": None},
    {"name": "post-norm", "V": 11, "T": 6, "C": 8, "L": 2, "H": 2, "post": True, "band": None},
    {"name": "banded", "V": 11, "T": 6, "C": 8, "L": 2, "H": 2, "post": False, "band": 2},
]
IDS = [[1, 5, 3, 9, 0, 2], [7, 7, 10, 4, 6, 8]]
TARGETS = [[5, 3, 9, 0, 2, 7], [7, 10, 4, 6, 8, 1]]


def layout(case):
    v, t, c = case["V"], case["T"], case["C"]
    names = [("wte.weight", (v, c)), ("wpe.weight", (t, c))]
    for i in range(case["L"]):
        h = f"h.{i}."
        names += [(h + "ln_1.weight", (c,)), (h + "ln_1.bias", (c,)),
                  (h + "attn.c_attn.weight", (c, 3 * c)), (h + "attn.c_attn.bias", (3 * c,)),
                  (h + "attn.c_proj.weight", (c, c)), (h + "attn.c_proj.bias", (c,)),
                  (h + "ln_2.weight", (c,)), (h + "ln_2.bias", (c,)),
                  (h + "mlp.c_fc.weight", (c, 4 * c)), (h + "mlp.c_fc.bias", (4 * c,)),
                  (h + "mlp.c_proj.weight", (4 * c, c)), (h + "mlp.c_proj.bias", (c,))]
    if not case["post"]:
        names += [("ln_f.weight", (c,)), ("ln_f.bias", (c,))]
    return names


def weights(case):
    result = {}
    for k, (name, shape) in enumerate(layout(case)):
        i = torch.arange(math.prod(shape), dtype=torch.float64)
        value = 0.3 * torch.sin(0.37 * i + 1.3 * k)
        if ".ln_" in "." + name and name.endswith("weight"):
            value = value + 1.0
        # The tests hold float32 weights: round the same way here.
        result[name] = value.to(torch.float32).to(torch.float64).reshape(shape).requires_grad_()
    return result


def layer_norm(x, gain, bias):
    mean = x.mean(-1, keepdim=True)
    variance = ((x - mean) ** 2).mean(-1, keepdim=True)
    return (x - mean) / torch.sqrt(variance + 1e-5) * gain + bias


def gelu(x):
    return 0.5 * x * (1 + torch.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x ** 3)))


def attention(x, w, h, case, layer):
    heads, c = case["H"], case["C"]
    d = c // heads
    qkv = x @ w[h + "attn.c_attn.weight"] + w[h + "attn.c_attn.bias"]
    out = []
    t = x.shape[1]
    for head in range(heads):
        q = qkv[..., head * d:(head + 1) * d]
        k = qkv[..., c + head * d:c + (head + 1) * d]
        v = qkv[..., 2 * c + head * d:2 * c + (head + 1) * d]
        scores = q @ k.transpose(1, 2) / math.sqrt(d)
        for i in range(t):
            for j in range(t):
                banned = j > i or (case["band"] is not None and layer % 2 == 1 and i - j >= case["band"])
                if banned:
                    scores = scores.index_put((torch.arange(x.shape[0]), torch.tensor(i), torch.tensor(j)), torch.tensor(-math.inf, dtype=torch.float64))
        out.append(torch.softmax(scores, -1) @ v)
    return torch.cat(out, -1) @ w[h + "attn.c_proj.weight"] + w[h + "attn.c_proj.bias"]


def feed_forward(x, w, h):
    return gelu(x @ w[h + "mlp.c_fc.weight"] + w[h + "mlp.c_fc.bias"]) @ w[h + "mlp.c_proj.weight"] + w[h + "mlp.c_proj.bias"]


def run(case):
    w = weights(case)
    ids, targets = torch.tensor(IDS), torch.tensor(TARGETS)
    x = w["wte.weight"][ids] + w["wpe.weight"][: ids.shape[1]]
    for i in range(case["L"]):
        h = f"h.{i}."
        n1 = lambda y: layer_norm(y, w[h + "ln_1.weight"], w[h + "ln_1.bias"])
        n2 = lambda y: layer_norm(y, w[h + "ln_2.weight"], w[h + "ln_2.bias"])
        if case["post"]:
            x = n1(x + attention(x, w, h, case, i))
            x = n2(x + feed_forward(x, w, h))
        else:
            x = x + attention(n1(x), w, h, case, i)
            x = x + feed_forward(n2(x), w, h)
    if not case["post"]:
        x = layer_norm(x, w["ln_f.weight"], w["ln_f.bias"])
    logits = x @ w["wte.weight"].T
    log_p = logits - torch.logsumexp(logits, -1, keepdim=True)
    loss = -log_p.gather(-1, targets.unsqueeze(-1)).mean()
    loss.backward()
    return {
        **case,
        "ids": IDS,
        "targets": TARGETS,
        "loss": loss.item(),
        "logits": [round(v, 9) for v in logits.detach().flatten().tolist()],
        "gradients": {name: [float(f"{v:.8e}") for v in w[name].grad.flatten().tolist()] for name, _ in layout(case)},
    }


print(json.dumps([run(case) for case in CASES]))
