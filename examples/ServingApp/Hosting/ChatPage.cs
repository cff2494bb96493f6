using System.Reflection;

namespace ServingApp.Hosting;

/// <summary>The chat page: its files lie within the program.</summary>
internal static class ChatPage
{
    private static readonly Dictionary<string, string> Types = new() { ["html"] = "text/html; charset=utf-8", ["js"] = "text/javascript; charset=utf-8", ["css"] = "text/css; charset=utf-8", ["png"] = "image/png" };

    public static void Map(IEndpointRouteBuilder app)
    {
        app.MapGet("/", context => WriteAsync(context, "index.html")).AllowAnonymous();
        foreach (string file in (string[])["chat.js", "chat.css", "icon.png"]) app.MapGet("/" + file, context => WriteAsync(context, file)).AllowAnonymous();
    }

    private static async Task WriteAsync(HttpContext context, string file)
    {
        using Stream content = Assembly.GetExecutingAssembly().GetManifestResourceStream($"Page/{file}") ?? throw new InvalidOperationException($"The program lacks its page's file {file}; build it again.");
        context.Response.ContentType = Types[file.Split('.')[^1]];
        context.Response.Headers.CacheControl = "no-cache";
        context.Response.Headers.ContentSecurityPolicy = "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
        context.Response.Headers.XContentTypeOptions = "nosniff";
        await content.CopyToAsync(context.Response.Body, context.RequestAborted);
    }
}
