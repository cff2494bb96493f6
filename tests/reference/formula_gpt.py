"""A tiny GPT in PyTorch float64 whose weights follow a formula: what the reference scripts of the task and reward heads compute with.

An implementation of its own: explicit softmax attention, explicit LayerNorm, GPT-2's tensor names, one sequence at a time, so that nothing is padded. What a head adds
continues the formula from k = 100.
"""
import math

import torch

V, T, C, L, H = 11, 9, 8, 2, 2


def layout(post, extra):
    """Each parameter's place k in the formula, name and shape; `extra` are the head's."""
    names = [("wte.weight", (V, C)), ("wpe.weight", (T, C))]
    for i in range(L):
        h = f"h.{i}."
        names += [(h + "ln_1.weight", (C,)), (h + "ln_1.bias", (C,)),
                  (h + "attn.c_attn.weight", (C, 3 * C)), (h + "attn.c_attn.bias", (3 * C,)),
                  (h + "attn.c_proj.weight", (C, C)), (h + "attn.c_proj.bias", (C,)),
                  (h + "ln_2.weight", (C,)), (h + "ln_2.bias", (C,)),
                  (h + "mlp.c_fc.weight", (C, 4 * C)), (h + "mlp.c_fc.bias", (4 * C,)),
                  (h + "mlp.c_proj.weight", (4 * C, C)), (h + "mlp.c_proj.bias", (C,))]
    if not post:
        names += [("ln_f.weight", (C,)), ("ln_f.bias", (C,))]
    return list(enumerate(names)) + [(100 + k, item) for k, item in enumerate(extra)]


def weights(places):
    """0.3 sin(0.37 i + 1.3 k), LayerNorm gains 1 more; rounded to float32, as the tests hold them."""
    result = {}
    for k, (name, shape) in places:
        i = torch.arange(math.prod(shape), dtype=torch.float64)
        value = 0.3 * torch.sin(0.37 * i + 1.3 * k)
        if ".ln_" in "." + name and name.endswith("weight"):
            value = value + 1.0
        result[name] = value.to(torch.float32).to(torch.float64).reshape(shape).requires_grad_()
    return result


def gradients(w):
    """Of every parameter, 0 where it had no part, with nine digits."""
    return {name: [float(f"{v:.8e}") for v in (value.grad if value.grad is not None else torch.zeros(value.shape)).flatten().tolist()] for name, value in w.items()}


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


def hidden(ids, w, post, added=None):
    """(T, C): the last hidden states of one sequence; `added` names the embeddings of the tokens behind the vocabulary."""
    table = torch.cat([w["wte.weight"], w[added]]) if added else w["wte.weight"]
    x = table[torch.tensor(ids)] + w["wpe.weight"][: len(ids)]
    for i in range(L):
        h = f"h.{i}."
        if post:
            x = layer_norm(x + attention(x, w, h), w, h + "ln_1")
            x = layer_norm(x + feed_forward(x, w, h), w, h + "ln_2")
        else:
            x = x + attention(layer_norm(x, w, h + "ln_1"), w, h)
            x = x + feed_forward(layer_norm(x, w, h + "ln_2"), w, h)
    return x if post else layer_norm(x, w, "ln_f")
