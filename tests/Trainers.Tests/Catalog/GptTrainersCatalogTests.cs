using System.Reflection;
using Microsoft.ML;

namespace MLNet.Gpt.Trainers.Tests.Catalog;

/// <summary>The overloads that take the most used options one by one.</summary>
[TestClass]
public sealed class GptTrainersCatalogTests
{
    private static readonly GptTokenizer Letters = GptTokenizer.FromCharacters(["abc"]);
    private static readonly MethodInfo[] FineTuning = [.. typeof(GptTrainersCatalog).GetMethods().Where(static method => method.GetParameters().Any(static parameter => parameter.ParameterType == typeof(GptModel)))];

    [TestMethod]
    public void Those_of_fine_tuning_take_the_same_in_the_same_order()
    {
        string[] common = ["pretrained", "lora", "epochs", "batchSize", "learningRate", "runFolder"];
        Assert.HasCount(4, FineTuning);
        foreach (MethodInfo method in FineTuning)
            CollectionAssert.AreEqual(common, method.GetParameters().Select(static parameter => parameter.Name!).Where(common.Contains).ToArray(), method.Name);
    }

    [TestMethod]
    [DataRow("epochs", 0, "Epochs is 0")]
    [DataRow("batchSize", 0, "BatchSize is 0")]
    [DataRow("learningRate", -1.0, "LearningRate is -1")]
    [DataRow("lora", null, "Rank is 0")]
    public void What_they_take_is_checked_as_the_options_are(string name, object? value, string says)
    {
        using GptModel model = Model();
        foreach (MethodInfo method in FineTuning)
        {
            Exception? error = Assert.ThrowsExactly<TargetInvocationException>(() => Call(method, model, name, name == "lora" ? new LoraOptions { Rank = 0 } : value), method.Name).InnerException;
            Assert.IsInstanceOfType<ArgumentException>(error, method.Name);
            StringAssert.Contains(error.Message, says, method.Name);
        }
    }

    [TestMethod]
    public void A_runs_folder_reaches_the_options()
    {
        using GptModel model = Model();
        foreach (MethodInfo method in FineTuning)
        {
            object trainer = Call(method, model, "runFolder", "a run")!;
            object options = trainer.GetType().GetField("_options", BindingFlags.Instance | BindingFlags.NonPublic)!.GetValue(trainer)!;
            Assert.AreEqual("a run", ((RunOptions)options.GetType().GetProperty("Run")!.GetValue(options)!).Folder, method.Name);
        }
    }

    private static GptModel Model() =>
        new(new TorchCausalModel(new GptNetwork(new() { VocabularySize = Letters.VocabularySize, ContextLength = 4, EmbeddingSize = 4, LayerCount = 1, HeadCount = 1 }, GptDevice.Cpu)), Letters);

    private static object? Call(MethodInfo method, GptModel model, string name, object? value) => method.Invoke(new MLContext().Gpt().Trainers,
        [.. method.GetParameters().Select((parameter, i) => parameter.Name == name ? value : parameter.ParameterType == typeof(GptModel) ? model : parameter.HasDefaultValue ? parameter.DefaultValue : $"Column{i}")]);
}
