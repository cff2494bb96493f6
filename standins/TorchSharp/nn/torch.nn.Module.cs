namespace TorchSharp;

public static partial class torch
{
    public static partial class nn
    {
        // The family that TorchSharp's layers come from, closed here: a GPT holds its parameters itself, as views of
        // flat buffers, and no other type of the project is a module.

        public class Module : IDisposable
        {
            private protected Module()
            {
            }

            public void Dispose() => GC.SuppressFinalize(this);
        }

        public class HookableModule<TPreHook, TPostHook> : Module
        {
            private protected HookableModule()
            {
            }
        }

        public interface IModule<T, TResult>
        {
            TResult call(T input1);
        }

        public abstract class Module<T, TResult>
            : HookableModule<Func<Module<T, TResult>, T, T>, Func<Module<T, TResult>, T, TResult, TResult>>, IModule<T, TResult>
        {
            private protected Module()
            {
            }

            public abstract TResult forward(T input);

            public TResult call(T input) => forward(input);
        }
    }
}
