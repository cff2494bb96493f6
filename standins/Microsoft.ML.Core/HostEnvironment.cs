namespace Microsoft.ML.Runtime;

/// <summary>An environment, or a host in it; hosts share the root's listener and component catalog.</summary>
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

    public IHost Register(string name, int? seed = null, bool? verbose = null)
    {
        Contracts.CheckNonEmpty(name, nameof(name));
        return new HostEnvironment(this, name, seed);
    }

    public IChannel Start(string name) => new Channel(_root, Join(_fullName, name));

    private static string Join(string parent, string name) => string.IsNullOrEmpty(parent) ? name : $"{parent}; {name}";

    private sealed class Channel : IChannel
    {
        private const ChannelMessageKind Trace = 0;
        private const ChannelMessageKind WarningKind = (ChannelMessageKind)2;

        private readonly HostEnvironment _root;
        private readonly string _fullName;
        private readonly long _started = Environment.TickCount64;
        private bool _disposed;

        public Channel(HostEnvironment root, string fullName)
        {
            _root = root;
            _fullName = fullName;
            Send(new(Trace, "Channel started"));
        }

        public void Info(MessageSensitivity sensitivity, string fmt, params object[] args) => Send(new(ChannelMessageKind.Info, fmt, args));

        public void Warning(MessageSensitivity sensitivity, string fmt) => Send(new(WarningKind, fmt));

        public void Dispose()
        {
            if (_disposed)
                return;
            _disposed = true;
            Send(new(Trace, "Channel finished. Elapsed {0:c}.", [TimeSpan.FromMilliseconds(Environment.TickCount64 - _started)]));
            Send(new(Trace, "Channel disposed"));
        }

        private void Send(ChannelMessage message) => _root.Listener?.Invoke(_fullName, message);
    }
}
