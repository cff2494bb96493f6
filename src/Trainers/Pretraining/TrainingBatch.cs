using TorchSharp;
using static TorchSharp.torch;

namespace MLNet.Gpt;

/// <summary>One micro-batch in ordinary memory.</summary>
/// <param name="Inputs">(B·T) token ids.</param>
/// <param name="Targets">(B·T): each place's next token.</param>
/// <param name="RowStarts">(B): where each row begins in the token file.</param>
/// <param name="After">The position of the order behind this batch.</param>
/// <param name="RowPart">The parts already used of the row last taken; 0 where it is used up.</param>
internal sealed record TrainingBatch(long[] Inputs, long[] Targets, long[] RowStarts, BatchPosition After, int RowPart)
{
    /// <summary>The batch on a device: (B, T) and (B·T) int64. To a GPU it goes through pinned memory, without waiting.</summary>
    public (Tensor Ids, Tensor Targets) To(Device device) =>
        (HostCopy.To(device, Inputs).view(RowStarts.Length, -1), HostCopy.To(device, Targets));
}
