namespace Microsoft.ML.Runtime;

public interface IExceptionContext
{
}

public interface IProgressChannelProvider
{
}

public interface IPipe<TMessage> : IExceptionContext, IDisposable
{
}

public interface IChannel : IPipe<ChannelMessage>
{
    void Info(MessageSensitivity sensitivity, string fmt, params object[] args);

    void Warning(MessageSensitivity sensitivity, string fmt);
}

public interface IChannelProvider : IExceptionContext
{
    IChannel Start(string name);
}

public interface IHostEnvironment : IChannelProvider, IProgressChannelProvider
{
    IHost Register(string name, int? seed = null, bool? verbose = null);
}

public interface IHost : IHostEnvironment
{
    Random Rand { get; }
}

public enum ChannelMessageKind
{
    Info = 1,
}

[Flags]
public enum MessageSensitivity
{
    None = 0,
}

public readonly struct ChannelMessage
{
    private readonly string _format;
    private readonly object[] _args;

    internal ChannelMessage(ChannelMessageKind kind, string format, object[] args = null)
    {
        Contracts.CheckNonEmpty(format, "message");
        Kind = kind;
        _format = format;
        _args = args;
    }

    internal ChannelMessageKind Kind { get; }

    internal string Message => _args is null ? _format : string.Format(_format, _args);
}
