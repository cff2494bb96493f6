using System.CommandLine;
using ServingApp.Hosting;

namespace MLNet.Gpt.Tool.Commands;

/// <summary><c>serve</c>: a model behind an OpenAI-compatible endpoint, with a chat page.</summary>
internal static class ServeCommand
{
    public const string Name = "serve";

    public static Command Create(ToolConsole console)
    {
        var model = new Argument<string>("model") { Description = "A model.zip of ML.NET, or the folder of an ONNX package or of a checkpoint." };
        var adapters = new Option<string[]>("--adapter") { Description = "NAME=FOLDER: a LoRA adapter, for requests to model@NAME; may be given more than once." };
        var name = new Option<string?>("--name") { Description = "The model's name in requests. Default: the file's or folder's name." };
        var urls = new Option<string?>("--urls") { Description = "Where to listen. Default http://localhost:5000." };
        var keys = new Option<string[]>("--key") { Description = "An API key, of which requests must carry one; may be given more than once. Without one the server listens on loopback alone." };
        var settings = new Option<string[]>("--set") { Description = "NAME=VALUE: another setting, such as BatchRows=32; may be given more than once." };
        var command = new Command(Name, "Serves a model over HTTP, as OpenAI's API, with a chat page.") { model, adapters, name, urls, keys, settings };
        console.SetAction(command, async (parsed, cancellationToken) =>
        {
            string folder = parsed.GetRequiredValue(model);
            if (folder.Length == 0) throw new UsageException("The model is empty; name a model.zip, or the folder of an ONNX package or of a checkpoint.");
            List<string> args = [$"--model={folder}"];
            foreach (string adapter in parsed.GetValue(adapters) ?? []) args.Add($"--adapter={Pair("--adapter", adapter, "NAME=FOLDER")}");
            foreach (string setting in parsed.GetValue(settings) ?? []) args.Add($"--Serving:{Pair("--set", setting, "NAME=VALUE")}");
            foreach (string key in parsed.GetValue(keys) ?? []) args.Add($"--key={key}");
            if (parsed.GetValue(name) is { } called) args.Add($"--name={called}");
            if (parsed.GetValue(urls) is { } addresses) args.Add($"--urls={addresses}");
            using var problem = new StringWriter();
            int code = await ServingProgram.RunAsync([.. args], problem, cancellationToken);
            if (problem.ToString() is { Length: > 0 } said) console.Error.WriteLine($"mlnet-gpt: {console.OneLine(said)}");
            return code;
        });
        return command;
    }

    private static string Pair(string option, string value, string form) =>
        value.IndexOf('=', StringComparison.Ordinal) is > 0 and var at && at < value.Length - 1 ? value : throw new UsageException($"{option} is '{value}'; it must be {form}.");
}
