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
        /// <exception cref="CheckpointNotFoundException">The folder or a file of it is missing.</exception>
        /// <exception cref="CorruptFileException">A file is not what its format says, or the folder has no tokenizer.</exception>
        /// <exception cref="UnsupportedModelException">The checkpoint asks for a computation that this library does not perform.</exception>
        /// <exception cref="TensorMismatchException">A tensor is missing or has another shape.</exception>
        /// <exception cref="DeviceUnavailableException">The device isn't there.</exception>
        /// <exception cref="NativeLibraryException">TorchSharp's native library can't be loaded.</exception>
        public static GptModel FromCheckpoint(string folder, GptDevice? device = null, GptPrecision precision = GptPrecision.Float32)
        {
            using PretrainedWeights opened = PretrainedWeights.Open(folder);
            return Owned.Into(GptNetwork.FromWeights(opened.Weights, device ?? (TorchRuntime.HasCuda() ? GptDevice.Cuda() : GptDevice.Cpu), precision, trainable: false),
                network => new GptModel(new TorchCausalModel(network), opened.Tokenizer, opened.Companions));
        }
    }

    extension(GptRewardModel)
    {
        /// <summary>Opens a checkpoint of a reward model on TorchSharp: what <c>SaveCheckpoint</c> wrote, or a run's (whose rewards are not moved yet).</summary>
        /// <param name="folder">The folder.</param>
        /// <param name="device">Where to compute; null takes a CUDA GPU where there is one, else the CPU.</param>
        /// <returns>The model, which the caller disposes.</returns>
        /// <exception cref="CheckpointNotFoundException">The folder or a file of it is missing; a run that trained an adapter leaves the adapter alone, one over frozen weights the head.</exception>
        /// <exception cref="CorruptFileException">A file is not what its format says, or the checkpoint is that of no reward model.</exception>
        /// <exception cref="TensorMismatchException">A tensor is missing or has another shape.</exception>
        /// <exception cref="DeviceUnavailableException">The device isn't there.</exception>
        /// <exception cref="NativeLibraryException">TorchSharp's native library can't be loaded.</exception>
        public static GptRewardModel FromCheckpoint(string folder, GptDevice? device = null) =>
            RewardCheckpoint.Open(folder, device ?? (TorchRuntime.HasCuda() ? GptDevice.Cuda() : GptDevice.Cpu));
    }

    extension(GptRewardModel model)
    {
        /// <summary>Writes the reward model as a checkpoint folder, which opens on TorchSharp again: the network in Hugging Face's GPT-2 layout, the head in <c>training_state</c>.</summary>
        /// <param name="folder">Where to; a checkpoint there is replaced when the new one is complete.</param>
        /// <exception cref="NotSupportedException">The model does not run on TorchSharp.</exception>
        /// <exception cref="FolderNotWritableException">The folder can't be created or written.</exception>
        public void SaveCheckpoint(string folder)
        {
            if (model.Engine is not TorchRewardModel engine)
                throw new NotSupportedException($"A checkpoint is written from a reward model on TorchSharp; this one runs on {model.Engine.GetType().Name}. Use ExportOnnx, or save the checkpoint where the model was trained.");
            using NativeLease lease = engine.Acquire();
            RewardCheckpoint.Write(folder, engine.Network, model.Tokenizer, model.ChatTemplate);
        }
    }

    extension(GptClassifier model)
    {
        /// <summary>
        /// The language model over the classifier's own network, with which it shares the weights: what a package of several heads is exported from, the classifier's among them (<see cref="OnnxExportOptions.Heads"/>).
        /// It writes as well as the auxiliary language-model loss has kept it; over frozen weights it is the pretrained model. It has the pretrained model's chat template and settings for generation.
        /// </summary>
        /// <returns>The model, which the caller disposes; either may be disposed first.</returns>
        /// <exception cref="NotSupportedException">The classifier does not run on TorchSharp.</exception>
        public GptModel ToLanguageModel()
        {
            if (model.Engine is not TorchTextClassifier engine)
                throw new NotSupportedException($"A network is shared with a classifier on TorchSharp; this one runs on {model.Engine.GetType().Name}. Take the trained one.");
            using NativeLease lease = engine.Acquire();
            return Owned.Into(engine.Network.Network.Share(null), network => new GptModel(new TorchCausalModel(network), model.Tokenizer, model.Companions ?? ModelCompanions.None));
        }
    }

    extension(GptModel model)
    {
        /// <summary>
        /// This model with a LoRA adapter: the weights are shared, so that several adapters over one base take little more memory than the base alone. Where this model has an adapter
        /// already, the new one's base is the merged model: it lies over a copy of the weights that the first is merged into, with the numbers of the model that training over this one
        /// returned. To exchange adapters, attach each to the base.
        /// </summary>
        /// <param name="adapterFolder">The adapter, in PEFT's layout, trained over this model.</param>
        /// <returns>
        /// The model, which the caller disposes; either may be disposed first. It generates and scores with the adapter; SaveCheckpoint and
        /// ExportOnnx write it merged.
        /// </returns>
        /// <exception cref="NotSupportedException">The model does not run on TorchSharp.</exception>
        /// <exception cref="CheckpointNotFoundException">The folder or one of its files is missing.</exception>
        /// <exception cref="CorruptFileException">A file is not what its format says.</exception>
        /// <exception cref="UnsupportedAdapterException">The adapter asks for something that this library does not do.</exception>
        /// <exception cref="TensorMismatchException">The adapter belongs to another base; the shapes are named.</exception>
        public GptModel WithAdapter(string adapterFolder)
        {
            using NativeLease lease = NetworkOf(model, out GptNetwork network, "An adapter is attached to a model on TorchSharp", "Attach it to the checkpoint, and export that.");
            using LoraCheckpoint checkpoint = LoraCheckpoint.Open(adapterFolder, network.Config);
            LoraAdapter adapter = LoraAdapter.Load(checkpoint, network.Config, network.TorchDevice);
            return Owned.Into(network.With(adapter), adapted => new GptModel(new TorchCausalModel(adapted), model.Tokenizer, model.Companions));
        }

        /// <summary>
        /// Writes the model's LoRA adapter alone, in PEFT's layout; it opens in PEFT over the base in transformers. An adapter that was trained over a model with another one has that model,
        /// merged, for its base: keep that with its SaveCheckpoint.
        /// </summary>
        /// <param name="adapterFolder">Where to; an adapter there is replaced when the new one is complete.</param>
        /// <param name="baseModel">The base's name or folder, by which PEFT finds it; null (the default) names none.</param>
        /// <exception cref="NotSupportedException">The model does not run on TorchSharp.</exception>
        /// <exception cref="InvalidOperationException">The model has no adapter.</exception>
        /// <exception cref="FolderNotWritableException">The folder can't be created or written.</exception>
        public void SaveAdapter(string adapterFolder, string? baseModel = null)
        {
            using NativeLease lease = NetworkOf(model, out GptNetwork network, "An adapter is written from a model on TorchSharp", "Save it where the model was trained.");
            if (network.Adapter is null) throw new InvalidOperationException("The model has no adapter; write all of it with SaveCheckpoint.");
            network.Adapter.Write(adapterFolder, baseModel);
        }

        /// <summary>Writes the weights, configuration and tokenizer as a checkpoint folder in Hugging Face's GPT-2 layout. An adapter is merged into them.</summary>
        /// <param name="folder">Where to; a checkpoint there is replaced when the new one is complete.</param>
        /// <exception cref="NotSupportedException">The model does not run on TorchSharp.</exception>
        /// <exception cref="FolderNotWritableException">The folder can't be created or written.</exception>
        public void SaveCheckpoint(string folder)
        {
            using NativeLease lease = NetworkOf(model, out GptNetwork network, "A checkpoint is written from a model on TorchSharp", "Use ExportOnnx, or save the checkpoint where the model was trained.");
            GptCheckpoint.Write(folder, network, model.Tokenizer, addFiles: model.Companions.Save, chatTemplate: model.ChatTemplate);
        }
    }

    /// <summary>The model's network, which stays alive until the returned use has ended.</summary>
    private static NativeLease NetworkOf(GptModel model, out GptNetwork network, string rule, string remedy)
    {
        if (model.Engine is not TorchCausalModel engine) throw new NotSupportedException($"{rule}; this one runs on {model.Engine.GetType().Name}. {remedy}");
        network = engine.Network;
        return engine.Acquire();
    }
}
