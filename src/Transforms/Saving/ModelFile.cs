// How a transformer gets into the file that mlContext.Model.Save writes, and out of it again with no registration call. This is the only file that knows:
// ML.NET gives each transformer its part of the file through types that it keeps internal (see Stub/Microsoft.ML.Core.cs), notes which assembly
// and loader wrote it, and on loading looks the loader up among that assembly's LoadableClass attributes.
extern alias MLNetInternals;

using System.Buffers;
using System.IO.Compression;
using System.Runtime.CompilerServices;
using System.Security.Cryptography;
using System.Text;
using Microsoft.ML;
using Microsoft.ML.Runtime;
using MLNet.Gpt;
using IHostEnvironmentInternal = MLNetInternals::Microsoft.ML.Runtime.IHostEnvironmentInternal;
using LoadableClassAttribute = MLNetInternals::Microsoft.ML.LoadableClassAttribute;
using ArchiveReader = MLNetInternals::Microsoft.ML.RepositoryReader;
using ArchiveWriter = MLNetInternals::Microsoft.ML.RepositoryWriter;
using LoadContext = MLNetInternals::Microsoft.ML.ModelLoadContext;
using SaveContext = MLNetInternals::Microsoft.ML.ModelSaveContext;
using SignatureLoadModel = MLNetInternals::Microsoft.ML.SignatureLoadModel;
using VersionInfo = MLNetInternals::Microsoft.ML.VersionInfo;

[assembly: IgnoresAccessChecksTo("Microsoft.ML.Core")]
[assembly: LoadableClass(typeof(ITransformer), typeof(ModelFile), null, typeof(SignatureLoadModel), "MLNet.Gpt transformer", ModelFile.LoaderSignature)]

namespace System.Runtime.CompilerServices
{
    /// <summary>Honoured by the runtime: the named assembly's internals may be used.</summary>
    [AttributeUsage(AttributeTargets.Assembly, AllowMultiple = true)]
    internal sealed class IgnoresAccessChecksToAttribute(string assemblyName) : Attribute
    {
        public string AssemblyName { get; } = assemblyName;
    }
}

namespace MLNet.Gpt
{
    /// <summary>
    /// A transformer in ML.NET's model file. Its main stream holds: the format's version (Int32), the kind of transformer, its settings as JSON, the number
    /// of files (Int32), and for each its name, length (Int64) and SHA-256 (32 bytes); the files are streams of their own beside it. The names of a second model's
    /// files begin with "second.".
    /// </summary>
    internal static class ModelFile
    {
        public const string LoaderSignature = "MLNetGptTransformer";

        private const int FormatVersion = 1;
        private const string SecondPrefix = "second.";
        private const int CopyBytes = 1 << 20;

        /// <summary>
        /// Writes a transformer. The files go through a buffer, so that the weights are never in memory for it; those that are not on disk already go through a temporary folder. They are
        /// stored as they are: weights hardly deflate, and trying took twelve seconds for a GPT-2 124M.
        /// </summary>
        public static void Save(ModelSaveContext context, SavedTransformer transformer, IHostEnvironment? environment)
        {
            var ctx = (SaveContext)(object)context;
            ctx.CheckAtModel();
            ctx.SetVersionInfo(Version());
            using var folder = new PrivateFolder(TemporaryPath(environment));
            using PrivateFolder? second = transformer.WriteSecondModel is null ? null : new PrivateFolder(TemporaryPath(environment));
            (string Name, string Path)[] files = [.. Files(folder, transformer.WriteFiles, ""), .. second is null ? [] : Files(second, transformer.WriteSecondModel!, SecondPrefix)];
            ctx.Writer.Write(FormatVersion);
            ctx.Writer.Write(transformer.Kind);
            ctx.Writer.Write(transformer.Settings);
            ctx.Writer.Write(files.Length);
            foreach ((string name, string path) in files)
            {
                using FileStream file = File.OpenRead(path);
                byte[] hash = Store(ctx, name, file);
                ctx.Writer.Write(name);
                ctx.Writer.Write(file.Length);
                ctx.Writer.Write(hash);
            }

            static IEnumerable<(string, string)> Files(PrivateFolder folder, Func<string, IReadOnlyList<string>> write, string prefix)
            {
                IReadOnlyList<string> elsewhere = write(folder.Path);
                return folder.Files().Concat(elsewhere).OrderBy(Path.GetFileName, StringComparer.Ordinal).Select(path => (prefix + Path.GetFileName(path), path));
            }
        }

        // ML.NET deflates what it saves, and keeps its archive to itself; where a later version of it has none of this name, its own way remains.
        private static byte[] Store(SaveContext ctx, string name, FileStream file)
        {
            ZipArchive? archive = ArchiveOf(ctx);
            byte[] hash = [];
            if (archive is null)
            {
                ctx.SaveBinaryStream(name, writer =>
                {
                    writer.Flush();
                    hash = Copy(file, writer.BaseStream);
                });
                return hash;
            }

            using Stream target = archive.CreateEntry(PathOf(ctx.Directory, name), CompressionLevel.NoCompression).Open();
            return Copy(file, target);
        }

