// What ModelFile.cs needs of Microsoft.ML.Core and that assembly keeps internal, declared as public so that the compiler lets ModelFile.cs name it.
// Compiled on its own into an assembly of the same name, version 0.0.0.1, with which nothing is ever run: at run time the names mean the real
// assembly's members. MLNet.Gpt.Transforms.csproj says how.
using System;
using System.IO;
using System.Reflection;

[assembly: AssemblyVersion("0.0.0.1")]

namespace Microsoft.ML
{
    public sealed class ModelSaveContext
    {
        public readonly BinaryWriter Writer = null!;

        public readonly RepositoryWriter Repository = null!;

        public readonly string? Directory;

        public void CheckAtModel() => throw null!;

        public void SetVersionInfo(VersionInfo ver) => throw null!;

        public void SaveBinaryStream(string name, Action<BinaryWriter> action) => throw null!;
    }

    public sealed class ModelLoadContext
    {
        public readonly BinaryReader Reader = null!;

        public readonly RepositoryReader? Repository;

        public readonly string? Directory;

        public void CheckAtModel(VersionInfo ver) => throw null!;

        public bool TryLoadBinaryStream(string name, Action<BinaryReader> action) => throw null!;
    }

    public sealed class RepositoryWriter
    {
    }

    public sealed class RepositoryReader
    {
    }

    public readonly struct VersionInfo
    {
        public VersionInfo(string modelSignature, uint verWrittenCur, uint verReadableCur, uint verWeCanReadBack,
            string loaderAssemblyName, string? loaderSignature = null, string? loaderSignatureAlt = null) => throw null!;
    }

    public delegate void SignatureLoadModel(ModelLoadContext ctx);

    [AttributeUsage(AttributeTargets.Assembly, AllowMultiple = true)]
    public sealed class LoadableClassAttribute : Attribute
    {
        public LoadableClassAttribute(Type instType, Type loaderType, Type? argType, Type sigType, string userName, params string[] loadNames) => throw null!;
    }
}

namespace Microsoft.ML.Runtime
{
    public interface IHostEnvironmentInternal
    {
        string TempFilePath { get; }

        bool FallbackToCpu { get; }

        int? GpuDeviceId { get; }
    }
}
