namespace MLNet.Gpt;

/// <summary>An example's label.</summary>
/// <param name="Class">The class (or answer), from 0; 0 where the label is a number.</param>
/// <param name="Target">The number; 0 where the label is a class.</param>
internal readonly record struct TaskLabel(int Class, float Target);