        private static ZipArchive? ArchiveOf(SaveContext ctx)
        {
            try
            {
                return Archive(ctx.Repository);
            }
            catch (MissingFieldException)
            {
                return null;
            }
        }

        private static ZipArchive? ArchiveOf(LoadContext ctx)
        {
            try
            {
                return ctx.Repository is { } repository ? Archive(repository) : null;
            }
            catch (MissingFieldException)
            {
                return null;
            }
        }

        [UnsafeAccessor(UnsafeAccessorKind.Field, Name = "_archive")]
        private static extern ref ZipArchive Archive(ArchiveWriter writer);

        [UnsafeAccessor(UnsafeAccessorKind.Field, Name = "_archive")]
        private static extern ref ZipArchive Archive(ArchiveReader reader);

        private static string PathOf(string? directory, string name) => Path.Combine(directory ?? "", name);

        /// <summary>Called by ML.NET: makes the transformer that a part of a model file describes.</summary>
        /// <remarks>ML.NET calls it through reflection, so that what it throws arrives as the inner exception of a TargetInvocationException.</remarks>
        private static ITransformer Create(IHostEnvironment env, LoadContext ctx)
        {
            try
            {
                ctx.CheckAtModel(Version());
            }
            catch (FormatException exception)
            {
                throw Corrupt($"the header of a transformer is not one that this version can read: {exception.Message}", exception);
            }

            var host = env as object as IHostEnvironmentInternal;
            (string kind, string settings, List<Entry> entries) = ReadTable(ctx.Reader);
            using ModelFileContents? second = entries.Any(static entry => entry.IsSecond) ? Contents() : null;
            using ModelFileContents contents = Contents();
            contents.Second = second;
            foreach (Entry entry in entries) Unpack(ctx, entry, entry.IsSecond ? second! : contents);
            contents.ContentHash = HashOf(entries.Where(static entry => !entry.IsSecond));
            second?.ContentHash = HashOf(entries.Where(static entry => entry.IsSecond));
            IModelFileTransformer transformer = Load(kind, contents);
            transformer.Environment = env;
            return transformer;

            ModelFileContents Contents() => new(
                kind,
                settings,
                new PrivateFolder(TemporaryPath(env)),
                host?.GpuDeviceId is { } index ? GptDevice.Cuda(index) : GptDevice.Cpu,
                host?.FallbackToCpu ?? false,
                warning => Warn(env, warning));
        }

        private static string HashOf(IEnumerable<Entry> entries)
        {
            using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
            foreach (Entry entry in entries.Where(static entry => !OnnxPackageLayout.IsOfTransformer(entry.FileName))) // the same model, whatever a transformer does with it
            {
                hash.AppendData(Encoding.UTF8.GetBytes(entry.FileName));
                hash.AppendData(entry.Hash);
            }

            return Convert.ToHexStringLower(hash.GetHashAndReset());
        }

        private static IModelFileTransformer Load(string kind, ModelFileContents contents)
        {
            try
            {
                return kind switch
                {
                    TokenizeTextTransformer.Kind => TokenizeTextTransformer.Load(contents),
                    GenerateTextTransformer.Kind => GenerateTextTransformer.Load(contents),
                    ScoreTextTransformer.Kind => ScoreTextTransformer.Load(contents),
                    EmbedTextTransformer.Kind => EmbedTextTransformer.Load(contents),
                    ChunkTextTransformer.Kind => ChunkTextTransformer.Load(contents),
                    RetrieveTextTransformer.Kind => RetrieveTextTransformer.Load(contents),
                    BuildPromptTransformer.Kind => BuildPromptTransformer.Load(contents),
                    ScoreChoicesTransformer.Kind => ScoreChoicesTransformer.Load(contents),
                    ClassifyTextTransformer.Kind => ClassifyTextTransformer.Load(contents),
                    ScoreResponseTransformer.Kind => ScoreResponseTransformer.Load(contents),
                    BestOfNTransformer.Kind => BestOfNTransformer.Load(contents),
                    RejectionSamplingTransformer.Kind => RejectionSamplingTransformer.Load(contents),
                    _ => throw Corrupt($"it holds a transformer of the kind '{kind}', which this version does not know."),
                };
            }
            catch (ArgumentException exception)
            {
                // A saved transformer's columns and options have been checked: the file is another than the one that was written.
                throw Corrupt($"the settings of its transformer '{kind}' can't be: {exception.Message}", exception);
            }
        }

        /// <summary>Where a context wants temporary files.</summary>
        internal static string TemporaryPath(IHostEnvironment? environment) =>
            environment as object is IHostEnvironmentInternal { TempFilePath: { Length: > 0 } path } ? path : Path.GetTempPath();

