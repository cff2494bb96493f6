using Microsoft.ML;
using TorchSharp;

namespace MLNet.Gpt.Trainers.Tests.Runtime;

[TestClass]
public sealed class Tf32ScopeTests
{
    [TestMethod]
    public void On_a_cpu_tf32_is_refused_before_anything_is_read()
    {
        var ml = new MLContext(1);
        LanguageModelTrainer trainer = ml.Gpt().Trainers.LanguageModel("Text", new LanguageModelOptions { Run = new() { Device = GptDevice.Cpu, AllowTf32 = true } });
        var error = Assert.ThrowsExactly<DeviceUnavailableException>(() => trainer.Fit(ml.Data.LoadFromEnumerable([new Row("never tokenized")])));
        Assert.AreEqual(GptDevice.Cpu, error.Device);
        Assert.Contains("AllowTf32", error.Message);
    }

    // The setting exists in libtorch whether or not a GPU does.
    [TestMethod]
    [DataRow(true)]
    [DataRow(false)]
    public void For_a_gpu_the_setting_holds_inside_and_what_was_there_before_comes_back(bool allow)
    {
        bool original = torch.backends.cuda.matmul.allow_tf32;
        try
        {
            torch.backends.cuda.matmul.allow_tf32 = !allow;
            using (Tf32Scope.Enter(allow, GptDevice.Cuda())) Assert.AreEqual(allow, torch.backends.cuda.matmul.allow_tf32);
            Assert.AreEqual(!allow, torch.backends.cuda.matmul.allow_tf32);
        }
        finally
        {
            torch.backends.cuda.matmul.allow_tf32 = original;
        }
    }

    [TestMethod]
    public void On_a_cpu_without_tf32_the_setting_is_not_touched()
    {
        bool original = torch.backends.cuda.matmul.allow_tf32;
        try
        {
            torch.backends.cuda.matmul.allow_tf32 = true;
            using (Tf32Scope.Enter(false, GptDevice.Cpu)) Assert.IsTrue(torch.backends.cuda.matmul.allow_tf32);
            Assert.IsTrue(torch.backends.cuda.matmul.allow_tf32);
        }
        finally
        {
            torch.backends.cuda.matmul.allow_tf32 = original;
        }
    }

    private sealed record Row(string Text);
}
