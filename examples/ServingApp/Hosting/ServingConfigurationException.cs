namespace ServingApp.Hosting;

/// <summary>The settings do not fit together, or do not fit where the program listens.</summary>
internal sealed class ServingConfigurationException(string message) : Exception(message);
