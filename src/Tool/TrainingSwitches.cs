using System.CommandLine;
using Microsoft.ML;
using Microsoft.ML.Runtime;

namespace MLNet.Gpt.Tool;

/// <summary>The options of the commands that train: where a run lies, what an update takes, what is held out, and how a run goes on.</summary>
internal sealed class TrainingSwitches
{
    private readonly Option<string> _output;
    private readonly Option<int> _batch;
    private readonly Option<double?> _rate;
    private readonly Option<double> _validation;
    private readonly Option<int> _seed = new Option<int>("--seed") { Description = "The seed of weights, order and split.", DefaultValueFactory = static _ => 1 }.AsNumber();
    private readonly Option<bool> _resume = new("--resume") { Description = "Go on with the run in the output folder." };
    private readonly Option<GptDevice?> _device = ModelArgument.Device();

    /// <param name="outcome">What a run's folder holds in the end, for the help.</param>
    /// <param name="rows">What an update is made of, for the help.</param>
    /// <param name="batch">How many of them by default.</param>
    /// <param name="rate">The default of the largest learning rate, for the help.</param>
    /// <param name="held">What is held out, for the help.</param>
    public TrainingSwitches(string outcome, string rows, int batch, string rate, string held)
    {
        _output = new("--output", "-o") { Description = $"The run's folder: checkpoints, metrics, loss curve, and in the end {outcome}.", Required = true };
        _batch = new Option<int>("--batch") { Description = $"{rows} in an update.", DefaultValueFactory = _ => batch }.AsNumber();
        _rate = new Option<double?>("--learning-rate") { Description = $"The largest learning rate. Default: {rate}." }.AsNumber();
        _validation = new Option<double>("--validation") { Description = $"The share of the {held} that is held out.", DefaultValueFactory = static _ => 0.1 }.AsNumber();
    }

    /// <summary>The name of the option that says what share is held out.</summary>
    public string ValidationName => _validation.Name;

    public void AddTo(Command command)
    {
        foreach (Option option in (Option[])[_output, _batch, _rate, _validation, _seed, _resume, _device]) command.Options.Add(option);
    }

    /// <summary>A value that must lie in a range.</summary>
    /// <exception cref="UsageException">It does not.</exception>
    public static void Require<T>(bool holds, Option option, T value, string range)
    {
        if (!holds) throw new UsageException(FormattableString.Invariant($"{option.Name} is {value}; it must be {range}."));
    }

    /// <summary>Reads the options.</summary>
    /// <exception cref="UsageException">A value is outside its range.</exception>
    public TrainingChoices Read(ParseResult parsed, CancellationToken cancellationToken)
    {
        string folder = parsed.GetRequiredValue(_output);
        if (folder.Length == 0) throw new UsageException("--output is empty; name the run's folder.");
        (int batch, double? rate, double share, int seed) = (parsed.GetValue(_batch), parsed.GetValue(_rate), parsed.GetValue(_validation), parsed.GetValue(_seed));
        Require(batch >= 1, _batch, batch, "1 or more");
        if (rate is { } given) Require(given > 0 && double.IsFinite(given), _rate, given, "above 0 and finite");
        Require(share is >= 0 and < 1, _validation, share, "at least 0 and below 1; 0 holds nothing out");
        var run = new RunOptions { Folder = folder, Resume = parsed.GetValue(_resume), Seed = seed, Device = parsed.GetValue(_device), CancellationToken = cancellationToken };
        return new(folder, batch, rate, share, seed, run);
    }

    /// <summary>A context whose log goes to the console: the reports, and what a run says besides, that it begins anew, that an update is skipped, that a checkpoint can't be used.</summary>
    public static MLContext Context(ToolConsole console, TrainingChoices choices)
    {
        var ml = new MLContext(choices.Seed);
        ml.Log += (_, line) =>
        {
            if (!line.Source.StartsWith("Gpt", StringComparison.Ordinal) || choices.Run.CancellationToken.IsCancellationRequested) return;
            TextWriter? to = line.Kind switch { ChannelMessageKind.Info => console.Out, ChannelMessageKind.Warning => console.Error, _ => null };
            to?.WriteLine(CommandLineTerms.In(line.RawMessage));
        };
        return ml;
    }

    /// <summary>Trains. What the trainer refuses of the options is told in the command line's words.</summary>
    /// <exception cref="UsageException">The options don't fit each other, or the run in the folder.</exception>
    public T Fit<T>(Func<T> fit)
    {
        try
        {
            return fit();
        }
        catch (RunExistsException exception)
        {
            throw new UsageException($"Folder '{exception.Path}' holds the checkpoints of a run. Give {_resume.Name} to go on with it, or name another {_output.Name}.");
        }
        catch (Exception exception) when (exception is ResumeMismatchException or ArgumentException)
        {
            throw new UsageException(exception.Message);
        }
    }

    /// <summary>Says that a run was stopped, where it was.</summary>
    /// <exception cref="OperationCanceledException">It was.</exception>
    public void RequireWhole(bool cancelled, int steps, ToolConsole console, CancellationToken cancellationToken)
    {
        if (!cancelled) return;
        console.Out.WriteLine($"stopped after {steps:N0} updates; {_resume.Name} with the same options goes on from there");
        throw new OperationCanceledException(cancellationToken);
    }

    /// <summary>Writes what was trained: an adapter in the folder 'adapter', and the model, an adapter merged into it, in the folder 'model'.</summary>
    public static void Save(GptModel trained, string run, LoraOptions? lora, string checkpoint, ToolConsole console)
    {
        string model = Path.Combine(run, "model"), adapter = Path.Combine(run, "adapter");
        if (lora is not null) trained.SaveAdapter(adapter, checkpoint);
        trained.SaveCheckpoint(model);
        if (lora is not null) console.Out.WriteLine($"{adapter}: an adapter for {checkpoint}");
        console.Out.WriteLine($"{model}: {trained.Config.ParameterCount:N0} parameters{(lora is null ? "" : ", the adapter merged")}");
    }
}
