namespace MLNet.Gpt;

/// <summary>Puts the special tokens around texts, cut to the context, and counts what it cut.</summary>
internal sealed class TaskLayout(GptConfig config, TextTruncation truncation)
{
    /// <summary>The tokens that were cut off.</summary>
    public int DroppedTokens { get; private set; }

    /// <summary>Start, text, Extract.</summary>
    public int[] One(int[] text) => [TaskSequences.StartId(config), .. Cut(text, config.ContextLength - 2), TaskSequences.ExtractId(config)];

    /// <summary>Start, first, Delimiter, second, Extract; of two texts that do not fit the longer gives way first.</summary>
    public int[] Two(int[] first, int[] second)
    {
        int room = config.ContextLength - TaskSequences.SpecialTokenCount;
        int firstRoom = Math.Max(room - second.Length, (room + 1) / 2), secondRoom = Math.Max(room - first.Length, room / 2);
        return [TaskSequences.StartId(config), .. Cut(first, firstRoom), TaskSequences.DelimiterId(config), .. Cut(second, secondRoom), TaskSequences.ExtractId(config)];
    }

    private ReadOnlySpan<int> Cut(int[] text, int room)
    {
        if (text.Length <= room) return text;
        DroppedTokens += text.Length - room;
        return truncation switch
        {
            TextTruncation.Head => text.AsSpan(0, room),
            TextTruncation.Tail => text.AsSpan(text.Length - room),
            _ => (int[])[.. text.AsSpan(0, (room + 1) / 2), .. text.AsSpan(text.Length - (room / 2))],
        };
    }
}
