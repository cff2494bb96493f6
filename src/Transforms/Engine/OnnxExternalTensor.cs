namespace MLNet.Gpt;

/// <summary>A tensor of an ONNX file whose numbers lie in another file.</summary>
/// <param name="Name">The tensor.</param>
/// <param name="Location">The other file, relative to the model's folder, as the model says.</param>
/// <param name="Offset">Where its bytes begin.</param>
/// <param name="Length">How many there are; null means to the file's end.</param>
internal sealed record OnnxExternalTensor(string Name, string Location, long Offset, long? Length);
