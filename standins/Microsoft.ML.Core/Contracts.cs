using Microsoft.ML.Runtime;

namespace Microsoft.ML;

/// <summary>The exceptions that the original throws for each sort of mistake.</summary>
internal static class Contracts
{
    private const string MarkKey = "ML_IsMarked";

    public static TException Mark<TException>(TException exception) where TException : Exception
    {
        exception.Data[MarkKey] = true;
        return exception;
    }

    public static bool IsMarked(Exception exception) => exception.Data.Contains(MarkKey);

    public static Exception Except(string message, Exception inner = null) => Mark(new InvalidOperationException(message, inner));

    public static Exception ExceptDecode(string message) => Mark(new FormatException(message));

    public static Exception ExceptParam(string name, string message) => Mark(new ArgumentOutOfRangeException(name, message));

    public static Exception ExceptMissingColumn(string role, string column) =>
        ExceptParam("inputSchema", $"Could not find {role} column '{column}'");

    public static Exception ExceptSchemaMismatch(string role, string column, string expected, string actual) =>
        ExceptParam("inputSchema", $"Schema mismatch for {role} column '{column}': expected {expected}, got {actual}");

    public static void Check(bool condition, string message)
    {
        if (!condition)
            throw Except(message);
    }

    public static void CheckDecode(bool condition, string message)
    {
        if (!condition)
            throw ExceptDecode(message);
    }

    public static void CheckParam(bool condition, string name, string message)
    {
        if (!condition)
            throw ExceptParam(name, message);
    }

    public static void CheckValue(object value, string name)
    {
        if (value is null)
            throw Mark(new ArgumentNullException(name));
    }

    public static void CheckNonEmpty(string value, string name)
    {
        if (string.IsNullOrEmpty(value))
            throw Mark(new ArgumentNullException(name, $"{name} cannot be empty"));
    }
}
