using ServingApp.OpenAi;

namespace ServingApp.Hosting;

/// <summary>
/// Gives OpenAI's form to the refusal of requests under another host's name, which ASP.NET Core's filter makes before the program's own steps: clients of the API read errors in no other form. Stands before that filter.
/// </summary>
internal sealed class HostRefusal : IStartupFilter
{
    private const int MostShown = 100;
    private static readonly object s_passed = new();

    /// <summary>Notes that the filter has let a request through: what becomes of it is the program's own.</summary>
    public static void Pass(HttpContext context) => context.Items[s_passed] = s_passed;

    /// <inheritdoc/>
    public Action<IApplicationBuilder> Configure(Action<IApplicationBuilder> next) => app =>
    {
        app.Use(async (context, filter) =>
        {
            await filter(context);
            if (context.Items.ContainsKey(s_passed) || context.Response.StatusCode != StatusCodes.Status400BadRequest || context.Response.HasStarted) return;
            string host = context.Request.Host.Value ?? "";
            var error = new OpenAiException(400, "invalid_request_error", $"The host '{(host.Length > MostShown ? host[..MostShown] + "…" : host)}' is none that this server answers for; ask for it by an address that it allows.", code: "unknown_host");
            app.ApplicationServices.GetRequiredService<ServingMetrics>().Refused(error.Status);
            await context.Response.WriteAsJsonAsync(error.Body, Json.Options);
        });
        next(app);
    };
}
