#nullable disable
using static TorchSharp.torch;

namespace TorchSharp
{
    namespace Modules
    {
        public sealed class GELU : ParameterLessModule<Tensor, Tensor>
        {
            private readonly Approximate approximate;
            private readonly bool inplace;

            internal GELU(Approximate approximate, bool inplace)
            {
                this.approximate = approximate;
                this.inplace = inplace;
            }

            public enum Approximate
            {
                none,
                tanh,
            }

            public override Tensor forward(Tensor tensor) => nn.functional.gelu(tensor, approximate, inplace);
        }
    }

    public static partial class torch
    {
        public static partial class nn
        {
            public static Modules.GELU GELU(Modules.GELU.Approximate approximate, bool inplace = false) => new(approximate, inplace);
        }
    }
}
