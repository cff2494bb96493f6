using System.CommandLine;

namespace MLNet.Gpt.Tool;

/// <summary>The options of the commands that write text. What is left out is the model's own setting.</summary>
internal sealed class GenerationSwitches
{
    private readonly Option<int?> _tokens = new Option<int?>("--max-tokens", "-t") { Description = "The most tokens to write." }.AsNumber();
    private readonly Option<float?> _temperature = new Option<float?>("--temperature") { Description = "0 takes the likeliest token; 1 draws from the model's distribution." }.AsNumber();
    private readonly Option<int?> _topK = new Option<int?>("--top-k") { Description = "Draw among so many of the likeliest tokens; 0 for all." }.AsNumber();
    private readonly Option<float?> _topP = new Option<float?>("--top-p") { Description = "Draw among the likeliest tokens that make up this share; 1 for all." }.AsNumber();
    private readonly Option<float?> _penalty = new Option<float?>("--repetition-penalty") { Description = "Above 1 discourages tokens that were there." }.AsNumber();
    private readonly Option<string[]> _stops = new("--stop") { Description = "A text that ends the answer; may be given more than once." };
    private readonly Option<int?> _seed = new Option<int?>("--seed") { Description = "The seed of the draws; without it, each call draws anew." }.AsNumber();

    public void AddTo(Command command)
    {
        foreach (Option option in (Option[])[_tokens, _temperature, _topK, _topP, _penalty, _stops, _seed]) command.Options.Add(option);
    }

    /// <exception cref="ArgumentException">A value is outside its range.</exception>
    public GenerateTextOptions Read(ParseResult parsed, GptModel model)
    {
        GenerateTextOptions own = model.Generation;
        GenerateTextOptions options = own with
        {
            MaxNewTokens = parsed.GetValue(_tokens) ?? own.MaxNewTokens,
            MinNewTokens = Math.Min(own.MinNewTokens, Math.Max(0, parsed.GetValue(_tokens) ?? own.MaxNewTokens)), // --max-tokens below the model's own least is meant
            Temperature = parsed.GetValue(_temperature) ?? own.Temperature,
            TopK = parsed.GetValue(_topK) ?? own.TopK,
            TopP = parsed.GetValue(_topP) ?? own.TopP,
            RepetitionPenalty = parsed.GetValue(_penalty) ?? own.RepetitionPenalty,
            StopStrings = [.. own.StopStrings, .. parsed.GetValue(_stops) ?? []],
            Seed = parsed.GetValue(_seed) ?? Random.Shared.Next(),
        };
        try
        {
            options.Validate();
        }
        catch (ArgumentException exception)
        {
            (string Property, Option Switch)[] names = [(nameof(options.MaxNewTokens), _tokens), (nameof(options.Temperature), _temperature), (nameof(options.TopK), _topK), (nameof(options.TopP), _topP), (nameof(options.RepetitionPenalty), _penalty), (nameof(options.StopStrings), _stops)];
            if (Array.Find(names, name => name.Property == exception.ParamName && parsed.GetResult(name.Switch) is not null).Switch is not { } wrong) throw;
            string value = string.Join(' ', parsed.GetResult(wrong)!.Tokens.Select(static token => token.Value));
            throw new UsageException($"{wrong.Name} is '{value}'; {exception.Message[(exception.Message.IndexOf(';') + 1)..].Trim()}");
        }

        return options;
    }
}
