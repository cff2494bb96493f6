using System.Text.Json;

namespace MLNet.Gpt;

/// <summary>Of which evaluation the checkpoint <c>best</c> is: it may be a later one than the last checkpoint of a killed run knows of.</summary>
internal sealed record BestRecord(int Step, double ValidationLoss)
{
    private static readonly JsonSerializerOptions Json = new() { PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower };

    /// <summary>Adds it to the unfinished folder of a checkpoint.</summary>
    public static void Write(string checkpointFolder, BestRecord record)
    {
        if (!double.IsFinite(record.ValidationLoss)) return;   // JSON has no NaN
        string folder = Directory.CreateDirectory(Path.Combine(checkpointFolder, GptCheckpoint.TrainingStateFolder)).FullName;
        File.WriteAllText(Path.Combine(folder, "best.json"), JsonSerializer.Serialize(record, Json));
    }

    /// <summary>Reads it; null where there is none.</summary>
    /// <exception cref="CorruptFileException">The file is not what it should be.</exception>
    public static BestRecord? Read(string checkpointFolder)
    {
        string path = Path.Combine(checkpointFolder, GptCheckpoint.TrainingStateFolder, "best.json");
        if (!File.Exists(path)) return null;
        try
        {
            BestRecord record = StrictJson.Deserialize<BestRecord>(File.ReadAllBytes(path), Json);
            return record.Step >= 0 && double.IsFinite(record.ValidationLoss) ? record
                : throw new JsonException(FormattableString.Invariant($"its step is {record.Step} and its loss {record.ValidationLoss}; a step is 0 or more, a loss finite"));
        }
        catch (JsonException e)
        {
            throw new CorruptFileException(path, $"it is not the JSON that it should be ({e.Message})", "Delete the checkpoint 'best'; the next evaluation writes another.", e);
        }
    }
}
