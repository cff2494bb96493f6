namespace MLNet.Gpt;

/// <summary>What MLNet.Gpt.Trainers adds to the catalog and to the model.</summary>
public static class GptTrainersExtensions
{
    extension(GptCatalog catalog)
    {
        /// <summary>The trainers.</summary>
        public GptTrainersCatalog Trainers => new(catalog.Context);
    }

    extension(GptModel)
    {
        /// <summary>Opens a checkpoint folder (Hugging Face's GPT-2 layout, tokenizer included) on TorchSharp.</summary>
        /// <param name="folder">The folder.</param>
        /// <param name="device">Where to compute; null takes a CUDA GPU where there is one, else the CPU.</param>
        /// <param name="precision">The number format.</param>
        /// <returns>The model, which the caller disposes.</returns>
        /// <exception cref="CorruptFileException">A file is not what its format says, or the folder has no tokenizer.</exception>
        /// <exception cref="TensorMismatchException">A tensor is missing or has another shape.</exception>
        /// <exception cref="DeviceUnavailableException">The device isn't there.</exception>
        public static GptModel FromCheckpoint(string folder, GptDevice? device = null, GptPrecision precision = GptPrecision.Float32)
        {
            using GptCheckpoint checkpoint = GptCheckpoint.Open(folder);
            GptTokenizer tokenizer = checkpoint.Tokenizer
                ?? throw new CorruptFileException(folder, "it has no tokenizer.", "Put tokenizer.json, or vocab.json and merges.txt, beside the weights.");
            return new(new TorchCausalModel(GptNetwork.FromWeights(checkpoint, device ?? (TorchRuntime.HasCuda() ? GptDevice.Cuda() : GptDevice.Cpu), precision, trainable: false)), tokenizer);
        }
    }

    extension(GptModel model)
    {
        /// <summary>Writes the weights, configuration and tokenizer as a checkpoint folder in Hugging Face's GPT-2 layout.</summary>
        /// <param name="folder">Where to; a checkpoint there is replaced when the new one is complete.</param>
        /// <exception cref="NotSupportedException">The model does not run on TorchSharp.</exception>
        /// <exception cref="FolderNotWritableException">The folder can't be created or written.</exception>
        public void SaveCheckpoint(string folder)
        {
            if (model.Engine is not TorchCausalModel engine)
                throw new NotSupportedException($"A checkpoint is written from a model on TorchSharp; this one runs on {model.Engine.GetType().Name}. Use ExportOnnx, or save the checkpoint where the model was trained.");
            GptCheckpoint.Write(folder, engine.Network, model.Tokenizer);
        }
    }
}
