namespace MLNet.Gpt;

/// <summary>What a transformer puts into a model file.</summary>
/// <param name="Kind">Which transformer it is.</param>
/// <param name="Settings">Its columns and options, as JSON.</param>
/// <param name="WriteFiles">Writes files of its model into a folder, and returns the paths of those that lie elsewhere already; names as in <see cref="OnnxPackageLayout"/>.</param>
internal sealed record SavedTransformer(string Kind, string Settings, Func<string, IReadOnlyList<string>> WriteFiles)
{
    /// <summary>Writes the files of a second model, a policy's reward model, into a folder of their own; null where there is none.</summary>
    public Func<string, IReadOnlyList<string>>? WriteSecondModel { get; init; }

    public static SavedTransformer Create<TSettings>(string kind, TSettings settings, Func<string, IReadOnlyList<string>> writeFiles) =>
        new(kind, SettingsJson.Write(settings), writeFiles);

    /// <summary>A transformer whose files are a tokenizer's, or none.</summary>
    public static SavedTransformer Create<TSettings>(string kind, TSettings settings, GptTokenizer? tokenizer) => Create(kind, settings, folder =>
    {
        tokenizer?.Save(folder);
        return [];
    });
}