        private static VersionInfo Version() => new(
            modelSignature: "GPTTRANS",
            verWrittenCur: 0x00010001, // the first
            verReadableCur: 0x00010001,
            verWeCanReadBack: 0x00010001,
            loaderAssemblyName: typeof(ModelFile).Assembly.GetName().Name!, // without the version: a later one reads it too
            loaderSignature: LoaderSignature);

        private static (string Kind, string Settings, List<Entry> Entries) ReadTable(BinaryReader reader)
        {
            try
            {
                int version = reader.ReadInt32();
                if (version != FormatVersion)
                    throw Corrupt($"its transformer has format version {version}, and this version of MLNet.Gpt reads {FormatVersion}.");
                string kind = reader.ReadString(), settings = reader.ReadString();
                int count = reader.ReadInt32();
                var entries = new List<Entry>();
                for (int i = 0; i < count; i++)
                {
                    var entry = new Entry(reader.ReadString(), reader.ReadInt64(), reader.ReadBytes(SHA256.HashSizeInBytes));

                    // Only a package's own names, each once: none leads out of the folder, and there can't be many.
                    if (!OnnxPackageLayout.Belongs(entry.FileName) || entries.Any(other => other.Name == entry.Name))
                        throw Corrupt($"it names a file '{entry.Name}', which is no part of a model or is there twice.");
                    if (entry.Length < 0 || entry.Hash.Length != SHA256.HashSizeInBytes)
                        throw Corrupt($"the entry of '{entry.Name}' is cut short.");
                    entries.Add(entry);
                }

                return (kind, settings, entries);
            }
            catch (Exception exception) when (exception is IOException or InvalidDataException or FormatException or ArgumentException)
            {
                throw Corrupt("the list of its files is cut short or overwritten.", exception);
            }
        }

        private static void Unpack(LoadContext ctx, Entry entry, ModelFileContents contents)
        {
            bool found;
            try
            {
                // ML.NET would unpack the file into a temporary one of its own first.
                string path = PathOf(ctx.Directory, entry.Name);
                if (ArchiveOf(ctx)?.Entries.FirstOrDefault(one => one.FullName.Replace('/', Path.DirectorySeparatorChar) == path) is { } packed)
                {
                    using Stream stream = packed.Open();
                    Write(stream, packed.Length);
                    return;
                }

                found = ctx.TryLoadBinaryStream(entry.Name, reader => Write(reader.BaseStream, reader.BaseStream.Length));
            }
            catch (InvalidDataException exception)
            {
                throw Corrupt($"'{entry.Name}' can't be unpacked: {exception.Message}", exception);
            }

            if (!found) throw Corrupt($"'{entry.Name}' is missing.");

            void Write(Stream source, long length)
            {
                if (length != entry.Length) throw Corrupt($"'{entry.Name}' has {length} bytes; {entry.Length} were saved.");
                byte[] hash = contents.Write(entry.FileName, target => Copy(source, target));
                if (!hash.AsSpan().SequenceEqual(entry.Hash)) throw Corrupt($"'{entry.Name}' is not what was saved: its SHA-256 is {Convert.ToHexStringLower(hash)}, not {Convert.ToHexStringLower(entry.Hash)}.");
            }
        }

        /// <summary>Copies to the end and hashes on the way: one block on another thread while it is written and the next one is read.</summary>
        private static byte[] Copy(Stream source, Stream target)
        {
            using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
            byte[] block = ArrayPool<byte>.Shared.Rent(CopyBytes), next = ArrayPool<byte>.Shared.Rent(CopyBytes);
            Task hashing = Task.CompletedTask;
            try
            {
                int read;
                while ((read = source.Read(next, 0, CopyBytes)) > 0)
                {
                    hashing.GetAwaiter().GetResult();
                    (block, next) = (next, block);
                    (byte[] bytes, int count) = (block, read);
                    hashing = Task.Run(() => hash.AppendData(bytes, 0, count));
                    target.Write(block, 0, read);
                }
            }
            finally
            {
                hashing.GetAwaiter().GetResult();   // it reads a block
                ArrayPool<byte>.Shared.Return(block);
                ArrayPool<byte>.Shared.Return(next);
            }

            return hash.GetHashAndReset();
        }

        private static void Warn(IHostEnvironment env, string warning)
        {
            using IChannel channel = env.Start("MLNet.Gpt");
            channel.Warning(MessageSensitivity.None, warning);
        }

        private static CorruptFileException Corrupt(string problem, Exception? innerException = null) => ModelFileContents.Corrupt(problem, innerException);

        private sealed record Entry(string Name, long Length, byte[] Hash)
        {
            /// <summary>Whether it is of a second model.</summary>
            public bool IsSecond => Name.StartsWith(SecondPrefix, StringComparison.Ordinal);

            /// <summary>The file's name in its model's folder.</summary>
            public string FileName => IsSecond ? Name[SecondPrefix.Length..] : Name;
        }
    }
}
