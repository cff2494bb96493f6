using Microsoft.ML;

namespace MLNet.Gpt;

/// <summary>Prompts that are ready to train on, in three parts without a common user.</summary>
/// <param name="Training">The rows to train on, with all of their columns, in their order.</param>
/// <param name="Validation">The rows to validate on.</param>
/// <param name="Test">The rows to test on.</param>
/// <param name="Report">What became of the prompts.</param>
public sealed record PreparedPrompts(IDataView Training, IDataView Validation, IDataView Test, PromptPreparationReport Report);
