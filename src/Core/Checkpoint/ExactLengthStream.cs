namespace MLNet.Gpt;

/// <summary>Passes writes on to another stream, and refuses more or fewer bytes than a tensor has.</summary>
internal sealed class ExactLengthStream(Stream inner, long length, string tensorName) : Stream
{
    private long _written;

    public override bool CanRead => false;

    public override bool CanSeek => false;

    public override bool CanWrite => true;

    public override long Length => length;

    public override long Position
    {
        get => _written;
        set => throw new NotSupportedException("A tensor's bytes are written in order.");
    }

    public override void Write(ReadOnlySpan<byte> buffer)
    {
        if (buffer.Length > length - _written)
            throw new InvalidOperationException($"Tensor '{tensorName}' has {length} bytes; {_written + (long)buffer.Length} or more were written.");
        inner.Write(buffer);
        _written += buffer.Length;
    }

    public override void Write(byte[] buffer, int offset, int count) => Write(buffer.AsSpan(offset, count));

    public override void WriteByte(byte value) => Write([value]);

    public override void Flush() => inner.Flush();

    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException("This stream is for writing.");

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException("A tensor's bytes are written in order.");

    public override void SetLength(long value) => throw new NotSupportedException("A tensor's length is given.");

    public void ThrowIfIncomplete()
    {
        if (_written != length) throw new InvalidOperationException($"Tensor '{tensorName}' has {length} bytes; {_written} were written.");
    }
}
