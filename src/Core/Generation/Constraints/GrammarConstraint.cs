using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace MLNet.Gpt;

/// <summary>A constraint that an automaton over the vocabulary computes.</summary>
internal sealed class GrammarConstraint(GrammarAutomaton automaton) : ITokenConstraint
{
    public ITokenMask Begin(IReadOnlyList<int> promptTokenIds, IReadOnlyList<int> stopTokenIds) => new Mask(automaton, [.. stopTokenIds]);

    /// <summary>Sets the logits whose bits are not set to -∞.</summary>
    internal static void Apply(ReadOnlySpan<byte> bits, Span<float> logits)
    {
        // Eight logits for a byte of bits: each lane keeps its own bit.
        int i = 0;
        if (Vector256.IsHardwareAccelerated)
        {
            Vector256<int> lanes = Vector256.Create(1, 2, 4, 8, 16, 32, 64, 128);
            Vector256<float> never = Vector256.Create(float.NegativeInfinity);
            Span<Vector256<float>> vectors = MemoryMarshal.Cast<float, Vector256<float>>(logits);
            for (int v = 0; v < vectors.Length; v++)
            {
                byte eight = bits[v];
                if (eight == 0xFF) continue;
                Vector256<int> allowed = Vector256.Equals(Vector256.Create((int)eight) & lanes, lanes);
                vectors[v] = Vector256.ConditionalSelect(allowed.AsSingle(), vectors[v], never);
            }

            i = vectors.Length * 8;
        }

        for (; i < logits.Length; i++)
        {
            if ((bits[i >> 3] & (1 << (i & 7))) == 0) logits[i] = float.NegativeInfinity;
        }
    }

    private sealed class Mask(GrammarAutomaton automaton, int[] stopTokens) : IForkableTokenMask
    {
        private readonly float[] _stopLogits = new float[stopTokens.Length];
        private GrammarAutomaton.State _state = automaton.Start;
        private int _read;

        public IForkableTokenMask Fork() => new Mask(automaton, stopTokens) { _state = _state, _read = _read };

        public void Apply(ReadOnlySpan<int> newTokenIds, Span<float> logits)
        {
            for (; _read < newTokenIds.Length; _read++) _state = automaton.Step(_state, newTokenIds[_read]);
            for (int i = 0; i < stopTokens.Length; i++) _stopLogits[i] = logits[stopTokens[i]];
            Span<float> known = logits[..Math.Min(logits.Length, automaton.Trie.VocabularySize)];
            GrammarConstraint.Apply(automaton.TokensAfter(_state), known);
            logits[known.Length..].Fill(float.NegativeInfinity);
            for (int i = 0; i < stopTokens.Length; i++) logits[stopTokens[i]] = _state.IsAccepting ? _stopLogits[i] : float.NegativeInfinity;
        }
    }
}
