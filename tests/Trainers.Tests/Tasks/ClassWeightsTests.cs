using Microsoft.ML;
using MLNet.Gpt.Trainers.Tests.Runs;

namespace MLNet.Gpt.Trainers.Tests.Tasks;

[TestClass]
public sealed class ClassWeightsTests
{
    [TestMethod]
    public void A_loss_is_the_weighted_mean_in_training_and_in_evaluation()
    {
        // Two rows of one class and four of the other, whose mean losses are what weights of 1 and 0 leave: (2a + 4b)/6 unweighted, (2a + 12b)/14 with 1 and 3.
        double a = Loss([1, 0]), b = Loss([0, 1]);
        Assert.AreNotEqual(a, b, 1e-3);
        Assert.AreEqual(((2 * a) + (4 * b)) / 6, Loss(null), 1e-5);
        Assert.AreEqual(((2 * a) + (12 * b)) / 14, Loss([1, 3]), 1e-5);

        // Balanced, each class has half of the weight.
        Assert.AreEqual((a + b) / 2, Loss(null, balance: true), 1e-5);
    }

    [TestMethod]
    public void The_heads_dropout_acts_in_training_and_not_in_evaluation()
    {
        Assert.AreEqual(Loss(null), Loss(null, headDropout: 0.5f, evaluated: true), 1e-6);
        Assert.AreNotEqual(Loss(null), Loss(null, headDropout: 0.5f), 1e-3);
    }

    private static double Loss(double[]? weights, bool balance = false, float headDropout = 0, bool evaluated = false)
    {
        var ml = new MLContext();
        IDataView rows = ml.Data.LoadFromEnumerable(Enumerable.Range(0, 6).Select(static i => new TrainingRow { Text = "abcdef"[..(i + 1)], Label = i < 2 ? "few" : "many" }).ToArray());
        IDataView keyed = ml.Transforms.Conversion.MapValueToKey("Key", "Label").Fit(rows).Transform(rows);
        using GptModel pretrained = new(new TorchCausalModel(new GptNetwork(EveryTrainer.Shape, GptDevice.Cpu, seed: 3)), EveryTrainer.Letters);
        using SupervisedTaskTransformer trained = ml.Gpt().Trainers.TextClassification("Key", "Text", new SupervisedTaskOptions
        {
            Pretrained = pretrained, Epochs = 1, BatchSize = 6, MicroBatchSize = 2, AuxiliaryLossWeight = 0, ClassifierDropout = headDropout, ClassWeights = weights, BalanceClasses = balance,
            Optimizer = new() { LearningRate = 1e-30, WeightDecay = 0 }, Run = EveryTrainer.Run with { Dropout = DropoutOptions.None },
        }).Fit(keyed, keyed);
        TrainingProgress report = trained.Training.History.Single();
        if (headDropout == 0) Assert.AreEqual(report.Loss, report.ValidationLoss!.Value, 1e-5);
        return evaluated ? report.ValidationLoss!.Value : report.Loss;
    }
}
