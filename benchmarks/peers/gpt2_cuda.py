"""GPT-2 training speed in PyTorch, eager or through torch.compile: the peer of MLNet.Gpt on a GPU.

Written for this project, in nanoGPT's form: bfloat16 autocast, scaled_dot_product_attention (FlashAttention on CUDA), fused AdamW,
gradient accumulation, clipping, TF32 for what stays float32. Random tokens: only the speed counts. Prints one JSON line; where
torch.compile fails, --compile prints {"unavailable": reason}.

Runs on PyTorch 2, on a CPU too (--device cpu).
"""
import argparse
import json
import math
import statistics
import sys
import time

import torch
from torch import nn
from torch.nn import functional as F


class Attention(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.c_attn, self.c_proj = nn.Linear(width, 3 * width), nn.Linear(width, width)

    def forward(self, x):
        b, t, c = x.shape
        q, k, v = (part.view(b, t, self.heads, c // self.heads).transpose(1, 2) for part in self.c_attn(x).split(c, dim=2))
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.c_proj(y.transpose(1, 2).contiguous().view(b, t, c))


class Block(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.ln_1, self.ln_2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attn = Attention(width, heads)
        self.c_fc, self.c_proj = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x):
        x = x + self.attn(self.ln_1(x))
        return x + self.c_proj(F.gelu(self.c_fc(self.ln_2(x)), approximate="tanh"))


class Gpt(nn.Module):
    def __init__(self, vocabulary, context, layers, heads, width):
        super().__init__()
        self.wte, self.wpe = nn.Embedding(vocabulary, width), nn.Embedding(context, width)
        self.blocks = nn.ModuleList(Block(width, heads) for _ in range(layers))
        self.ln_f = nn.LayerNorm(width)
        self.head = nn.Linear(width, vocabulary, bias=False)
        self.head.weight = self.wte.weight
        for parameter in self.parameters():
            if parameter.dim() >= 2:
                nn.init.normal_(parameter, 0.0, 0.02)

    def forward(self, ids, targets):
        x = self.wte(ids) + self.wpe(torch.arange(ids.size(1), device=ids.device))
        for block in self.blocks:
            x = block(x)
        logits = self.head(self.ln_f(x))
        return F.cross_entropy(logits.view(-1, logits.size(-1)), targets.view(-1))


def synchronize(device):
    if device == "cuda":
        torch.cuda.synchronize()


def gemm_flops(device, size):
    """Operations a second of a bfloat16 product: the best of several, random operands."""
    a, b = (torch.randn(size, size, device=device).to(torch.bfloat16) for _ in range(2))
    best = math.inf
    for _ in range(12):
        synchronize(device)
        start = time.perf_counter()
        a @ b
        synchronize(device)
        best = min(best, time.perf_counter() - start)
    return 2.0 * size ** 3 / best


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--device", default="cuda", choices=["cuda", "cpu"])
    p.add_argument("--layers", type=int, default=12)
    p.add_argument("--heads", type=int, default=12)
    p.add_argument("--width", type=int, default=768)
    p.add_argument("--context", type=int, default=1024)
    p.add_argument("--vocabulary", type=int, default=50304)
    p.add_argument("--batch", type=int, default=64, help="rows an update")
    p.add_argument("--micro", type=int, default=32, help="rows at once")
    p.add_argument("--steps", type=int, default=30)
    p.add_argument("--gemm-size", type=int, default=8192)
    p.add_argument("--compile", action="store_true")
    a = p.parse_args()

    torch.manual_seed(1)
    if a.device == "cuda":
        torch.backends.cuda.matmul.allow_tf32 = True
        torch.backends.cudnn.allow_tf32 = True
    model = Gpt(a.vocabulary, a.context, a.layers, a.heads, a.width).to(a.device)
    decayed = [q for q in model.parameters() if q.dim() >= 2]
    others = [q for q in model.parameters() if q.dim() < 2]
    extra = {"fused": True} if a.device == "cuda" else {}
    optimizer = torch.optim.AdamW([{"params": decayed, "weight_decay": 0.1}, {"params": others, "weight_decay": 0.0}],
                                  lr=6e-4, betas=(0.9, 0.95), **extra)
    data = torch.randint(0, a.vocabulary, (4_000_000 if a.device == "cuda" else 100_000,))
    if a.device == "cuda":
        data = data.pin_memory()

    def batch():
        offsets = torch.randint(len(data) - a.context - 1, (a.micro,)).tolist()
        rows = torch.stack([data[i:i + a.context + 1] for i in offsets])
        if a.device == "cuda":
            rows = rows.pin_memory().to("cuda", non_blocking=True)
        return rows[:, :-1].contiguous(), rows[:, 1:].contiguous()

    step_model = torch.compile(model) if a.compile else model
    micro_steps = a.batch // a.micro
    times = []
    for step in range(a.steps):
        synchronize(a.device)
        start = time.perf_counter()
        for _ in range(micro_steps):
            ids, targets = batch()
            with torch.autocast(a.device, dtype=torch.bfloat16):
                loss = step_model(ids, targets) / micro_steps
            loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        synchronize(a.device)
        times.append(time.perf_counter() - start)
        if step % 10 == 0:
            print(f"peer{' compiled' if a.compile else ''} step {step} {a.batch * a.context / times[-1]:.0f} tokens/s", file=sys.stderr, flush=True)

    kept = times[min(len(times) // 3, 10):]   # warm-up and compilation left out
    result = {"tokens_per_second": a.batch * a.context / statistics.median(kept), "first_step_s": times[0], "torch": torch.__version__,
              "loss": loss.item() * micro_steps, "gemm_flops": gemm_flops(a.device, a.gemm_size)}
    if a.device == "cuda":
        result["peak_gpu_mb"] = torch.cuda.max_memory_allocated() / 2**20
        result["gpu"] = torch.cuda.get_device_name(0)
    print(json.dumps(result))


if "--compile" in sys.argv:
    try:
        main()
    except Exception as error:   # a compiler that this machine lacks is a result of its own, not a failure of the comparison
        print(json.dumps({"unavailable": f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"}))
else:
    main()
