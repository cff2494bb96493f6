namespace Microsoft.ML.Runtime;

/// <summary>An environment, or a host in it; hosts share the root's listeners and component catalog.</summary>
internal sealed class HostEnvironment : IHost, IHostEnvironmentInternal
{
    private readonly HostEnvironment _root;
    private readonly HostEnvironment _parent;
    private readonly string _fullName;

    public HostEnvironment(int? seed)
    {
        _root = this;
        Rand = seed is int value ? new(value) : new();
        ComponentCatalog = new();
    }

    private HostEnvironment(HostEnvironment parent, string name, int? seed)
    {
        _root = parent._root;
        _parent = parent;
        _fullName = Join(parent._parent?._fullName, name);
        lock (parent.Rand)
            Rand = new(seed ?? parent.Rand.Next());
        ComponentCatalog = parent.ComponentCatalog;
        TempFilePath = parent.TempFilePath;
        GpuDeviceId = parent.GpuDeviceId;
        FallbackToCpu = parent.FallbackToCpu;
    }

    /// <summary>Hears each message with the full name of its source. Set at the root only.</summary>
    public Action<string, ChannelMessage> Listener { get; set; }

    public Random Rand { get; }

    public ComponentCatalog ComponentCatalog { get; }

    public string TempFilePath { get; set; } = Path.GetTempPath();

    public bool FallbackToCpu { get; set; }

    public int? GpuDeviceId { get; set; }

    public string ContextDescription => _parent is null ? "HostEnvironment" : _fullName;

    public IHost Register(string name, int? seed = null, bool? verbose = null)
    {
        Contracts.CheckNonEmpty(name, nameof(name));
        return new HostEnvironment(this, name, seed);
    }

    public IChannel Start(string name) => new Channel(this, name);

    public IPipe<TMessage> StartPipe<TMessage>(string name) => new SilentPipe<TMessage>(this);

    public IProgressChannel StartProgressChannel(string name)
    {
        Contracts.CheckNonEmpty(name, nameof(name));
        return new ProgressChannel();
    }

    public TException Process<TException>(TException ex) where TException : Exception
    {
        if (ex is not null)
            Contracts.Mark(ex).Data["Throwing component"] = _fullName ?? "Environment";
        return ex;
    }

    private static string Join(string parent, string name) => string.IsNullOrEmpty(parent) ? name : $"{parent}; {name}";

    private sealed class Channel : IChannel
    {
        private readonly HostEnvironment _host;
        private readonly string _fullName;
        private readonly long _started = Environment.TickCount64;
        private bool _disposed;

        public Channel(HostEnvironment host, string name)
        {
            _host = host;
            _fullName = Join(host._fullName, name);
            Trace(MessageSensitivity.None, "Channel started");
        }

        public string ContextDescription => _fullName;

        public TException Process<TException>(TException ex) where TException : Exception => _host.Process(ex);

        public void Send(ChannelMessage msg) => _host._root.Listener?.Invoke(_fullName, msg);

        public void Trace(MessageSensitivity sensitivity, string fmt) => Send(new(ChannelMessageKind.Trace, sensitivity, fmt));
        public void Trace(MessageSensitivity sensitivity, string fmt, params object[] args) => Send(new(ChannelMessageKind.Trace, sensitivity, fmt, args));
        public void Error(MessageSensitivity sensitivity, string fmt) => Send(new(ChannelMessageKind.Error, sensitivity, fmt));
        public void Error(MessageSensitivity sensitivity, string fmt, params object[] args) => Send(new(ChannelMessageKind.Error, sensitivity, fmt, args));
        public void Warning(MessageSensitivity sensitivity, string fmt) => Send(new(ChannelMessageKind.Warning, sensitivity, fmt));
        public void Warning(MessageSensitivity sensitivity, string fmt, params object[] args) => Send(new(ChannelMessageKind.Warning, sensitivity, fmt, args));
        public void Info(MessageSensitivity sensitivity, string fmt) => Send(new(ChannelMessageKind.Info, sensitivity, fmt));
        public void Info(MessageSensitivity sensitivity, string fmt, params object[] args) => Send(new(ChannelMessageKind.Info, sensitivity, fmt, args));

        public void Dispose()
        {
            if (_disposed)
                return;
            _disposed = true;
            Trace(MessageSensitivity.None, "Channel finished. Elapsed {0:c}.", TimeSpan.FromMilliseconds(Environment.TickCount64 - _started));
            Trace(MessageSensitivity.None, "Channel disposed");
        }
    }

    /// <summary>A pipe of messages that nothing in the environment listens to.</summary>
    private sealed class SilentPipe<TMessage>(HostEnvironment host) : IPipe<TMessage>
    {
        public string ContextDescription => host.ContextDescription;

        public TException Process<TException>(TException ex) where TException : Exception => host.Process(ex);

        public void Send(TMessage msg) { }

        public void Dispose() { }
    }

    /// <summary>Progress that isn't shown: in the original too, none of it reaches <c>MLContext.Log</c>.</summary>
    private sealed class ProgressChannel : IProgressChannel
    {
        public IProgressChannel StartProgressChannel(string name) => new ProgressChannel();

        public void SetHeader(ProgressHeader header, Action<IProgressEntry> fillAction) { }

        public void Checkpoint(params double?[] values) { }

        public void Dispose() { }
    }
}
