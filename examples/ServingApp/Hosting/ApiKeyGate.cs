using System.Net;
using System.Security.Cryptography;
using System.Text;
using ServingApp.OpenAi;

namespace ServingApp.Hosting;

/// <summary>Lets requests through that carry a key, or, where there are no keys, those that come over loopback.</summary>
internal sealed class ApiKeyGate(ServingOptions options)
{
    private readonly byte[][] _hashes = [.. options.ApiKeys.Select(static key => SHA256.HashData(Encoding.UTF8.GetBytes(key)))];

    private bool AsksForKeys => options.RequireApiKey ?? _hashes.Length > 0;

    /// <summary>Checks where the program listens.</summary>
    /// <exception cref="ServingConfigurationException">It listens on more than loopback, there are no keys, and nobody has said that this is meant.</exception>
    public void CheckAddresses(IEnumerable<string> addresses)
    {
        if (options.RequireApiKey is not null || _hashes.Length > 0) return;
        if (addresses.FirstOrDefault(static address => !IsLoopback(address)) is { } open)
        {
            throw new ServingConfigurationException($"The program listens on {open}, which others can reach, and has no API keys. "
                + "Give keys (--key KEY, or Serving:ApiKeys), listen on http://localhost:5000, or say Serving:RequireApiKey=false if everybody may use the model.");
        }
    }

    /// <summary>Whether a request may go on.</summary>
    /// <exception cref="OpenAiException">It may not.</exception>
    public void Check(HttpContext context)
    {
        if (!AsksForKeys)
        {
            // Without keys nothing but loopback is served, whatever addresses the server was given. A request within the process has no address.
            if (options.RequireApiKey is null && context.Connection.LocalIpAddress is { } address && !IPAddress.IsLoopback(address))
                throw new OpenAiException(401, "invalid_request_error", "This address can be reached by others, and the server has no API keys; configure some.", code: "invalid_api_key");
            return;
        }

        string header = context.Request.Headers.Authorization.ToString();
        const string Scheme = "Bearer ";
        byte[] given = SHA256.HashData(Encoding.UTF8.GetBytes(header.StartsWith(Scheme, StringComparison.OrdinalIgnoreCase) ? header[Scheme.Length..].Trim() : ""));
        bool known = false;
        foreach (byte[] hash in _hashes) known |= CryptographicOperations.FixedTimeEquals(hash, given); // as long for a right key as for a wrong one
        if (known) return;
        context.Response.Headers.WWWAuthenticate = "Bearer";
        throw new OpenAiException(401, "invalid_request_error", header.Length == 0 ? "The request has no API key; send it as 'Authorization: Bearer KEY'." : "The API key is not one of this server's.", code: "invalid_api_key");
    }

    private static bool IsLoopback(string address)
    {
        if (address.StartsWith("http://unix:", StringComparison.Ordinal)) return true;

        // http://+:80 and http://*:80 are no addresses of a host, and mean all.
        return Uri.TryCreate(address, UriKind.Absolute, out Uri? uri) && IsLoopback(uri);
    }

    private static bool IsLoopback(Uri uri) => uri.IsLoopback || (IPAddress.TryParse(uri.Host.Trim('[', ']'), out IPAddress? ip) && IPAddress.IsLoopback(ip));
}
