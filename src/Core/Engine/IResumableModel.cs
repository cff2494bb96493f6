namespace MLNet.Gpt;

/// <summary>A model that takes up what one of its decoders has written down, in this process or in an earlier one.</summary>
/// <remarks>May be used from several threads at once.</remarks>
public interface IResumableModel : ICausalModel
{
    /// <summary>Begins a batch where a saved one stood. It computes what the saved one would have computed, bit for bit on the same machine with the same number of threads.</summary>
    /// <param name="source">A stream that can be read and can seek, standing where the state begins; it stays open, and stands behind the state afterwards.</param>
    /// <param name="capacity">The most positions that the rows will hold; at least those that were saved.</param>
    /// <returns>A decoder that the caller disposes.</returns>
    /// <exception cref="CorruptFileException">What the stream holds is no state, is of another version, damaged, or cut short. Nothing of it has been used.</exception>
    /// <exception cref="StateMismatchException">The state is of another model, or in another number format, or was computed with an adapter that is not loaded.</exception>
    /// <exception cref="PromptTooLongException">A row has more tokens than the model's context.</exception>
    /// <exception cref="ArgumentException">The stream can't be read or can't seek, or the capacity is below the saved positions.</exception>
    /// <exception cref="ObjectDisposedException">The model has been disposed.</exception>
    ISavableDecoder ResumeDecoding(Stream source, int capacity);
}
