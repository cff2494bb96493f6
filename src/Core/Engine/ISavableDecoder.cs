namespace MLNet.Gpt;

/// <summary>A decoder whose state can also be written down, so that a generation goes on in another process, or on another day.</summary>
/// <remarks>Belongs to one thread at a time, as every <see cref="ICausalDecoder"/>.</remarks>
public interface ISavableDecoder : IForkableDecoder
{
    /// <summary>Writes rows, lengths, keys and values, from where the stream stands. <see cref="IResumableModel.ResumeDecoding"/> takes them up; docs/file-formats.md has the form.</summary>
    /// <param name="target">A writable stream; it stays open.</param>
    /// <exception cref="ArgumentException">The stream can't be written.</exception>
    /// <exception cref="IOException">The stream could not take what was written.</exception>
    void Save(Stream target);
}
