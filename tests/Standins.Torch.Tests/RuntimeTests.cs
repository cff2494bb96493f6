using TorchSharp;
using static TorchSharp.torch;

namespace MLNet.Gpt.Standins.Torch.Tests;

[TestClass]
public class RuntimeTests
{
    [TestMethod]
    public void The_thread_count_can_be_set()
    {
        int before = get_num_threads();
        set_num_threads(2);
        Assert.AreEqual(2, get_num_threads());
        set_num_threads(before);
    }

    [TestMethod]
    public void Devices_are_named_by_type_and_index()
    {
        Assert.AreEqual(DeviceType.CPU, CPU.type);
        Assert.AreEqual("cpu", device("cpu").ToString());
        Device second = new("cuda:1");
        Assert.AreEqual(DeviceType.CUDA, second.type);
        Assert.AreEqual(1, second.index);
        Assert.AreEqual("cuda:1", second.ToString());
        Assert.AreEqual("cuda", new Device(DeviceType.CUDA).ToString());
        Assert.Throws<ArgumentException>(() => new Device("tpu"));
    }

    [TestMethod]
    public void Seeding_CUDA_does_no_harm_where_there_is_none()
    {
        cuda.manual_seed(1);
        cuda.manual_seed_all(1);
    }

    [TestMethod]
    public void TF32_can_be_allowed()
    {
        bool before = backends.cuda.matmul.allow_tf32;
        backends.cuda.matmul.allow_tf32 = !before;
        Assert.AreEqual(!before, backends.cuda.matmul.allow_tf32);
        backends.cuda.matmul.allow_tf32 = before;
    }
}
