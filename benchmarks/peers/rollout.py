"""Sampling from a GPT in eager PyTorch with a preallocated key/value cache: the peer of MLNet.Gpt's rollouts.

Written for this project. Random weights, float32, one batch of equal prompts; prints one JSON line: new tokens per second, the median of the repeats after one to warm up.
"""
import argparse
import json
import statistics
import time

import torch
from torch.nn import functional as F

parser = argparse.ArgumentParser()
for name in ("vocabulary", "context", "width", "layers", "heads", "batch", "prompt", "new", "repeats"):
    parser.add_argument("--" + name, type=int, required=True)
a = parser.parse_args()
torch.manual_seed(1)
V, C, L, H = a.vocabulary, a.width, a.layers, a.heads
D = C // H


def matrix(*shape):
    return torch.randn(*shape) * 0.02


wte, wpe = matrix(V, C), matrix(a.context, C)
layers = [dict(ln1=(torch.ones(C), torch.zeros(C)), ln2=(torch.ones(C), torch.zeros(C)), attn=matrix(3 * C, C), attn_bias=torch.zeros(3 * C), out=matrix(C, C), out_bias=torch.zeros(C),
               fc=matrix(4 * C, C), fc_bias=torch.zeros(4 * C), proj=matrix(C, 4 * C), proj_bias=torch.zeros(C)) for _ in range(L)]
final = (torch.ones(C), torch.zeros(C))
capacity = a.prompt + a.new
keys = [torch.empty(a.batch, H, capacity, D) for _ in range(L)]
values = [torch.empty(a.batch, H, capacity, D) for _ in range(L)]


def forward(ids, past):
    b, t = ids.shape
    x = wte[ids] + wpe[past:past + t]
    for i, p in enumerate(layers):
        q, k, v = (part.view(b, t, H, D).transpose(1, 2) for part in F.linear(F.layer_norm(x, (C,), *p["ln1"]), p["attn"], p["attn_bias"]).split(C, dim=2))
        keys[i][:, :, past:past + t], values[i][:, :, past:past + t] = k, v
        y = F.scaled_dot_product_attention(q, keys[i][:, :, :past + t], values[i][:, :, :past + t], is_causal=t > 1)
        x = x + F.linear(y.transpose(1, 2).reshape(b, t, C), p["out"], p["out_bias"])
        x = x + F.linear(F.gelu(F.linear(F.layer_norm(x, (C,), *p["ln2"]), p["fc"], p["fc_bias"]), approximate="tanh"), p["proj"], p["proj_bias"])
    return F.linear(F.layer_norm(x[:, -1], (C,), *final), wte)


def generate():
    ids = torch.randint(V, (a.batch, a.prompt))
    logits = forward(ids, 0)
    for i in range(a.new):
        token = torch.multinomial(torch.softmax(logits, 1), 1)
        if i + 1 < a.new:
            logits = forward(token, a.prompt + i)


with torch.inference_mode():
    times = []
    for i in range(a.repeats + 1):
        start = time.perf_counter()
        generate()
        if i:
            times.append(time.perf_counter() - start)
print(json.dumps({"tokens_per_second": a.batch * a.new / statistics.median(times), "torch": torch.__version__}))
