namespace MLNet.Gpt;

/// <summary>How far a <see cref="BatchOrder"/> has come: all that resuming it needs beside its seed and its rows.</summary>
/// <param name="Epoch">The pass over the rows, from 0.</param>
/// <param name="Index">The rows already taken in that pass.</param>
internal readonly record struct BatchPosition(long Epoch, long Index);
