using System.Buffers.Binary;
using System.Globalization;
using System.Numerics;
using System.Text;
using System.Text.Json;

namespace MLNet.Gpt;

/// <summary>
/// Writes scalars as TensorBoard reads them: a file of records (length, checksum of it, data, checksum of it), each of them an Event message
/// of TensorFlow's event.proto. A record is with the operating system when <see cref="Add"/> returns.
/// </summary>
internal sealed class TensorBoardLog : IMetricsSink
{
    private const uint MaskDelta = 0xA282EAD8;
    private readonly FileStream _file;

    /// <summary>Creates an event file, which begins at a step: TensorBoard drops what older files of the folder have from there on.</summary>
    /// <param name="folder">The folder; created where it is missing.</param>
    /// <param name="firstStep">The updates made before.</param>
    /// <exception cref="DiskFullException">There is no room.</exception>
    /// <exception cref="FolderNotWritableException">The folder can't be written.</exception>
    public TensorBoardLog(string folder, int firstStep)
    {
        double now = Now();
        string stem = string.Create(CultureInfo.InvariantCulture, $"events.out.tfevents.{(long)now:D10}.{Environment.MachineName}.{Environment.ProcessId}");
        int number = 0;
        while (File.Exists(PathOf(number))) number++;
        try
        {
            Directory.CreateDirectory(folder);
            _file = new(PathOf(number), FileMode.CreateNew, FileAccess.Write, FileShare.Read, bufferSize: 0);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw IOErrors.OnWriting(e, PathOf(number), folder);
        }

        Write(Event(now, 0, static e => e.Text(3, "brain.Event:2")));                                   // file_version
        Write(Event(now, firstStep, static e => e.Message(7, static log => log.Integer(1, 1))));        // session_log { status: START }

        string PathOf(int n) => Path.Combine(folder, string.Create(CultureInfo.InvariantCulture, $"{stem}.{n}"));
    }

    /// <summary>Writes the numbers of a report, each under its name in metrics.jsonl, losses grouped; those that are null are left out.</summary>
    /// <exception cref="DiskFullException">There is no room.</exception>
    public void Add(TrainingProgress report, IReadOnlyList<TrainingProgress> all)
    {
        (string Tag, float Value)[] scalars = [.. Numbers(MetricsJson.ToElement(report), "").Select(number => (TagOf(number.Name, report), number.Value)).Where(static scalar => scalar.Item1 is not null)!];
        Write(Event(Now(), report.Step, e => e.Message(5, summary =>                                     // summary
        {
            foreach ((string tag, float value) in scalars)
                summary.Message(1, item => { item.Text(1, tag); item.Single(2, value); });                 // value { tag, simple_value }
        })));
    }

    public void Complete(IReadOnlyList<TrainingProgress> all)
    {
    }

    public void Dispose() => _file.Dispose();

    private static IEnumerable<(string Name, float Value)> Numbers(JsonElement element, string prefix)
    {
        foreach (JsonProperty property in element.EnumerateObject())
        {
            if (property.Value.ValueKind == JsonValueKind.Number) yield return (prefix + property.Name, property.Value.GetSingle());
            if (property.Value.ValueKind != JsonValueKind.Object) continue;
            foreach ((string, float) number in Numbers(property.Value, $"{prefix}{property.Name}/")) yield return number;
        }
    }

    /// <summary>TensorBoard draws what stands before a slash as a group of its own. Null: not worth a curve.</summary>
    private static string? TagOf(string name, TrainingProgress report) => name switch
    {
        "step" or "max_steps" or "elapsed_seconds" or "updates" => null,
        "loss" => "loss/training",
        "validation_loss" => "loss/validation",
        "auxiliary_loss" => "loss/auxiliary",
        "perplexity" => report.ValidationLoss is null ? null : "perplexity/validation",
        "bits_per_byte" => "bits_per_byte/validation",
        "validation_accuracy" => "accuracy/validation",
        _ => name.StartsWith("metrics/", StringComparison.Ordinal) ? name["metrics/".Length..] : name,
    };

    private static double Now() => (DateTime.UtcNow - DateTime.UnixEpoch).TotalSeconds;

    private static byte[] Event(double time, long step, Action<Fields> rest)
    {
        var fields = new Fields();
        fields.Double(1, time);
        fields.Integer(2, step);
        rest(fields);
        return fields.ToArray();
    }

    private void Write(byte[] data)
    {
        var record = new byte[8 + 4 + data.Length + 4];
        BinaryPrimitives.WriteUInt64LittleEndian(record, (ulong)data.Length);
        BinaryPrimitives.WriteUInt32LittleEndian(record.AsSpan(8), Checksum(record.AsSpan(0, 8)));
        data.CopyTo(record, 12);
        BinaryPrimitives.WriteUInt32LittleEndian(record.AsSpan(12 + data.Length), Checksum(data));
        try
        {
            _file.Write(record);
        }
        catch (IOException e)
        {
            throw IOErrors.OnWriting(e, _file.Name, Path.GetDirectoryName(_file.Name)!);
        }
    }

    /// <summary>CRC-32C, rotated and offset: the masked form of TensorFlow's record files.</summary>
    private static uint Checksum(ReadOnlySpan<byte> data)
    {
        uint crc = uint.MaxValue;
        foreach (byte value in data) crc = BitOperations.Crc32C(crc, value);
        return unchecked(BitOperations.RotateRight(~crc, 15) + MaskDelta);
    }

    /// <summary>The fields of a protobuf message.</summary>
    private sealed class Fields
    {
        private readonly MemoryStream _bytes = new();

        public byte[] ToArray() => _bytes.ToArray();

        public void Integer(int number, long value)
        {
            Varint(((uint)number << 3) | 0);
            Varint((ulong)value);
        }

        public void Double(int number, double value)
        {
            Varint(((uint)number << 3) | 1);
            Span<byte> bytes = stackalloc byte[8];
            BinaryPrimitives.WriteDoubleLittleEndian(bytes, value);
            _bytes.Write(bytes);
        }

        public void Single(int number, float value)
        {
            Varint(((uint)number << 3) | 5);
            Span<byte> bytes = stackalloc byte[4];
            BinaryPrimitives.WriteSingleLittleEndian(bytes, value);
            _bytes.Write(bytes);
        }

        public void Text(int number, string value) => Bytes(number, Encoding.UTF8.GetBytes(value));

        public void Message(int number, Action<Fields> write)
        {
            var fields = new Fields();
            write(fields);
            Bytes(number, fields.ToArray());
        }

        private void Bytes(int number, byte[] value)
        {
            Varint(((uint)number << 3) | 2);
            Varint((ulong)value.Length);
            _bytes.Write(value);
        }

        private void Varint(ulong value)
        {
            for (; value >= 0x80; value >>= 7) _bytes.WriteByte((byte)(value | 0x80));
            _bytes.WriteByte((byte)value);
        }
    }
}
